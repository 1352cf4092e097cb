"""One run at a time in a folder, and one process at a time for a job.

Both are `flock` locks on files under logs/: the kernel releases them when their process dies, so a kill leaves nothing
to clean up. Snakemake and `work` hold the folder alone; stage commands that neither has started share it, so that
`dvc repro` and commands by hand may run beside each other, but not beside Snakemake.
"""

import fcntl
import json
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TextIO

from vlac.errors import VlacError
from vlac.files import reason
from vlac.workflow.jobs import Job

log = logging.getLogger(__name__)

RUN = Path("logs/run.lock")

MEMBER = "VLAC_RUN"
"""Environment variable: the folder whose holder has started this process."""

PATIENCE = 3.0
"""Seconds to wait for a run that is just ending."""


@contextmanager
def whole_folder() -> Iterator[None]:
    """Hold the folder alone for the length of a `with` block; processes started in it belong to the run.

    Raises:
        VlacError: another run or stage command works in this folder.
    """
    with _held(RUN, fcntl.LOCK_EX, PATIENCE):
        join_run()
        try:
            yield
        finally:
            del os.environ[MEMBER]


@contextmanager
def single_stage(job: Job) -> Iterator[bool]:
    """Hold a job for the length of a `with` block, and yield whether another process held it before.

    That process may be a training that outlived the engine which started it: this waits for its end.

    Raises:
        VlacError: a run that did not start this process works in this folder.
    """
    path = job.log.with_suffix(".lock")
    with nullcontext() if belongs_to_a_run() else _held(RUN, fcntl.LOCK_SH, PATIENCE):
        try:
            with _held(path, fcntl.LOCK_EX, 0.0):
                yield False
                return
        except _InUse as busy:
            log.info("%s is being made by %s; waiting for that.", job, busy.holder)
        with _held(path, fcntl.LOCK_EX, float("inf")):
            yield True


def belongs_to_a_run() -> bool:
    """Return whether the holder of this folder has started this process."""
    return os.environ.get(MEMBER) == str(Path.cwd())


def join_run() -> None:
    """Make this process, and those that it starts, part of the run that holds this folder."""
    os.environ[MEMBER] = str(Path.cwd())


class _InUse(VlacError):
    """A lock that others hold."""

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(f"This folder is in use by {holder}.", "Wait for its end, then run the same command again.")


@contextmanager
def _held(path: Path, how: int, patience: float) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise VlacError(f"{path} cannot be written: {reason(error)}.", "Correct that and run again.") from None
    with file:
        end = time.monotonic() + patience
        while not _taken(file, how):
            if time.monotonic() >= end:
                raise _InUse(_holder(path))
            time.sleep(0.1)
        with suppress(OSError):  # on a full disk the name is missing, the lock is not
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "command": _command()}))
            file.flush()
        yield


def _taken(file: TextIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _holder(path: Path) -> str:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return f"`{found['command']}` (process {found['pid']} on {found['host']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def _command() -> str:
    """Return this process's command as its user would type it."""
    program, *rest = sys.argv or ["python"]
    path = Path(program)
    return shlex.join([*(["python", "-m", path.parent.name] if path.name == "__main__.py" else [path.name]), *rest])
