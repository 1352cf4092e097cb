"""Run one job: its parameters restricted to what it declares, its log written, its manifest last."""

import logging
from collections.abc import Callable
from typing import Any

from vlac.errors import VlacError
from vlac.params.search import Search
from vlac.stages.asked import asked_of
from vlac.stages.definitions import VLAE, Asked, Job
from vlac.stages.manifest import write_manifest
from vlac.stages.view import restrict


def run_stage(job: Job, work: Callable[[Any], None]) -> None:
    """Call `work` with the job's declared parameters, then write the manifest.

    Raises:
        VlacError: the parameters do not know the job's model or seeds, or an input is missing.
    """
    params = asked_of(job)
    _check_known(job, params)
    missing = [path for path in job.inputs(params) if not path.exists()]
    if missing:
        raise VlacError(
            f"{missing[0]} is missing.",
            f"Make it first, for example with `snakemake --cores 4 {missing[0]}`, or with `python -m vlac work`.",
        )
    with _log_to(job):
        work(restrict(params, job.params))
        write_manifest(job, params)


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
    """Send the package's log records to the job's own file for the length of a `with` block, errors included."""

    def __init__(self, job: Job) -> None:
        self.path = job.log

    def __enter__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.handler = logging.FileHandler(self.path, mode="w", encoding="utf-8")
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
        self.handler.close()
