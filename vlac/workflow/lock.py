"""One run at a time in a folder, and one process at a time for a job.

Both are `flock` locks on files under logs/: the kernel releases them when their process dies, so a kill leaves nothing
to clean up. Snakemake and `work` hold the folder alone; stage commands that neither has started share it, so that
`dvc repro` and commands by hand may run beside each other, but not beside Snakemake.
"""

import fcntl
import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

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

    Raises VlacError if another run or stage command works in this folder.
    """
    with _held(RUN, fcntl.LOCK_EX, PATIENCE):
        join_run()
        try:
            yield
        finally:
            del os.environ[MEMBER]


@contextmanager
def single_stage(job: Job) -> Iterator[None]:
    """Hold a job for the length of a `with` block; raise VlacError if a run of others works in this folder.

    Another process that holds it may be a training that outlived the engine which started it: this waits for its end.
    """
    path = job.log.with_suffix(".lock")
    in_run = os.environ.get(MEMBER) == str(Path.cwd())
    with ExitStack() as locks:
        if not in_run:
            locks.enter_context(_held(RUN, fcntl.LOCK_SH, PATIENCE))
        try:
            locks.enter_context(_held(path, fcntl.LOCK_EX, 0.0))
        except _InUse as busy:
            log.info("%s is being made by %s; waiting for that.", job, busy.holder)
            locks.enter_context(_held(path, fcntl.LOCK_EX, float("inf")))
        yield


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
        file = path.open("ab", buffering=0)  # a buffer that a full disk does not take fails again when it is closed
    except OSError as error:
        raise VlacError(f"{path} cannot be written: {reason(error)}.", "Correct that and run again.") from None
    with file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise _InUse(path.read_text(errors="replace") or "another process") from None
                time.sleep(0.1)
        program = Path(sys.argv[0])
        name = ["python", "-m", program.parent.name] if program.name == "__main__.py" else [program.name]
        holder = f"`{shlex.join([*name, *sys.argv[1:]])}` (process {os.getpid()} on {socket.gethostname()})"
        with suppress(OSError):  # on a full disk the name is missing, the lock is not
            file.truncate(0)
            file.write(holder.encode())
        yield
