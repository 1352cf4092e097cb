"""What every job asks of a node, and that profiles/slurm is understood; tests/slurm/prove.py tries a real Slurm."""

import re
import sys
from pathlib import Path

import pytest
from project import Project

HEAVY = ("train", "probe", "judge", "evaluate")

Asked = dict[str, dict[str, str]]
"""Threads and resources of each job, by its command."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project.make(tmp_path)
    made.change(
        "models",
        to={"gmdgm": {"kind": "gmdgm", "K": 12, "z": 4}, "pixels": {"kind": "kmeans", "K": 9, "features": "pixels"}},
    )
    made.change("training", "threads", to=3)
    for rules in (tmp_path / "workflow/rules").glob("*.smk"):  # in the place of a message a dry run shows the resources
        rules.write_text(re.sub(r"    message:\n.*\n", "", rules.read_text()))
    return made


def asked(project: Project, *options: str) -> Asked:
    said = project.run("snakemake", "--dry-run", "--printshellcmds", "--cores", "4", *options)
    found = {}
    for job in said.split("\n[")[1:]:
        if command := re.search(r"^Shell command: python -m vlac (.*)$", job, re.MULTILINE):
            resources = dict(re.findall(r"(\w+)=([^,\s]+)", job.partition("resources:")[2].partition("\n")[0]))
            threads = re.search(r"^ *threads: (\d+)$", job, re.MULTILINE)
            found[command[1]] = resources | {"threads": threads[1] if threads else "1"}
    return found


@pytest.mark.parametrize(("device", "cards"), [("cpu", "0"), ("cuda", "1")])
def test_every_job_says_what_it_needs(device: str, cards: str, project: Project) -> None:
    project.change("training", "device", to=device)
    jobs = asked(project)
    assert len(jobs) == 23
    for command, needs in jobs.items():
        stage = command.split()[0]
        assert int(needs["mem_mb"]) >= 500, command
        assert 10 <= int(needs["runtime"]) <= 24 * 60, command
        assert needs["threads"] == ("3" if stage in (*HEAVY, "figures") else "1"), command
        on_card = stage in HEAVY and "pixels" not in command
        assert needs.get("gpu", "0") == (cards if on_card else "0"), command


def test_memory_grows_with_the_images(project: Project) -> None:
    before = int(asked(project)["prepare"]["mem_mb"])
    project.change("data", "digits", "train", to=100_400)
    assert int(asked(project)["prepare"]["mem_mb"]) - before > 8 * 100_000 * 32 * 32 * 3 // 10**6 - 1


def test_the_profile_of_slurm_is_understood(project: Project) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    assert asked(project, "--profile", "profiles/slurm").keys() == asked(project).keys()


def test_a_cluster_that_does_not_answer_costs_nothing(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    sinfo = tmp_path / "bin/sinfo"
    sinfo.parent.mkdir()
    sinfo.write_text("#!/bin/sh\nexit 1\n")
    sinfo.chmod(0o755)
    command = ("snakemake", "--profile", "profiles/slurm", "all")
    said = project.run(*command, fails=True, PATH=f"{sinfo.parent}:{Path(sys.executable).parent}:/usr/bin:/bin")
    assert "Slurm does not answer here" in said
    assert not (tmp_path / "data").exists()
