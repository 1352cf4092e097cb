"""Stages train_vlae and train: one method, one seed, with checkpoints on the way."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vlac.data.split import Split
from vlac.errors import VlacError, refuse_fewer
from vlac.files import read_json
from vlac.methods import base, kinds
from vlac.models.load import save_method
from vlac.params.section import L
from vlac.tables import write_csv
from vlac.workflow.jobs import VLAE, Job
from vlac.workflow.manifest import Origin

if TYPE_CHECKING:
    from vlac.tracking.live import Training

log = logging.getLogger(__name__)


def train(job: Job, params: Any, origin: Origin, view: Training) -> None:
    """Train the job's method, resumed from its checkpoint if there is one, and write its weights and history."""
    images, *settled = map(Path, origin.inputs)
    method = method_of(job, params, read_rung(settled[0]) if settled else 0)
    rows = learn(method, Split.load(images).images, job, origin, view, [])
    save_method(job.output("model.pt"), method)
    write_history(job, rows)


def learn(
    method: base.Method, images: np.ndarray, job: Job, origin: Origin, view: Training, told: list[base.Row]
) -> list[base.Row]:
    """Fit a method before the eyes of `view`, and return its rows; `told` gets each as soon as its epoch is done.

    Raises VlacError if there are more clusters than images, and what the method raises.
    """
    assert job.seed is not None
    refuse_fewer(len(images), max(method.K.values(), default=0), f"K of {job.model}")

    def resumed(rows: list[base.Row]) -> None:
        if rows:
            log.info("%s seed %d: resumed from %s after epoch %d", job.model, job.seed, job.checkpoint, len(rows))
        told.extend(rows)
        view.start(rows)

    def epoch(row: base.Row) -> None:
        told.append(row)
        view.log_epoch(row)

    return method.fit(images, job.seed, base.Job(job.model, job.checkpoint, origin.identity, resumed, epoch))


def write_history(job: Job, rows: list[base.Row]) -> None:
    """Write history.csv; of a method without epochs, its head alone."""
    write_csv(job.output("history.csv"), [{"seed": job.seed} | row for row in rows], () if rows else ("seed", "epoch"))


def method_of(job: Job, params: Any, rung: int) -> base.Method:
    """Return the untrained method of a job, built around `rung`."""
    vlae = kinds()[VLAE]
    settings = vlae.Settings(kind=VLAE) if job.model == VLAE else params.models[job.model]
    return kinds()[settings.kind](settings, params, rung)


def read_rung(path: Path) -> int:
    """Return the rung that stage `rung` has written to `path`; raise VlacError if the file names none."""
    content = read_json(path)
    rung = content.get("rung") if isinstance(content, dict) else None
    if type(rung) is not int or not 1 <= rung <= L:
        raise VlacError(f"{path} names no rung.", "Run the stage rung again.")
    return rung
