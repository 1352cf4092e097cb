"""What every job asks of a node, and that profiles/slurm is understood; tests/slurm/prove.py tries a real Slurm."""

import re
import sys
from pathlib import Path

import pytest
from project import Project

HEAVY = ("train", "probe", "judge", "evaluate")
IMAGES = 100_400
SLURM = ("--profile", "profiles/slurm")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = Project.make(tmp_path_factory.mktemp("made"))
    made.change(
        "models",
        to={"gmdgm": {"kind": "gmdgm", "K": 12, "z": 4}, "pixels": {"kind": "kmeans", "K": 9, "features": "pixels"}},
    )
    made.change("training", "threads", to=3)
    made.change("data", "digits", "train", to=IMAGES)
    return made


@pytest.mark.parametrize(("device", "cards", "options"), [("cpu", "0", ()), ("cuda", "1", SLURM)])
def test_every_job_says_what_it_needs(device: str, cards: str, options: tuple[str, ...], project: Project) -> None:
    project.change("training", "device", to=device)
    said = project.dry_run(*options)
    assert len(said) == 23
    for command, job in said.items():
        needs = dict(re.findall(r"(\w+)=([^,\s]+)", job.partition("resources:")[2].partition("\n")[0]))
        threads = re.search(r"^ *threads: (\d+)$", job, re.MULTILINE)
        stage = command.split()[3]
        assert int(needs["mem_mb"]) >= 500, command
        assert 10 <= int(needs["runtime"]) <= 24 * 60, command
        assert (threads[1] if threads else "1") == ("3" if stage in (*HEAVY, "figures") else "1"), command
        on_card = stage in HEAVY and "pixels" not in command
        assert needs.get("gpu", "0") == (cards if on_card else "0"), command
        if stage in ("prepare", *HEAVY):  # it grows with the images
            assert int(needs["mem_mb"]) > 8 * IMAGES * 32 * 32 * 3 // 10**6, command


def test_a_cluster_that_does_not_answer_costs_nothing(project: Project, tmp_path: Path) -> None:
    for name in ("sinfo", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}:/usr/bin:/bin"
    assert "Slurm does not answer here" in project.run("snakemake", *SLURM, "all", fails=True, PATH=path)
    assert not (project.folder / "data").exists()
