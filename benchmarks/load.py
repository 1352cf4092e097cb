"""What the pipeline costs beside training, and how long its commands take on many runs.

    PYTHONPATH=. python benchmarks/load.py [--trainings 20]

Snakemake runs a project of so many trainings of tiny networks (2 epochs on 400 images), a stand-in for as many real
ones, and every job notes its processor time. Then each command is given in that project. Seconds of the processor count
all processes of a command, so another program's load adds less to them than to those by the clock. On two cores 20
trainings take some minutes, 200 half an hour.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from machine import machine

from tests.project import Project
from vlac.reporting.markdown import aligned, paragraph

CORES = "2"

CLOCK = """
import atexit, sys, time
atexit.register(lambda: open("clocks.txt", "a").write(f"{sys.argv[1]} {time.process_time()}\\n"))
"""
"""Put before `vlac/__main__.py`, so that each command notes its seconds of the processor when it ends."""


@dataclass(frozen=True)
class Took:
    """Seconds of a command by the clock, and of all processors together; and what it said."""

    clock: float
    processor: float
    said: str


def make(folder: Path, trainings: int) -> Project:
    """Return a project that asks for so many trainings, whose commands note their processor time."""
    project = Project.make(folder, real=True).with_one_seed("vlac_2layer", "gmdgm")
    project.change("seeds", to=list(range(trainings // 2)))
    main = folder / "vlac/__main__.py"
    main.write_text(CLOCK + main.read_text())
    (folder / "search.yaml").unlink()  # `track` would look for its trials too
    return project


def timed(project: Project, *command: str) -> Took:
    """Run a command in the project to its end."""
    print(" ".join(command), file=sys.stderr, flush=True)
    before, started = _children(), time.perf_counter()
    said = project.run(*command)
    return Took(time.perf_counter() - started, _children() - before, said)


def _children() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])  # in programs, and in the kernel for them


def jobs_table(project: Project) -> str:
    """Let Snakemake run all jobs; return the processor seconds of a job by command, and what the engine adds."""
    whole = timed(project, "snakemake", "--quiet", "--cores", CORES, "all")
    noted: dict[str, list[float]] = defaultdict(list)
    for line in (project.folder / "clocks.txt").read_text().splitlines():
        command, seconds = line.split()
        noted[command].append(float(seconds))
    every = [seconds for found in noted.values() for seconds in found]
    means = sorted({**noted, "all": every}.items())
    rows = [[f"`{name}`", str(len(found)), f"{statistics.mean(found):.2f}"] for name, found in means]
    engine = (whole.processor - sum(every)) / len(every)
    said = (
        f"Snakemake, its own start and the ends of processes included, adds {engine:.2f} s of the processor to a job. "
        f"All took {whole.clock:.0f} s by the clock on {CORES} cores."
    )
    return f"{aligned(('command', 'jobs', 'processor seconds a job'), rows)}\n\n{paragraph(said)}"


def commands_table(project: Project) -> str:
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
    return aligned(("all up to date", "seconds by the clock", "of the processor"), rows)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="The pipeline's own cost, and its commands on many runs.")
    parser.add_argument("--trainings", type=int, default=200, help="an even number (default: 200)")
    options = parser.parse_args()
    if options.trainings < 2 or options.trainings % 2:
        parser.error("--trainings takes an even number from 2")
    for name in ("MLFLOW_TRACKING_URI", "VLAC_TRACKING", "VLAC_DATA"):
        os.environ.pop(name, None)
    print(paragraph(f"{machine(torch.device('cpu'))}. {options.trainings} trainings."), flush=True)
    with tempfile.TemporaryDirectory(prefix="vlac-load-") as folder:
        project = make(Path(folder), options.trainings)
        print(f"\n{jobs_table(project)}", flush=True)
        print(f"\n{commands_table(project)}", flush=True)


if __name__ == "__main__":
    main()
