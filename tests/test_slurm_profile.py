"""profiles/slurm: what every job asks of a node, and how it gets there, by a stand-in for Slurm's commands.

tests/slurm/prove.py does the same, and more, on a real Slurm.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from copied import ROOT
from engines import Project
from snakemake.workflow import Workflow

from vlac.params.schema import seeds_of
from vlac.stages.definitions import jobs

TINY: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
GROUPS = [0, "1-2"]
"""Seeds of the VLAE."""

PYTHON = f"#!{sys.executable}\nimport json, os, pathlib, subprocess, sys, time\ncalls = pathlib.Path({{calls!r}})\n"
# A job waits until another is submitted: if one GPU job at a time were let through, both would wait forever.
COMMANDS = {
    "sbatch": """
number = os.getpid()
(calls / f"{number}.call").write_text(json.dumps(sys.argv[1:]))
wrapped = next(word for word in sys.argv if word.startswith("--wrap=")).removeprefix("--wrap=")
if not os.fork():
    os.setsid()
    out = os.open(calls / f"{number}.log", os.O_CREAT | os.O_WRONLY)
    [os.dup2(out, stream) for stream in (1, 2)]
    until = time.monotonic() + 60
    while len(list(calls.glob("*.call"))) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    job = {**os.environ, "SLURM_JOB_ID": str(number)}
    status = subprocess.call(wrapped, shell=True, env=job) if time.monotonic() < until else 1
    (calls / f"{number}.end").write_text("FAILED" if status else "COMPLETED")
else:
    print(number, flush=True)
    os._exit(0)
""",
    "squeue": """
for call in calls.glob("*.call"):
    end = call.with_suffix(".end")
    print(f"{call.stem}|{end.read_text() if end.exists() and end.read_text() else 'RUNNING'}")
""",
    "srun": """
command = list(sys.argv[1:])
while command[0].startswith("-"):
    command.pop(0)
os.execvp(command[0], command)
""",
    "sinfo": "print('PARTITION all*')",
    "scontrol": "print('MinJobAge = 300 sec')",
    "sacct": "sys.exit('Slurm accounting storage is disabled')",
    "nvidia-smi": "",
}

NOTE = """
import os
with open("environment", "a") as file:
    print(os.environ.get("VLAC_TRACKING"), file=file)
"""
"""What a stage notes of its environment."""


def small(device: str) -> dict[str, Any]:
    """Return parameters of which threads can be told apart, on a device."""
    values = yaml.safe_load(yaml.safe_dump(TINY))
    values["probe"]["seeds"] = GROUPS
    values["training"] |= {"device": device, "threads": 3, "at_once": 2}
    values["models"] = {"two": values["models"]["vlac_2layer"]}
    return values


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project.make(tmp_path_factory.mktemp("made"), small("cpu"))


@pytest.mark.parametrize(
    ("device", "here", "cards"),
    [("cpu", True, 0), ("cuda", True, 1), ("cuda", False, 1), ("auto", True, 1), ("auto", False, 0)],
)
def test_every_job_says_what_it_needs(
    device: str, here: bool, cards: int, made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`here` is whether jobs run on this machine, which has a card, or are submitted."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(Workflow, "local_exec", here)
    with made.changed("training", "device", to=device):
        asked, params = made.asked_of_machines(), made.params
    for job in jobs(params):
        needs = asked[job.command]
        assert needs["mem_mb"] >= 500
        assert 10 <= needs["runtime"] <= 24 * 60
        training, torch = job.stage.name in ("train", "train_vlae"), job.stage.name in ("probe", "evaluate")
        seeds = min(params.training.at_once, len(seeds_of(job.seeds))) if training else 1
        threads = 3 * seeds if training or torch or job.stage.name == "figures" else 1
        assert needs["_cores"] == threads
        assert needs.get("gpu", 0) == cards * (training or torch)
        assert needs["local"] == (job.stage.name in ("download", "rung", "table"))


def test_memory_grows_with_the_images(tmp_path: Path) -> None:
    values = yaml.safe_load((ROOT / "presets" / "svhn_small.yaml").read_text())
    project = Project.make(tmp_path, values)
    command = "python -m vlac prepare"
    train = project.asked_of_machines()[command]["mem_mb"]
    with project.changed("data", "train_split", to="train+extra"):
        both = project.asked_of_machines()[command]["mem_mb"]
    assert both - train > (604_388 - 73_257) * 32 * 32 * 3 // 10**6


@pytest.mark.slow
def test_jobs_go_through_slurm_as_their_rules_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm = pytest.importorskip("snakemake_executor_plugin_slurm", reason="the extra `slurm` is not installed")
    assert not slurm.common_settings.local_exec  # on which a device `auto` depends
    project = Project.make(tmp_path / "project", small("cuda"))
    calls = tmp_path / "calls"
    calls.mkdir()
    (tmp_path / "bin").mkdir()
    for name, text in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(PYTHON.format(calls=str(calls)) + text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name in ("MLFLOW_TRACKING_URI", "VLAC_TRACKING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    project.run("snakemake", "--cores", "1", "data/train.npz")
    main = project.folder / "vlac" / "__main__.py"
    main.write_text(main.read_text() + NOTE)

    targets = [f"results/train/vlae/{group}/model.pt" for group in GROUPS]
    said = project.run(
        "snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "1", *targets
    )

    assert "profiles/slurm and workflow specific profile profiles/default" in said
    assert all((project.folder / target).exists() for target in targets)
    assert [path.read_text() for path in calls.glob("*.end")] == ["COMPLETED"] * 2
    submitted = [json.loads(path.read_text()) for path in calls.glob("*.call")]
    asked = project.asked_of_machines(*targets)
    for group in GROUPS:
        (call,) = [call for call in submitted if f"rule_train_vlae_wildcards_{group}" in call]
        needs = asked[f"python -m vlac train --model vlae --seeds {group}"]
        assert call[call.index("--mem") + 1] == str(needs["mem_mb"])
        assert call[call.index("-t") + 1] == str(needs["runtime"])
        assert f"--cpus-per-task={needs['_cores']}" in call
        assert [word for word in call if word.startswith("--gpus")] == ["--gpus=1"]
        assert "--requeue" in call
    assert (project.folder / "environment").read_text().split() == ["later"] * 2
