"""How long a trial's training took: no declared output, because it differs from run to run."""

import logging
from pathlib import Path

from vlac.errors import VlacError
from vlac.files import read_json, write_json
from vlac.stages.definitions import Job

log = logging.getLogger(__name__)


def seconds_of(job: Job) -> float | None:
    """Return the seconds that the job's training has taken, all its processes together; None where that is unknown."""
    try:
        return float(read_json(_file(job))["seconds"])
    except (VlacError, KeyError, TypeError, ValueError):
        return None


def note_seconds(job: Job, seconds: float) -> None:
    """Keep the seconds that the job's training has taken so far; no result depends on them, so a warning must do."""
    try:
        write_json(_file(job), {"seconds": round(seconds, 1)})
    except VlacError as error:
        log.warning("%s The search's table will not have this trial's seconds, or too few of them.", error.message)


def _file(job: Job) -> Path:
    return job.log.with_suffix(".seconds.json")
