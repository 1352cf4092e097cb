"""Locks on files that the kernel lets go of when their process dies, and one of them for every job.

A process that is killed outright leaves nothing to clean up. They are Linux's `flock`: they hold between the hosts of
a network file system that passes locks on (NFS does, unless mounted with `nolock` or `local_lock`); where a file
system knows none at all, a warning says so. Lock files lie under logs/ and stay there, for deleting one that somebody
holds would let a second process in.
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
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from vlac.errors import VlacError
from vlac.stages.definitions import Job

log = logging.getLogger(__name__)

HERE = Path()

PAUSE = 0.1
"""Seconds between two looks at a lock that somebody may soon let go of."""


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock: its id, host, when it took it (local time), and its command."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"`{self.command}` (process {self.pid} on {self.host}, since {self.since})"

    @property
    def gone(self) -> bool:
        """Whether the process has surely ended; of one on another host that cannot be told."""
        return self.host == socket.gethostname() and not alive(self.pid)


class Lock:
    """A lock file, open: one process holds it alone, or several share it, until `close` or the process's end.

    Args:
        path: the file, which is made if need be.
        signed: whether who holds it alone writes its name into it; not for a file of somebody else's.

    Where the file cannot be made or locked, a warning says so and the lock counts as taken: results matter more.
    """

    def __init__(self, path: Path, *, signed: bool = True) -> None:
        self._path = path
        self._signed = signed
        self._alone = False
        self._file: TextIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="utf-8")
        except OSError as error:
            self._warn(error)

    def take(self, *, shared: bool = False, patience: float = 0.0) -> bool:
        """Take the lock and return True, or False if others held it for `patience` seconds, which may be infinite."""
        end = time.monotonic() + patience
        while not self._flock((fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB):
            if time.monotonic() >= end:
                return False
            time.sleep(PAUSE)
        self._alone = not shared
        self._sign(None if shared else me())
        return True

    def close(self) -> None:
        """Let go of the lock, if it was taken."""
        if self._alone:
            self._sign(None)
        if self._file:
            with suppress(OSError):  # what could not be written before is tried again, and fails again
                self._file.close()

    def _flock(self, how: int) -> bool:
        if not self._file:
            return True
        try:
            fcntl.flock(self._file, how)
        except BlockingIOError:
            return False
        except OSError as error:
            self._warn(error)
        return True

    def _warn(self, error: OSError) -> None:
        log.warning(
            "%s cannot be locked here (%s): see to it that nothing else runs in this folder.",
            self._path,
            error.strerror,
        )

    def _sign(self, holder: Holder | None) -> None:
        if not self._signed or not self._file:
            return
        with suppress(OSError):  # the words are for people alone; a full disk must not stop what needs none of it
            self._file.truncate(0)
            self._file.write(json.dumps(asdict(holder)) if holder else "")
            self._file.flush()


@contextmanager
def alone(job: Job) -> Iterator[bool]:
    """Hold the job's lock for the length of a `with` block, which gets to know whether somebody else held it before.

    Then this waits until that process has ended: it may be a training that outlived the engine which started it, and
    its result is the one that is wanted.
    """
    with closing(Lock(lock_file(job))) as lock:
        waited = not lock.take()
        if waited:
            log.info("%s is being made by %s; waiting for that.", job, holder(lock_file(job)) or "another process")
            lock.take(patience=float("inf"))
        yield waited


def lock_file(job: Job) -> Path:
    """Return the job's lock file, beside its log."""
    return job.log.with_suffix(".lock")


def holder(path: Path) -> Holder | None:
    """Return who holds a lock file alone, or None where that cannot be told or the process is gone."""
    try:
        found = Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return None if found.gone else found


def in_use(*who: object, folder: Path = HERE) -> VlacError:
    """Return the error of whoever came second."""
    return VlacError(
        f"{'This folder' if folder == HERE else folder} is in use by {' and '.join(map(str, who))}.",
        "Wait until that has ended, or end it; then give the same command again.",
    )


def me() -> Holder:
    """Return this process, as from now."""
    return Holder(os.getpid(), socket.gethostname(), time.strftime("%Y-%m-%d %H:%M:%S"), command_line(sys.argv))


def command_line(arguments: list[str]) -> str:
    """Return the command of a Python process as its user would type it."""
    program, *rest = arguments or ["python"]
    path = Path(program)
    name = f"python -m {path.parent.name}" if path.name == "__main__.py" else path.name
    return shlex.join([*name.split(), *rest])


def alive(pid: int) -> bool:
    """Return whether this host has a process with that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
