"""One run at a time in a folder: Snakemake, DVC, `python -m vlac work`, or stage commands given by hand.

Engines delete a job's outputs before they run it, so two of them beside each other would read and delete each other's
files; a lock per job (vlac/stages/lock.py) comes too late for that. Snakemake, `work` and whatever else changes many
results hold the folder alone, stage commands that none of these has started share it, and DVC is kept away by its own
means (vlac/stages/beside_dvc.py). A second one is refused with a sentence that names the first.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from vlac.errors import VlacError
from vlac.stages.beside_dvc import dvc_kept_away, refuse_running_dvc
from vlac.stages.definitions import Job
from vlac.stages.lock import HERE, Lock, holder, in_use

FILE = Path("logs/run.lock")

MEMBER = "VLAC_RUN"
"""Environment variable: the folder whose holder has started this process, which so belongs to its run."""

PATIENCE = 3.0
"""Seconds for somebody who is just ending, or just being refused."""


@contextmanager
def whole_folder(*, dvc_may_work: bool = False) -> Iterator[None]:
    """Hold the folder alone for the length of a `with` block; processes started in it belong to it.

    A part of another's run, such as Snakemake started by the hand-over, takes nothing.

    Args:
        dvc_may_work: for who starts DVC itself in the block.

    Raises:
        VlacError: an engine or a stage command runs in this folder.
    """
    if belongs_to_a_run():
        yield
        return
    with closing(Lock(FILE)) as lock:
        if not lock.take(patience=PATIENCE):
            raise _busy()
        if dvc_may_work:
            refuse_running_dvc()
        with nullcontext() if dvc_may_work else dvc_kept_away(), _members():
            yield


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold another folder than the working one, such as a pack, alone for the length of a `with` block.

    Raises:
        VlacError: somebody works in it.
    """
    with closing(Lock(folder / FILE)) as lock:
        if not lock.take(patience=PATIENCE):
            raise _busy(folder)
        yield


@contextmanager
def single_stage() -> Iterator[None]:
    """Share the folder with other stage commands for the length of a `with` block; nothing if an engine started this.

    Raises:
        VlacError: an engine runs in this folder, and is not the one that started this process.
    """
    if belongs_to_a_run():
        yield
        return
    with closing(Lock(FILE)) as lock:
        if not lock.take(shared=True, patience=PATIENCE):
            raise _busy()
        with nullcontext() if "DVC_STAGE" in os.environ else dvc_kept_away():
            yield


class Planned:
    """What the manifests were like when an engine planned, which Snakemake does before it can hold the folder."""

    def __init__(self) -> None:
        self._seen: dict[Path, int] = {}

    def note(self, job: Job) -> None:
        """Remember the job's manifest as it is now, unless it was noted before."""
        self._seen.setdefault(job.manifest, _written(job.manifest))

    def refuse_changed(self) -> None:
        """Return quietly if all is as it was noted.

        Raises:
            VlacError: whoever held the folder has made or unmade something meanwhile, which the plan does not know.
        """
        if changed := [path for path, time in self._seen.items() if _written(path) != time]:
            raise VlacError(
                f"{changed[0]} has changed while this was planned.", "Nothing was run. Give the same command again."
            )


def _written(path: Path) -> int:
    """Return the time of a file in nanoseconds, 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def belongs_to_a_run() -> bool:
    """Return whether the holder of this folder has started this process."""
    return os.environ.get(MEMBER) == _here()


def join_run() -> None:
    """Make this process and those that it starts part of the run of which an engine says that they are.

    For Snakemake's jobs: on a compute node they are not children of the process that holds the folder.
    """
    os.environ[MEMBER] = _here()


@contextmanager
def _members() -> Iterator[None]:
    join_run()
    try:
        yield
    finally:
        del os.environ[MEMBER]


def _busy(folder: Path = HERE) -> VlacError:
    """Return the error that names who holds the folder alone, or the stages that share it."""
    file = folder / FILE
    found = [holder(file)] if holder(file) else [holder(path) for path in sorted(file.parent.rglob("*.lock"))]
    return in_use(*filter(None, found) or ["another process"], folder=folder)


def _here() -> str:
    return str(Path().resolve())
