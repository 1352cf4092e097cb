"""Hand finished results from one engine to the other, so that neither makes again what the other has made.

Snakemake goes by the times of files and by its record of the runs that it started itself, DVC by the hashes in
dvc.lock. After `dvc repro` Snakemake plans nothing as it is, but has no record; after Snakemake DVC has no hashes. The
hand-over writes both for every job whose manifest proves that it is up to date, and for no other.
"""

import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import write_bytes
from vlac.params import load_params
from vlac.params.schema import Params
from vlac.params.trials import SEARCH, load_search
from vlac.stages.asked import asked_of
from vlac.stages.definitions import Job
from vlac.stages.search import search_jobs
from vlac.stages.stale import sort_out, why_stale

LOCK = Path("dvc.lock")

AT_ONCE = 10_000
"""Files named in one call to Snakemake: a command line has an end."""


def hand_over(params: Params) -> tuple[list[Job], dict[Job, str]]:
    """Make DVC and Snakemake both take the finished, up-to-date jobs as done; nothing is run.

    Returns:
        The jobs handed over, and the others with the reason why each still has to be made.

    Raises:
        VlacError: no job is up to date, one of the engines fails, or the parameters or the code were edited meanwhile.
    """
    done, left = sort_out(params)
    if not done:
        raise VlacError("There is no finished result to hand over.", "Run `snakemake --cores 4` or `dvc repro` first.")
    with _all_or_nothing():
        _run("dvc", "commit", "--force", *_targets(done, left))
        # DVC puts large files in place again when it commits them, so their times move; then Snakemake has to look.
        # And after data/train.npz it has to look at what a search made of that.
        files = [str(path) for job in [*done, *_of_a_search()] for path in job.outputs]
        for first in range(0, len(files), AT_ONCE):
            _run("snakemake", "--cores", "1", "--quiet", "all", "--touch", "--force", *files[first : first + AT_ONCE])
        _refuse_changed(done, left)
    return done, left


@contextmanager
def _all_or_nothing() -> Iterator[None]:
    """Put dvc.lock back as it was if the block fails: DVC reads params.yaml and the code by itself, at its own time."""
    before = LOCK.read_bytes() if LOCK.is_file() else None
    try:
        yield
    except BaseException:
        if before is not None:
            write_bytes(LOCK, before)
        elif LOCK.is_file():
            LOCK.unlink()
        raise


def _refuse_changed(done: Collection[Job], left: Collection[Job]) -> None:
    """Return quietly if the same jobs are up to date as before the engines were told."""
    with suppress(VlacError):
        now, left_now = sort_out(load_params())
        if set(now) == set(done) and set(left_now) == set(left):
            return
    raise VlacError(
        "params.yaml, the code or a result was changed while the results were handed over, so dvc.lock is as it was.",
        "Run `python -m vlac handover` again.",
    )


def _of_a_search() -> list[Job]:
    """Return the up-to-date jobs of search.yaml; none where there is no such file, or one that proves nothing."""
    if not SEARCH.exists():
        return []
    try:
        return [job for job in search_jobs(load_search()) if why_stale(job, asked_of(job)) is None]
    except VlacError:
        return []


def _targets(done: Collection[Job], left: Collection[Job]) -> list[str]:
    """Return what to name to DVC for the done jobs: their stage where none of it is left, else each job.

    DVC reads the whole pipeline and writes all of dvc.lock again for every name that it is given.
    """
    begun = {job.stage for job in left}
    return list(dict.fromkeys(_address(job) if job.stage in begun else job.stage.name for job in done))


def _address(job: Job) -> str:
    """Return the name of the job in DVC, where a matrix appends its values to the stage's name."""
    values = "-".join(part for part in (job.model, job.seeds) if part)
    return f"{job.stage.name}@{values}" if values else job.stage.name


def _run(engine: str, *arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", engine, *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = " ".join((result.stderr or result.stdout).split())
        if "dvc.lock" in said:
            raise VlacError(
                f"dvc.lock is damaged: {said}",
                "Run `rm -r dvc.lock` and `python -m vlac handover`, which makes it anew of the results.",
            )
        raise VlacError(f"{engine} could not take the results over: {said}", "Nothing was changed in the results.")
