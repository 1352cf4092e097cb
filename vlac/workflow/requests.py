"""What each job is to be made with, in a small file of its own: the request, an input of the job in both engines.

A request holds the parameters that the job declares and the hash of the code that its result depends on, and nothing
else. So an engine that compares its inputs reruns a job when one of them changes and at no other time: not for a
comment, not for a module that the job does not use, not for the time of a file.

The Snakefile writes the requests whenever it is read. `python -m vlac requests` writes them for DVC, whose stage of
that name depends on params.yaml and the package.
"""

import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import json_bytes, reason, write_bytes
from vlac.params.schema import Params
from vlac.params.section import Asked, L, declared
from vlac.workflow.depends import hash_of_code, keys_of
from vlac.workflow.jobs import Job, jobs
from vlac.workflow.stale import why_stale

AHEAD = 60.0
"""Seconds that the clock of a file system may be ahead of this machine's."""

LONG_AGO = 1_000_000_000
"""The time, in seconds since 1970, of a request whose job is up to date: older than any result."""


def write_requests(params: Params) -> None:
    """Write the request of every job, and what `digit_rung` says as a number, and delete requests of former jobs.

    Raises:
        VlacError: a folder of outputs lies outside the project. DVC would find out after it has run the jobs.
    """
    for folder in map(Path, ("data", "results", "reports")):
        if not folder.resolve().is_relative_to(Path.cwd()):
            raise VlacError(
                f"{folder} leads to {folder.resolve()}, and DVC tracks no file outside the project.",
                "Move all of the project there, or run `snakemake --cores 2` instead of `dvc repro`.",
            )
    write_rungs(params)
    asked = {job.request: job for job in jobs(params)}
    for path, job in asked.items():
        _write(path, json_bytes(content(job, params)))
    for path in {*Path(f"results/{params.experiment}/requests").rglob("*.json")} - asked.keys():
        path.unlink(missing_ok=True)


def write_for_snakemake(every: Iterable[tuple[Job, Asked]]) -> dict[Job, str]:
    """Write the requests of jobs so that Snakemake sees all that a manifest can prove, and return the stale ones.

    Snakemake remembers its own runs alone, and goes by the times of files. So the request of a job that is up to date
    is dated back, as are its other inputs where they are newer than what was made of them, such as data that came from
    elsewhere; the request of a job that is not is new. What is missing or damaged is named in it.

    Each job of `every` follows those that it reads from.

    Raises:
        VlacError: a file is dated ahead of the clock. Snakemake would run its jobs and then delete what they made.
    """
    every = list(every)
    named = dict.fromkeys(path for job, params in every for path in (*job.inputs(params), *job.outputs))
    if ahead := [str(path) for path in named if path.exists() and path.stat().st_mtime > time.time() + AHEAD]:
        raise VlacError(
            f"{ahead[0]} is dated ahead of the clock{f', and {len(ahead) - 1} others' if ahead[1:] else ''}.",
            f"Set the time with `touch {shlex.join(ahead)}`.",
        )
    stale: dict[Job, str] = {}
    hashes: dict[Path, str] = {}  # the data are an input of many jobs
    fresh: list[tuple[Job, Asked]] = []
    for job, params in every:
        why = why_stale(job, params, hashes)
        asked = content(job, params)
        if why and any(path.exists() for path in job.outputs):
            stale[job] = why
            asked["rebuild"] = why
        _write(job.request, json_bytes(asked))
        os.utime(job.request, None if why else (LONG_AGO, LONG_AGO))
        if not why:
            fresh.append((job, params))
    for job, params in reversed(fresh):  # so that an input dated back is not older than what it was made of
        made = min(path.stat().st_mtime_ns for path in job.outputs)
        for path in job.inputs(params):
            if path.stat().st_mtime_ns > made:
                _date_back(path, made)
    return stale


def _date_back(path: Path, to: int) -> None:
    try:
        os.utime(path, ns=(to, to))
    except OSError as error:
        raise VlacError(
            f"The time of {path} could not be set: {reason(error)}. It is newer than what was made of it.",
            "Make it yours, or its content older by hand, so that Snakemake does not repeat the work.",
        ) from None


def write_rungs(params: Params) -> None:
    """Write what each number means that `digit_rung` may be; what auto means is the probe's to write."""
    for rung in range(1, L + 1):
        path = Path(f"results/{params.experiment}/rung/{rung}.json")
        _write(path, json_bytes({"rung": rung}))
        os.utime(path, (LONG_AGO, LONG_AGO))


def content(job: Job, params: Asked) -> dict[str, object]:
    """Return what the job's request holds."""
    return {"code": hash_of_code(job, params), "params": declared(params, keys_of(job, params))}


def _write(path: Path, text: bytes) -> None:
    if not path.is_file() or path.read_bytes() != text:
        write_bytes(path, text)
