"""Stages train_vlae and train: one method, one seed, with checkpoints on the way."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from vlac.data.split import Split
from vlac.errors import VlacError
from vlac.files import read_json
from vlac.methods import base, kinds
from vlac.models.load import save_method
from vlac.params.section import L
from vlac.tables import write_csv
from vlac.workflow.jobs import VLAE, Job
from vlac.workflow.manifest import Origin

log = logging.getLogger(__name__)


class View(Protocol):
    """Somebody who watches a training: MLflow, or nobody."""

    def start(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Begin, after the epochs in `rows` that a checkpoint holds."""

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Take note of one epoch."""


def train(job: Job, params: Any, origin: Origin, view: View) -> None:
    """Train the job's method, resumed from its checkpoint if there is one, and write its weights and history."""
    assert job.seed is not None
    images, *settled = map(Path, origin.inputs)
    method = method_of(job, params, read_rung(settled[0]) if settled else 0)

    def resumed(rows: list[base.Row]) -> None:
        if rows:
            log.info("%s seed %d: resumed from %s after epoch %d", job.model, job.seed, job.checkpoint, len(rows))
        view.start(rows)

    asked = base.Job(job.model, job.checkpoint, origin.identity, resumed, view.log_epoch)
    rows = method.fit(Split.load(images).images, job.seed, asked)
    if not rows:
        view.start([])  # a method without epochs has told of none
    save_method(job.output("model.pt"), method)
    history = [{"seed": job.seed} | row for row in rows]
    write_csv(job.output("history.csv"), history, () if rows else ("seed", "epoch"))


def method_of(job: Job, params: Any, rung: int) -> base.Method:
    """Return the untrained method of a job, built around `rung`."""
    vlae = kinds()[VLAE]
    settings = vlae.Settings(kind=VLAE) if job.model == VLAE else params.models[job.model]
    return kinds()[settings.kind](settings, params, rung)


def read_rung(path: Path) -> int:
    """Return the rung of the largest mixture that stage `rung` has written to `path`.

    Raises:
        VlacError: the file names none.
    """
    content = read_json(path)
    rung = content.get("rung") if isinstance(content, dict) else None
    if type(rung) is not int or not 1 <= rung <= L:
        raise VlacError(f"{path} names no rung.", "Run the stage rung again.")
    return rung
