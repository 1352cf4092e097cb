"""Run the pipeline in order by plain Python, one job after the other: what the engines do, without them."""

import logging
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from vlac.errors import VlacError
from vlac.params.view import Asked
from vlac.workflow.jobs import STAGES, Job
from vlac.workflow.stale import why_stale

log = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds that a job gets between SIGTERM and SIGKILL."""

DONE, TIME_IS_UP, FAILED = 0, 3, 4
"""Exit statuses: the chosen stages are up to date; the same command resumes; a job failed."""


def chosen_stages(names: str | None) -> tuple[str, ...]:
    """Return the stages of a comma-separated list, None meaning all; raise VlacError if there is no such stage."""
    stages = tuple(STAGES) if names is None else tuple(name.strip() for name in names.split(","))
    if unknown := [name for name in stages if name not in STAGES]:
        raise VlacError(f"{unknown[0]!r} is no stage.", f"The stages are {', '.join(STAGES)}.")
    return stages


def work(every: Iterable[tuple[Job, Asked]], stages: Collection[str], minutes: float | None = None) -> int:
    """Run every job of `stages` that is not up to date, each by its own command, and return the exit status.

    `every` is in an order in which the jobs can run. A job that fails stops only those that read what it makes. No job
    starts once the time is up, and the one that runs then is ended; a training resumes from its checkpoint next time.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise VlacError("--minutes must be a positive number.", "Leave it out for no limit.")
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    left: dict[Job, str] = {}
    missing: set[Path] = set()
    for job, params in every:
        ready = missing.isdisjoint(job.inputs(params))
        why = why_stale(job, params) if ready else "what it reads is not up to date"
        if why and ready and job.stage.name in stages:
            why = "the time is up" if time.monotonic() >= end else _run(job, end)
        if why:
            left[job] = why
            missing.update(job.outputs)
    for job, why in left.items():
        log.info("Left: %s, because %s.", job, why)
    if others := [job for job in left if job.stage.name not in stages]:
        log.info("Not up to date in stages that were left out: %d jobs.", len(others))
    if any(why.startswith("it failed") for why in left.values()):
        return FAILED
    return TIME_IS_UP if "the time is up" in left.values() else DONE


def _run(job: Job, end: float) -> str:
    """Run a job's command; return why it is left, or "" if it is done."""
    log.info("Now: %s", job.command)
    process = subprocess.Popen([sys.executable, *shlex.split(job.command)[1:]])
    try:
        status = process.wait(None if end == math.inf else max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        return "the time is up" if _stop(process) else ""
    except BaseException:
        _stop(process)
        raise
    return f"it failed with exit status {status}; its log is {job.log}" if status else ""


def _stop(process: "subprocess.Popen[bytes]") -> int:
    process.terminate()
    try:
        return process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
