"""What the pipeline costs beside training, and how long its commands take on many runs.

    PYTHONPATH=. python benchmarks/load.py [--trainings 20]

Snakemake runs a project of so many trainings of tiny networks (2 epochs on 200 images), a stand-in for as many real
ones, and every job notes where its processor time goes. Then each command is given in that project. Seconds of the
processor count all processes of a command, so another program's load adds less to them than to those by the clock.
On two cores 20 trainings take some minutes, 200 half an hour.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from clocked import PARTS, TRAINING
from machine import machine
from page import answers, served

from tests.project import Project
from vlac.reporting.markdown import aligned, paragraph
from vlac.workflow.jobs import STAGES

MODELS: dict[str, dict[str, Any]] = {
    "vlac": {"kind": "vlac", "K": [1, 3, 12, 1]},
    "gmdgm": {"kind": "gmdgm", "K": 12, "z": 4},
}
ALL = ("snakemake", "--quiet", "--cores")


@dataclass(frozen=True)
class Took:
    """Seconds of a command by the clock, and of all processors together; and what it said."""

    clock: float
    processor: float
    said: str


def make(folder: Path, trainings: int) -> Project:
    """Return a project that asks for so many trainings, whose commands note their processor time."""
    project = Project.make(folder, real=True)
    shutil.copy(Path(__file__).with_name("clocked.py"), folder / "vlac/__main__.py")
    (folder / "search.yaml").unlink()  # `track` would look for its trials too
    project.change("data", "digits", to={"train": 200, "test": 100, "seed": 1})
    project.change("data", "holdout", to=50)
    project.change("evaluation", "fit_limit", to=100)
    models = dict(list(MODELS.items())[:trainings])
    project.change("models", to=models)
    project.change("seeds", to=list(range(trainings // len(models))))
    project.change("probe", "seeds", to=[0])
    return project


def timed(project: Project, *command: str) -> Took:
    """Run a command in the project to its end."""
    print(" ".join(command), file=sys.stderr, flush=True)
    before, started = _children(), time.perf_counter()
    said = project.run(*command)
    return Took(time.perf_counter() - started, _children() - before, said)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def jobs_table(project: Project, cores: int) -> str:
    """Let Snakemake run all jobs; return the processor seconds of a job by part, and what the engine adds."""
    whole = timed(project, *ALL, str(cores), "all")
    by_command: dict[str, list[dict[str, float]]] = defaultdict(list)
    for path in sorted(project.folder.glob("clocks/*.json")):
        noted = json.loads(path.read_text())
        by_command[noted["words"][0]].append(noted["seconds"])
    every = [seconds for found in by_command.values() for seconds in found]
    rows = [
        [f"`{command}`", str(len(found)), *(f"{sum(each[part] for each in found) / len(found):.2f}" for part in PARTS)]
        for command, found in ((name, {**by_command, "all": every}.get(name, [])) for name in (*STAGES, "all"))
        if found
    ]
    beside = sum(seconds[part] for seconds in every for part in PARTS if part != TRAINING)
    engine = whole.processor - sum(seconds[part] for seconds in every for part in PARTS)
    said = (
        f"Beside training a job takes {beside / len(every):.2f} s of the processor; Snakemake, its own start and the "
        f"ends of processes included, adds {engine / len(every):.2f} s. All took {whole.clock:.0f} s by the clock on "
        f"{cores} cores."
    )
    heads = ("processor seconds a job", "jobs", *PARTS)
    return f"{aligned(heads, rows)}\n\n{paragraph(said)}"


def commands_table(project: Project, jobs: int) -> str:
    """Return how long each command takes when all jobs are up to date.

    Raises:
        RuntimeError: an engine finds something to do.
    """
    took = {"snakemake -n": timed(project, "snakemake", "--cores", "1", "--dry-run", "all")}
    took["vlac plan"] = timed(project, sys.executable, "-m", "vlac", "plan")
    (manifest,) = project.folder.glob("results/*/table/manifest.json")
    manifest.unlink()
    took["vlac table, run again"] = timed(project, sys.executable, "-m", "vlac", "table")
    (project.folder / "mlflow.db").unlink()
    took["vlac track, from nothing"] = timed(project, sys.executable, "-m", "vlac", "track")
    took["vlac track, again"] = timed(project, sys.executable, "-m", "vlac", "track")
    took["dvc commit"] = timed(project, "dvc", "commit", "--force", "--quiet")
    took["dvc repro, nothing to do"] = timed(project, "dvc", "repro")
    if "> python" in took["dvc repro, nothing to do"].said or "Nothing to be done" not in took["snakemake -n"].said:
        raise RuntimeError("An engine had something to do.")
    rows = [[f"`{name}`", f"{each.clock:.1f}", f"{each.processor:.1f}"] for name, each in took.items()]
    return aligned((f"{jobs} jobs", "seconds by the clock", "of the processor"), rows)


def page_table(project: Project) -> str:
    """Return how long MLflow's page waits for its server."""
    with served(project.folder) as address:
        answers(address)  # the server loads what it needs on its first calls
        runs, asked = answers(address)
    rows = [[name, str(calls), f"{seconds:.2f}"] for name, (calls, seconds) in asked.items()]
    return aligned((f"MLflow's page on {runs} runs", "calls", "seconds by the clock"), rows)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="The pipeline's own cost, and its commands on many runs.")
    parser.add_argument("--trainings", type=int, default=200, help=f"1 or a multiple of {len(MODELS)} (default: 200)")
    parser.add_argument("--cores", type=int, default=2, help="jobs at once (default: 2)")
    options = parser.parse_args()
    if options.trainings < 1 or (options.trainings > 1 and options.trainings % len(MODELS)):
        parser.error(f"--trainings must be 1 or a multiple of {len(MODELS)}")
    for name in ("MLFLOW_TRACKING_URI", "VLAC_TRACKING", "VLAC_DATA"):
        os.environ.pop(name, None)
    print(paragraph(f"{machine(torch.device('cpu'))}. {options.trainings} trainings."), flush=True)
    with tempfile.TemporaryDirectory(prefix="vlac-load-") as folder:
        project = make(Path(folder), options.trainings)
        print(f"\n{jobs_table(project, options.cores)}", flush=True)
        jobs = len(list(project.folder.glob("clocks/*.json")))
        print(f"\n{commands_table(project, jobs)}", flush=True)
        print(f"\n{page_table(project)}", flush=True)


if __name__ == "__main__":
    main()
