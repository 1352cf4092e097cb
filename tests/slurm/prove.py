"""Prove profiles/slurm on the cluster that SLURM_CONF names: python tests/slurm/prove.py FOLDER [--epochs N].

A fresh clone makes all of presets/NAME.yaml on this machine alone, another makes it through Slurm, where trainings are
cancelled and requeued as soon as they have a checkpoint. Both must come to the same bytes, and MLflow must show them.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vlac.params.load import load_params
from vlac.workflow.jobs import STAGES, Job, jobs

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = ("scancel", "scancel", "scontrol requeue")
"""What becomes of the first trainings, one each."""

POLL = 1.0
"""Seconds between two looks at the queue."""


@dataclass
class Ended:
    """A training that was ended before its end."""

    job: Job
    how: str
    slurm: str
    second: float


def main() -> int:
    """Return 0 if everything held, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder for both clones")
    parser.add_argument("--preset", default="tiny", metavar="NAME", help="of presets/NAME.yaml")
    parser.add_argument("--epochs", type=int, help="in place of the preset's, for trainings that last long enough")
    options = parser.parse_args()
    if not os.environ.get("SLURM_CONF"):
        parser.error("no cluster: `tests/slurm/cluster.sh up CLUSTER` starts one, `. CLUSTER/environment` names it")
    options.folder.mkdir(parents=True)
    local, slurm = (clone(options, name) for name in ("local", "slurm"))

    say("All of it on this machine")
    run(local, "snakemake", "--cores", "2", "--quiet", "all")

    say("All of it through Slurm")
    status, ended, seen = through_slurm(slurm)
    print(f"\n{'Slurm':>6} {'state':<10} {'node':<6} job")
    for number, (state, node, comment) in sorted(seen.items(), key=lambda item: int(item[0])):
        print(f"{number:>6} {state:<10} {node:<6} {comment}")

    say("What held")
    held = {
        "snakemake ended with 0": status == 0,
        f"{len(ENDINGS)} trainings were ended early": len(ended) == len(ENDINGS),
    }
    for each in ended:
        print(f"{each.how} {each.slurm} ({each.job}) after {each.second:.0f} s; its log afterwards:")
        lines = [line for line in (slurm / each.job.log).read_text().splitlines() if "resumed" in line]
        print("\n".join(f"    {line}" for line in lines))
        held[f"{each.job} went on from a checkpoint"] = bool(lines)
    made = [job for job in jobs(load_params(slurm / "params.yaml")) if job.stage.name not in local_rules()]
    names = {comment for _, _, comment in seen.values()}
    held["every heavy job went through Slurm"] = all(comment_of(job) in names for job in made)
    held["at least two nodes worked"] = len({node for _, node, _ in seen.values() if node}) > 1
    held["no training is left half done"] = not any((slurm / job.checkpoint).exists() for job in trainings(slurm))
    held["the bytes are equal"] = run(slurm, sys.executable, ".ci/compare.py", local, slurm, fails=True) == 0
    held["the MLflow view is made of the files"] = run(slurm, sys.executable, "-m", "vlac", "track", fails=True) == 0
    shown = statuses(slurm)
    print("MLflow:", dict(shown))
    held["MLflow shows finished runs alone"] = set(shown) == {"FINISHED"}
    print()
    for what, holds in held.items():
        print(f"{'yes' if holds else 'NO':<4}{what}")
    return 0 if all(held.values()) else 1


def clone(options: argparse.Namespace, name: str) -> Path:
    """Clone the commit that is checked out, give it the preset, and return the clone."""
    folder = (options.folder / name).resolve()
    run(ROOT, "git", "clone", "--quiet", ROOT, folder)
    preset = (folder / "presets" / f"{options.preset}.yaml").read_text()
    if options.epochs:
        preset = re.sub(r"(?m)^  epochs: \d+", f"  epochs: {options.epochs}", preset, count=1)
    (folder / "params.yaml").write_text(preset)
    return folder


def through_slurm(folder: Path) -> tuple[int, list[Ended], dict[str, tuple[str, str, str]]]:
    """Run the workflow by Slurm, and end trainings on the way.

    Returns:
        Snakemake's status, what was ended, and state, node and comment of every Slurm job by its number.
    """
    command = ["snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5"]
    print("$", *command, "all", flush=True)
    waiting = list(zip(trainings(folder), ENDINGS, strict=False))
    ended: list[Ended] = []
    seen: dict[str, tuple[str, str, str]] = {}
    started = time.monotonic()
    with (folder.parent / "snakemake.log").open("w") as log:
        snakemake = subprocess.Popen([*command, "all"], cwd=folder, env=environment(), stdout=log, stderr=log)
        while snakemake.poll() is None:
            time.sleep(POLL)
            queue = read_queue()
            seen |= queue
            for job, how in waiting.copy():
                running = [n for n, (state, _, name) in queue.items() if (state, name) == ("RUNNING", comment_of(job))]
                if running and (folder / job.checkpoint).exists():
                    subprocess.run([*how.split(), running[0]], check=True)
                    waiting.remove((job, how))
                    ended.append(Ended(job, how, running[0], time.monotonic() - started))
                    print(f"{ended[-1].second:5.0f} s  {how} {running[0]}, which trains {job}", flush=True)
    seen |= read_queue()
    print(f"{time.monotonic() - started:5.0f} s  snakemake ended with {snakemake.returncode}")
    return snakemake.returncode, ended, seen


def trainings(folder: Path) -> list[Job]:
    """Return the trainings of the measured models."""
    return list(jobs(load_params(folder / "params.yaml"), STAGES["train"]))


def comment_of(job: Job) -> str:
    """Return the comment that the executor gives a Slurm job."""
    of = [job.model] if job.stage.over == "models" else []
    of += [] if job.seed is None else [str(job.seed)]
    return "_".join([f"rule_{job.stage.name}_wildcards", job.experiment, *of])


def read_queue() -> dict[str, tuple[str, str, str]]:
    """Return state, node and comment of every job that Slurm remembers, by its number."""
    command = ["squeue", "--states=all", "--noheader", "--format=%A|%T|%N|%k"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    rows = [line.split("|") for line in lines]
    return {number: (state, node, comment) for number, state, node, comment in rows}


def local_rules() -> list[str]:
    """Return the rules that the Snakefile keeps from Slurm."""
    block = re.search(r"(?m)^localrules:\n((?:    .*\n)+)", (ROOT / "Snakefile").read_text())
    return re.findall(r"\w+", block[1]) if block else []


def statuses(folder: Path) -> Counter[str]:
    """Count the statuses of the runs that MLflow shows."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return Counter(run.info.status for run in client.search_runs(experiments, max_results=1000))


def environment() -> dict[str, str]:
    """Return this process's environment, with its Python first and without what would change the results' place."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "VLAC_TRACKING")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(folder: Path, *command: object, fails: bool = False) -> int:
    """Run a command in a folder and return its status, which may only with `fails` be another than 0."""
    print("$", *command, flush=True)
    return subprocess.run([*map(str, command)], cwd=folder, env=environment(), check=not fails).returncode


def say(what: str) -> None:
    print(f"\n=== {what}", flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
