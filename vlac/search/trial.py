"""Stage trial: one setting of a hyper-parameter search, trained without the hold-out and scored on it."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlac.data.split import Split, hold_out
from vlac.errors import DivergedError
from vlac.evaluation.metrics import accuracy, chance, clusters_in_use, majority_mapping, nmi
from vlac.evaluation.probing import MEASURES, OF_CLUSTERS, best_rung, probe_codes
from vlac.methods import base, kinds
from vlac.search.params import TrialParams
from vlac.stages.train import learn, write_history
from vlac.tables import write_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

if TYPE_CHECKING:
    from vlac.tracking.live import Training

log = logging.getLogger(__name__)

COLUMNS = ("rung", "main", *MEASURES, *OF_CLUSTERS, "chance")


def trial(job: Job, params: TrialParams, origin: Origin, view: "Training") -> None:
    """Train the trial's model on the training split without the hold-out, and score its rungs on the hold-out.

    One that becomes NaN is a result: a single row of empty scores, with the epoch in which it failed.
    """
    assert job.seed is not None
    (images,) = map(Path, origin.inputs)
    train = Split.load(images)
    held, fit = hold_out(params.data.holdout, len(train))
    settings = params.models[job.model]
    kind = kinds()[settings.kind]
    rung = kind.rung_of(settings) or params.digit_rung
    method = kind(settings, params, int(rung) if kind.needs_rung else 0)
    history: list[base.Row] = []
    try:
        learn(method, train.images[fit], job, origin, view, history)
        failed, scores = 0, _scores(method, train.part(fit), train.part(held), params, job.seed)
    except DivergedError as error:
        log.warning("%s This trial counts as failed.", error.message)
        failed, scores = len(history) + 1, [{}]
    told = {"seed": job.seed, "failed_in_epoch": failed, "images_seen": len(history) * len(fit)}
    write_csv(job.output("scores.csv"), [told | row for row in scores], [*told, *COLUMNS])
    write_history(job, history)


def _scores(method: base.Method, fit: Split, held: Split, params: TrialParams, seed: int) -> list[dict[str, Any]]:
    """Return a row per rung: how much digit identity its codes carry, and how well its own clusters y match digits.

    `main` is 1 for the rung that the rule looks at: the one of the largest mixture; of a method without clusters, the
    one whose codes a mixture clusters best.
    """
    on_fit, on_held = method.encode(fit.images), method.encode(held.images)
    probe = {"K": params.probe.K, "seed": seed, **params.evaluation.model_dump()}
    rows = []
    for rung in sorted({*on_fit.mean, *on_fit.y}):
        row: dict[str, Any] = {"rung": rung, "chance": chance(held.labels)}
        if rung in on_fit.mean:
            row |= probe_codes(on_fit.mean[rung], fit.labels, on_held.mean[rung], held.labels, **probe)
        if rung in on_fit.y:
            y, K = on_held.y[rung], method.K[rung]
            mapping = majority_mapping(on_fit.y[rung], fit.labels, K, len(fit.classes))
            row["y_purity"], row["y_nmi"] = accuracy(y, held.labels, mapping), nmi(y, held.labels)
            row["clusters_in_use"] = clusters_in_use(y)
        rows.append(row)
    import pandas as pd

    main = method.main_rung if on_fit.y else best_rung(pd.DataFrame(rows).assign(seed=seed))
    return [row | {"main": int(row["rung"] == main)} for row in rows]
