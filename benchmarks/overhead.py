"""What the pipeline costs beside its trainings: of each job by part, and of the engine that runs the jobs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clocked import environment, took
from many_runs import copy_project, few_images
from traced import PARTS, TRAINING

from vlac.params.load import load_params
from vlac.stages import jobs

ENGINES: dict[str, Sequence[str]] = {
    "plain, `python -m vlac work`": ("vlac", "work"),
    "Snakemake": ("snakemake", "--cores", "1", "--quiet", "all"),
    "DVC": ("dvc", "repro", "--quiet"),
}


@dataclass(frozen=True)
class Whole:
    """A whole pipeline: jobs, seconds by the clock, and of the processor."""

    jobs: int
    clock: float
    processor: float


def one_of_each() -> dict[str, Any]:
    """Return parameters of one model and one seed, so that every stage is one job."""
    values = few_images()
    values["models"] = {"vlac_1layer": values["models"]["vlac_1layer"]}
    return values | {"seeds": [0], "probe": {"seeds": [0], "K": 12}}


def by_part(folder: Path) -> dict[str, dict[str, float]]:
    """Run every job of a small pipeline in a process of its own; return the processor seconds of each by part.

    Raises:
        RuntimeError: a job failed.
    """
    copy_project(folder, one_of_each())
    found = {}
    for job in jobs(load_params(folder / "params.yaml")):
        out = folder / "parts.json"
        command = [sys.executable, str(Path(__file__).with_name("traced.py")), str(out), *job.command.split()[3:]]
        result = subprocess.run(
            command, cwd=folder, env=environment(PYTHONPATH=str(folder)), capture_output=True, text=True
        )
        if result.returncode:
            raise RuntimeError(f"{job} failed:\n{result.stderr}")
        found[str(job)] = json.loads(out.read_text())
    return found


def whole(folder: Path, engine: str) -> Whole:
    """Run the same pipeline by an engine, from nothing."""
    copy_project(folder, one_of_each())
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)  # DVC looks for one
    ran = took(ENGINES[engine], folder)
    return Whole(len(list(jobs(load_params(folder / "params.yaml")))), ran.clock, ran.processor)


def beside_training(parts: dict[str, float]) -> float:
    """Return the seconds of a job that were no training."""
    return sum(parts[name] for name in PARTS if name != TRAINING)
