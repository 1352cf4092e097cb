"""What only the running process knows of a job: git commit, times, and whether the process still lives.

Written beside the job's log, outside every declared output, so that a rebuilt view can show what the live one did.
"""

import os
import socket
import subprocess
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import read_json, write_json
from vlac.stages.definitions import CODE_ROOT, LOGS, Job

TOLERANCE = 60_000
"""Milliseconds by which the time of a process's start may be wrong: the system counts it from its own start."""

PACK = Path("pack.json")
"""In a pack for a compute node (vlac/node), where there is no git: says which commit was packed."""


@dataclass(frozen=True)
class Journal:
    """One job's last run.

    Attributes:
        git_commit: commit of the code, with "-dirty" if the package differs from it; None outside a git checkout.
        host, pid: the process that runs or ran it.
        started, ended: milliseconds since 1970; `ended` is None while it runs, and if it was killed.
        keys: the keys of the runs that it writes live.
    """

    git_commit: str | None
    host: str
    pid: int
    started: int
    ended: int | None
    keys: list[str]

    @property
    def over(self) -> bool:
        """Whether the job has ended or its process is gone; of a process on another host that cannot be told."""
        if self.ended is not None:
            return True
        if self.host != socket.gethostname():
            return False
        import psutil  # a node that only trains may lack it

        try:
            process = psutil.Process(self.pid)
            # Another process may have got the number since; a dead one that nobody waits for keeps it.
            return process.create_time() * 1000 > self.started + TOLERANCE or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True


def path(job: Job) -> Path:
    """Return where the job's journal is."""
    return job.log.with_suffix(".json")


def begin(job: Job, keys: list[str]) -> None:
    """Note that the job starts now in this process."""
    write_json(path(job), asdict(Journal(commit(), socket.gethostname(), os.getpid(), now(), None, keys)))


def end(job: Job) -> None:
    """Note that the job has ended."""
    journal = read(job)
    if journal:
        write_json(path(job), asdict(replace(journal, ended=now())))


def read(job: Job) -> Journal | None:
    """Return the job's journal, or None if it is missing or unreadable."""
    return _read(path(job))


def read_all() -> list[Journal]:
    """Return the journals of all jobs that were ever run here, those of other parameters among them."""
    found = (_read(file) for file in sorted(LOGS.rglob("*.json")))
    return [journal for journal in found if journal]


def now() -> int:
    """Return milliseconds since 1970, MLflow's unit of time."""
    return time.time_ns() // 1_000_000


def _read(file: Path) -> Journal | None:
    try:
        return Journal(**read_json(file))
    except (VlacError, TypeError):
        return None


def commit() -> str | None:
    """Return the git commit of the code, with "-dirty" if the package differs from it; None outside its checkout."""
    if (CODE_ROOT / PACK).exists():
        packed = read_json(CODE_ROOT / PACK).get("git_commit")
        return str(packed) if packed else None
    try:
        top, head = _git("rev-parse", "--show-toplevel", "HEAD").splitlines()
        if Path(top).resolve() != CODE_ROOT:  # installed somewhere inside another project's checkout
            return None
        return f"{head}-dirty" if _git("status", "--porcelain", "--", "vlac") else head
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _git(*arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(CODE_ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
