"""Prove profiles/slurm on the cluster that SLURM_CONF names: python tests/slurm/prove.py FOLDER [--epochs N].

A clone makes all of presets/NAME.yaml on this machine, another through Slurm, where trainings are cancelled and
requeued as soon as they have a checkpoint. Both must come to the same bytes.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from vlac.params.load import load_params
from vlac.workflow.jobs import Job, jobs

ROOT = Path(__file__).resolve().parents[2]
ENDINGS = ("scancel", "scancel", "scontrol requeue")
"""What becomes of the first trainings, one each."""

Queue = dict[str, tuple[str, str, str]]
"""State, node and comment of every job that Slurm remembers, by its number."""


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
    run(local, "snakemake", "--cores", "2", "--quiet", "all")
    status, ended, seen = through_slurm(slurm)
    for number, (state, node, comment) in sorted(seen.items(), key=lambda item: int(item[0])):
        print(f"{number:>6} {state:<10} {node:<6} {comment}")

    made = list(jobs(load_params(slurm / "params.yaml")))
    names = {comment for _, _, comment in seen.values()}
    local_rules = re.search(r"(?m)^localrules:\n((?:    .*\n)+)", (ROOT / "Snakefile").read_text())
    assert local_rules
    heavy = [job for job in made if job.stage.name not in re.findall(r"\w+", local_rules[1])]
    held = {
        "snakemake ended with 0": status == 0,
        f"{len(ENDINGS)} trainings were ended early": len(ended) == len(ENDINGS),
        "they went on from checkpoints": all("resumed" in (slurm / job.log).read_text() for job in ended),
        "every heavy job went through Slurm": all(comment_of(job) in names for job in heavy),
        "at least two nodes worked": len({node for _, node, _ in seen.values() if node}) > 1,
        "no training is left half done": not any((slurm / job.checkpoint).exists() for job in made),
        "the bytes are equal": run(slurm, sys.executable, ".ci/compare.py", local, slurm, fails=True) == 0,
        "the MLflow view is made of the files": run(slurm, sys.executable, "-m", "vlac", "track", fails=True) == 0,
    }
    for what, holds in held.items():
        print(f"{'yes' if holds else 'NO':<4}{what}")
    return 0 if all(held.values()) else 1


def clone(options: argparse.Namespace, name: str) -> Path:
    """Clone the commit that is checked out, give it the preset, and return the clone."""
    folder = (options.folder / name).resolve()
    run(ROOT, "git", "clone", "--quiet", ROOT, folder)
    preset = (folder / f"presets/{options.preset}.yaml").read_text()
    if options.epochs:
        preset = re.sub(r"(?m)^  epochs: \d+", f"  epochs: {options.epochs}", preset, count=1)
    (folder / "params.yaml").write_text(preset)
    return folder


def through_slurm(folder: Path) -> tuple[int, list[Job], Queue]:
    """Run the workflow by Slurm, and end trainings on the way; return Snakemake's status, those and the queue."""
    command = ["snakemake", "--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5", "all"]
    trainings = [job for job in jobs(load_params(folder / "params.yaml")) if job.stage.name == "train"]
    waiting = list(zip(trainings, ENDINGS, strict=False))
    ended: list[Job] = []
    seen: Queue = {}
    with (folder.parent / "snakemake.log").open("w") as log:
        snakemake = subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log)
        while snakemake.poll() is None:
            time.sleep(1)
            queue = read_queue()
            seen |= queue
            for job, how in waiting.copy():
                running = [n for n, (state, _, name) in queue.items() if (state, name) == ("RUNNING", comment_of(job))]
                if running and (folder / job.checkpoint).exists():
                    run(folder, *how.split(), running[0])
                    waiting.remove((job, how))
                    ended.append(job)
    return snakemake.returncode, ended, seen | read_queue()


def comment_of(job: Job) -> str:
    """Return the comment that the executor gives a Slurm job."""
    of = [job.model] if job.stage.over == "models" else []
    of += [] if job.seed is None else [str(job.seed)]
    return "_".join([f"rule_{job.stage.name}_wildcards", job.experiment, *of])


def read_queue() -> Queue:
    command = ["squeue", "--states=all", "--noheader", "--format=%A|%T|%N|%k"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {number: (state, node, comment) for number, state, node, comment in (line.split("|") for line in lines)}


def environment() -> dict[str, str]:
    """Return this process's environment, with its Python first and without another place for the view."""
    kept = {name: value for name, value in os.environ.items() if name not in ("MLFLOW_TRACKING_URI", "VLAC_TRACKING")}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(folder: Path, *command: object, fails: bool = False) -> int:
    """Run a command in a folder and return its status, which may only with `fails` be another than 0."""
    print("$", *command, flush=True)
    return subprocess.run([*map(str, command)], cwd=folder, env=environment(), check=not fails).returncode


if __name__ == "__main__":
    sys.exit(main())
