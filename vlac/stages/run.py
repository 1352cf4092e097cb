"""Run one job: alone, its parameters restricted to what it declares, its log written, its manifest last."""

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlac.errors import VlacError
from vlac.files import reason
from vlac.params.search import Search
from vlac.stages.asked import asked_of
from vlac.stages.damage import refuse_damaged_inputs
from vlac.stages.definitions import VLAE, Asked, Job
from vlac.stages.engine import single_stage
from vlac.stages.lock import alone
from vlac.stages.manifest import Origin, code_hash, write_manifest
from vlac.stages.stale import why_stale
from vlac.stages.view import restrict

log = logging.getLogger(__name__)


def run_stage(job: Job, work: Callable[[Any], None], after: Callable[[], None] | None = None) -> None:
    """Call `work` with the job's declared parameters, write the manifest, then call `after`.

    All that while no other process runs the same job. If one did when this began, its result is taken where it is up
    to date; who gives a command again does not want what an orphan of the first has made to be made twice.

    Raises:
        VlacError: the parameters do not know the job's model or seeds, an input is missing or damaged, or an engine
            that did not start this is at work in the folder.
    """
    params = asked_of(job)
    _check_known(job, params)
    code = code_hash(job.stage)  # before waiting: this process has its modules already
    with single_stage(), alone(job) as waited:
        if waited and why_stale(job, params) is None:
            log.info("%s has been made meanwhile and is up to date.", job)
        else:
            _make(job, params, code, work)
        if after:
            after()


def _make(job: Job, params: Asked, code: str, work: Callable[[Any], None]) -> None:
    missing = [path for path in job.inputs(params) if not path.exists()]
    if missing:
        # Forced, or Snakemake would not miss what no job that it has to run reads. `work` runs no searches.
        other = "" if job.stage.part else " or with `python -m vlac work`"
        raise VlacError(
            f"{missing[0]} is missing.", f"Make it, and this, with `snakemake --cores 4 --force {job.manifest}`{other}."
        )
    with _log_to(job):
        refuse_damaged_inputs(job, params)
        origin = Origin.of(job, params, code)
        work(restrict(params, job.params))
        write_manifest(job, origin)


def _check_known(job: Job, params: Asked) -> None:
    if isinstance(params, Search):
        return
    groups = {"models": params.seeds, "trials": params.seeds, "probe": params.probe.seeds}.get(job.stage.over)
    if job.stage.over == "models" and job.model not in params.models:
        known = [*params.models, *([VLAE] if job.stage.name == "train" else [])]
        raise VlacError(f"{job.model} is no model that `{job.stage.name}` takes.", f"It takes {', '.join(known)}.")
    if groups is not None and job.seeds not in [str(group) for group in groups]:
        listed = ", ".join(str(group) for group in groups)
        kind = "seed" if job.stage.over == "trials" else "seed group"
        raise VlacError(f"{job.seeds} is no {kind} of {job.stage.file}.", f"It lists {listed}.")


class _log_to:
    """Send the package's log records to the job's own file for the length of a `with` block, errors included.

    No result depends on the log: where it cannot be written, a warning says so, and the job goes on.
    """

    def __init__(self, job: Job) -> None:
        self.path = job.log
        self.handler: logging.Handler = logging.NullHandler()

    def __enter__(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.handler = _LogFile(self.path, mode="w", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            _warn(self.path, error)
        self.handler.setFormatter(logging.Formatter("%(message)s"))
        logging.getLogger("vlac").addHandler(self.handler)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            # The traceback of a bug goes to the log alone, for whoever wants to report it.
            trace = None if isinstance(error, VlacError) else (kind, error, trace)
            self.handler.emit(logging.makeLogRecord({"msg": f"error: {error}", "exc_info": trace}))
        elif error is not None:
            self.handler.emit(logging.makeLogRecord({"msg": "interrupted"}))
        logging.getLogger("vlac").removeHandler(self.handler)
        with suppress(OSError):  # what could not be written before cannot be now
            self.handler.close()


class _LogFile(logging.FileHandler):
    """A log file that takes no more records once one could not be written; logging itself would show a traceback."""

    full = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.full:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.full = True
        _warn(Path(self.baseFilename).relative_to(Path.cwd()), error)


def _warn(path: Path, error: OSError) -> None:
    log.warning("%s could not be written: %s. No result is lost; the job goes on without it.", path, reason(error))
