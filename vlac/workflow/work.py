"""Run the pipeline in order by plain Python: what the engines do, without them."""

import logging
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Collection, Iterable

from vlac.errors import VlacError
from vlac.params.section import Asked
from vlac.workflow.jobs import Job
from vlac.workflow.stale import why_stale

log = logging.getLogger(__name__)

GRACE = 60.0
"""Seconds that jobs get between SIGTERM and SIGKILL."""

POLL = 0.1
"""Seconds between two looks at the running jobs."""

DONE, TIME_IS_UP, FAILED = 0, 3, 4
"""Exit statuses: everything is up to date; the same command resumes; a job failed."""


def work(every: Iterable[tuple[Job, Asked]], minutes: float | None = None, at_once: int = 1) -> int:
    """Run every job that is not up to date, each by its own command, and return the exit status.

    `every` is in an order in which the jobs can run, and up to `at_once` run side by side. A job that fails stops only
    those that read what it makes. No job starts once the time is up, and those that run then are ended; a training
    resumes from its checkpoint next time.
    """
    for option, value in (("--minutes", minutes), ("--jobs", at_once)):
        if value is not None and not 0 < value < math.inf:
            raise VlacError(f"{option} must be a positive number.", "Leave it out, or correct it.")
    end = math.inf if minutes is None else time.monotonic() + 60 * minutes
    waiting, running = dict(every), dict[Job, subprocess.Popen[bytes]]()
    left: dict[Job, str] = {}
    try:
        while waiting or running:
            unmade = {path for job in (*waiting, *running) for path in job.outputs}
            missing = {path for job in left for path in job.outputs}
            for job, params in list(waiting.items()):
                if len(running) == at_once:
                    break
                reads = set(job.inputs(params))
                if not unmade.isdisjoint(reads):
                    continue
                del waiting[job]
                ready = missing.isdisjoint(reads)
                why = why_stale(job, params) if ready else "what it reads is not up to date"
                if why and ready:
                    if time.monotonic() < end:
                        log.info("Now: %s", job.command)
                        running[job] = subprocess.Popen([sys.executable, *shlex.split(job.command)[1:]])
                        continue
                    why = "the time is up"
                if why:
                    left[job] = why
                    missing.update(job.outputs)
                unmade.difference_update(job.outputs)
            while not (ended := _ended(running)) and running and time.monotonic() < end:
                time.sleep(POLL)
            for job in ended:
                if status := running.pop(job).returncode:
                    left[job] = f"it failed with exit status {status}; its log is {job.log}"
            if time.monotonic() >= end:
                _stop(running.values())
                left |= {job: "the time is up" for job, process in running.items() if process.returncode}
                running.clear()
    except BaseException:
        _stop(running.values())
        raise
    for job, why in left.items():
        log.info("Left: %s, because %s.", job, why)
    if any(why.startswith("it failed") for why in left.values()):
        return FAILED
    return TIME_IS_UP if "the time is up" in left.values() else DONE


def _ended(running: dict[Job, "subprocess.Popen[bytes]"]) -> list[Job]:
    return [job for job, process in running.items() if process.poll() is not None]


def _stop(processes: Collection["subprocess.Popen[bytes]"]) -> None:
    """End processes, all at the same time, and wait for them."""
    for process in processes:
        process.terminate()
    end = time.monotonic() + GRACE
    for process in processes:
        try:
            process.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
