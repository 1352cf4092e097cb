"""Many processes that begin the live view of a training at the same moment, in a folder without a store."""

import contextlib
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from clocked import environment
from many_runs import copy_project, few_images

from vlac.tracking.store import open_store

PATIENCE = 1800.0
"""Seconds after which the start is given, whoever is not there."""


@dataclass(frozen=True)
class Began:
    """One process: seconds until its run was there, seconds until all was over, and whether the view has failed."""

    shown: float
    ended: float
    failed: bool


def at_once(folder: Path, number: int) -> tuple[list[Began], int]:
    """Let so many processes show a training at once; return how it went, and how many runs are finished.

    Raises:
        RuntimeError: a process has failed.
    """
    copy_project(folder, few_images() | {"seeds": list(range(number))})
    command = [sys.executable, str(Path(__file__).with_name("begin.py"))]
    processes = [
        subprocess.Popen(
            [*command, str(seed)],
            cwd=folder,
            env=environment(PYTHONPATH=str(folder)),
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(number)
    ]
    deadline = time.monotonic() + PATIENCE
    while len(list(folder.glob("*.ready"))) < number and time.monotonic() < deadline:
        time.sleep(0.05)
    (folder / "go").touch()
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError("a process that shows a training has failed")
    with contextlib.chdir(folder):
        finished = open_store().every("FINISHED")
    return [Began(**json.loads(each)) for each in said], len(finished)
