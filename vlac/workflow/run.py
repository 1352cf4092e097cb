"""Run one job: alone, its parameters restricted to what it declares, its log written, its manifest last."""

import logging
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import reason, remove_leftovers, sha256
from vlac.params.section import Asked, restrict
from vlac.workflow.depends import hash_of_code, keys_of, params_hash
from vlac.workflow.jobs import Job
from vlac.workflow.lock import single_stage
from vlac.workflow.manifest import Origin, write_manifest
from vlac.workflow.stale import refuse_damaged, why_stale

log = logging.getLogger(__name__)


def run_job(
    job: Job,
    params: Asked,
    every: Iterable[Job],
    work: Callable[[Job, Any, Origin], None],
    after: Callable[[], None] = lambda: None,
) -> None:
    """Call `work` with the job, its declared parameters and what it is made from; write the manifest; call `after`.

    A job that is up to date already is left alone: engines may ask for it without knowing. `params` is all of the file
    that asks for the job, and `every` has the jobs of that file, which tell who has made the inputs.
    """
    code = hash_of_code(job, params)  # before waiting: this process has imported its modules already
    with single_stage(job):
        # Engines delete outputs before they run a job, so these are DVC's, or of a process that outlived its engine.
        if why_stale(job, params) is None:
            log.info("%s is up to date. To run it again, delete %s first.", job, job.manifest)
        else:
            with _log_to(job.log):
                _make(job, params, code, every, work)
        after()


def _make(job: Job, params: Asked, code: str, every: Iterable[Job], work: Callable[[Job, Any, Origin], None]) -> None:
    inputs = job.inputs(params)
    for path in inputs:
        if not path.exists():
            raise VlacError(f"{path} is missing.", f"Build both with `snakemake --cores 4 {job.manifest}`.")
    refuse_damaged(job, inputs, every)
    origin = Origin(params_hash(job, params), code, {path.as_posix(): sha256(path) for path in inputs})
    for path in (*job.outputs, job.checkpoint):
        remove_leftovers(path)
        if path.is_dir():  # of an earlier run: nothing of it may remain
            shutil.rmtree(path)
    work(job, restrict(params, keys_of(job, params)), origin)
    write_manifest(job, origin)


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Send the package's log records to the job's own file for the length of a `with` block, errors included.

    No result depends on the log: where it cannot be written, a warning says so, and the job goes on.
    """
    handler: logging.Handler = logging.NullHandler()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _LogFile(path, mode="w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        _warn(path, error)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("vlac")
    logger.addHandler(handler)
    try:
        yield
    except BaseException as error:
        said = f"error: {error}" if isinstance(error, Exception) else "interrupted"
        # The traceback of a bug goes to the log alone, for a report.
        bug = isinstance(error, Exception) and not isinstance(error, VlacError)
        handler.handle(logging.makeLogRecord({"msg": said, "exc_info": sys.exc_info() if bug else None}))
        raise
    finally:
        logger.removeHandler(handler)
        try:
            handler.close()  # tries once more to write what it could not
        except OSError as error:
            _warn(path, error)


class _LogFile(logging.FileHandler):
    """A log file that goes on when it cannot be written; logging itself would show a traceback for each record."""

    def handleError(self, record: logging.LogRecord) -> None:
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _warn(path: Path, error: OSError) -> None:
    log.warning("%s could not be written: %s. No result is lost; the job goes on without it.", path, reason(error))
