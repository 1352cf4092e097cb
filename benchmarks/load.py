"""How long the commands take on many runs, how many jobs may begin at once, and what the pipeline itself costs.

    PYTHONPATH=. python benchmarks/load.py

Many runs are one training of each of four tiny networks, 20 epochs on 200 images, and its files again under other
seeds, with manifests that are right; MLflow shows them by `python -m vlac track`. Seconds of the processor count all
processes and threads of a command, so another program's load adds less to them than to those by the clock. Needs
Snakemake, DVC and MLflow, 4 GiB of memory and half a GiB of disk.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from clocked import took
from comparing import answers, served
from fresh_store import at_once
from machine import machine
from many_runs import MODELS, copy_project, fill, many
from overhead import ENGINES, beside_training, by_part, whole
from torch import device
from traced import PARTS

from vlac.params.load import load_params
from vlac.reporting.markdown import aligned, paragraph
from vlac.stages import jobs

COMMANDS: dict[str, tuple[str, ...]] = {
    "python -m vlac table": ("vlac", "table"),
    "python -m vlac track, from nothing": ("vlac", "track"),
    "python -m vlac track, again": ("vlac", "track"),
    "python -m vlac plan": ("vlac", "plan"),
    "python -m vlac handover": ("vlac", "handover"),
    "snakemake -n": ("snakemake", "--cores", "1", "--dry-run", "--quiet", "all"),
    "dvc status": ("dvc", "status", "--quiet"),
    "python -m vlac handover, again": ("vlac", "handover"),
}


def commands_table(folder: Path, runs: int) -> str:
    """Make a project with so many runs, time the commands and the page's calls on it; return the tables."""
    copy_project(folder, many(runs))
    number = len(list(jobs(load_params(folder / "params.yaml"))))
    _tell(f"making {number} results")
    started = time.perf_counter()
    fill(folder)
    _tell(f"made in {time.perf_counter() - started:.0f} s")
    (folder / "mlflow.db").unlink(missing_ok=True)
    rows = []
    for name, command in COMMANDS.items():
        _tell(name)
        ran = took(command, folder)
        rows.append([f"`{name}`", f"{ran.clock:.1f}", f"{ran.processor:.1f}"])
    title = f"{runs} trainings, {number} jobs"
    tables = [aligned((title, "seconds by the clock", "of the processor"), rows)]
    _tell("mlflow ui")
    with served(folder) as address:
        answers(address, runs)  # the workers load what they need on their first calls
        asked = answers(address, runs)
    rows = [[name, str(calls), f"{seconds:.2f}"] for name, (calls, seconds) in asked.items()]
    tables.append(aligned((f"MLflow's page on {runs} runs", "calls", "seconds by the clock"), rows))
    return "\n\n".join(tables)


def at_once_table(folder: Path, number: int) -> str:
    """Let so many trainings begin at once on a fresh store; return a line on it."""
    _tell(f"{number} jobs at once")
    began, finished = at_once(folder, number)
    row = [
        str(number),
        str(sum(each.failed for each in began)),
        str(finished),
        f"{min(each.shown for each in began):.1f}-{max(each.shown for each in began):.1f}",
        f"{max(each.ended for each in began):.1f}",
    ]
    return aligned(("at once", "failed", "runs", "seconds until shown", "until all are over"), [row])


def overhead_table(folder: Path) -> str:
    """Run a small pipeline job by job and by each engine; return where its processor time goes."""
    _tell("every job by part")
    found = by_part(folder / "parts")
    rows = [[job, *(f"{parts[name]:.2f}" for name in PARTS)] for job, parts in found.items()]
    tables = [aligned(("processor seconds of", *PARTS), rows)]
    alone = sum(sum(parts.values()) for parts in found.values())
    rows = [["every job by hand", f"{alone:.1f}", "", "", ""]]
    for number, engine in enumerate(ENGINES):
        _tell(engine)
        ran = whole(folder / f"whole{number}", engine)
        more = ran.processor - alone
        rows.append([engine, f"{ran.processor:.1f}", f"{more:.1f}", f"{more / ran.jobs:.2f}", f"{ran.clock:.1f}"])
    heads = (f"{len(found)} jobs", "processor seconds", "more than by hand", "per job", "seconds by the clock")
    tables.append(aligned(heads, rows))
    beside = sum(map(beside_training, found.values()))
    tables.append(f"Beside training: {beside:.1f} s of processor, {beside / len(found):.1f} s a job.")
    return "\n\n".join(tables)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description="Many runs, many jobs at once, and the pipeline's own cost.")
    parser.add_argument("--runs", type=int, default=200, help=f"a multiple of {len(MODELS)} (default: 200)")
    parser.add_argument("--at-once", type=int, default=16, help="jobs that begin at the same moment (default: 16)")
    parser.add_argument("--parts", nargs="+", choices=["commands", "at_once", "overhead"], default=None)
    options = parser.parse_args()
    if options.runs < len(MODELS) or options.runs % len(MODELS):
        parser.error(f"--runs must be a multiple of {len(MODELS)}")
    parts = options.parts or ["commands", "at_once", "overhead"]
    print(paragraph(f"{machine(device('cpu'))}."), flush=True)
    with tempfile.TemporaryDirectory(prefix="vlac-load-") as name:
        folder = Path(name)
        if "commands" in parts:
            print(f"\n{commands_table(folder / 'many', options.runs)}", flush=True)
        if "at_once" in parts:
            print(f"\n{at_once_table(folder / 'fresh', options.at_once)}", flush=True)
        if "overhead" in parts:
            print(f"\n{overhead_table(folder / 'overhead')}", flush=True)


if __name__ == "__main__":
    main()
