"""Stage trial: one setting of a hyper-parameter search, trained without the hold-out and scored on it."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from vlac.data.split import DIGITS, Split, hold_out
from vlac.errors import DivergedError
from vlac.evaluation.codes import Codes, encode_images
from vlac.evaluation.metrics import accuracy, chance, clusters_in_use, majority_mapping, nmi
from vlac.evaluation.probing import best_rung, probe_codes
from vlac.files import write_csv
from vlac.models.spec import Spec, model_spec, vlae_spec
from vlac.params.schema import Vlac
from vlac.params.search import TrialParams, Vlae
from vlac.pipeline.seconds import note_seconds, seconds_of
from vlac.pipeline.train import TRAIN, View, guide_of, identity_of
from vlac.stages.definitions import Job
from vlac.training import Trainer
from vlac.training.allocator import keep_freed_memory
from vlac.training.checkpoint import FOLDER, discard
from vlac.training.device import settle
from vlac.training.progress import Progress

log = logging.getLogger(__name__)

SCORES = ("knn", "linear", "gmm_purity", "kmeans_purity", "y_purity", "y_nmi", "clusters_in_use", "chance")


def trial(job: Job, params: TrialParams, view: View) -> None:
    """Train the trial's model on the training split without the hold-out, and score its rungs on the hold-out.

    An interrupted training goes on from its checkpoint. One that becomes NaN is a result: its scores are empty but
    for the epoch in which it failed.

    Raises:
        VlacError: the hold-out is not smaller than the training split, or a checkpoint is damaged or of another one.
    """
    keep_freed_memory()
    seed = int(job.seeds)
    train = Split.load(TRAIN)
    held, fit = hold_out(params.data.holdout, len(train))
    identity = identity_of(job, params, [TRAIN])
    spec, images = build_trial(job.model, params), torch.from_numpy(train.images[fit]).to(settle(params.training).torch)
    try:
        guide = guide_of(job, params, spec, seed, images, identity | {"hold-out": str(params.data.holdout)})
    except DivergedError as error:
        log.warning("%s This trial counts as failed.", error.message)
        _write(job, failed=1, images_seen=0, rows=[], history=[])
        return
    trainer = Trainer(spec, images, params.training, params.objective, seed, _checkpoint(job), identity, guide)
    trainer.resume()
    failed = _train(job, trainer, view)
    rows: list[dict[str, Any]] = []
    if not failed:
        on_fit = encode_images(trainer.model, train.images[fit], trainer.device.torch)
        on_held = encode_images(trainer.model, train.images[held], trainer.device.torch)
        if all(np.isfinite(mean).all() for codes in (on_fit, on_held) for mean in codes.mean.values()):
            rows = _scores(on_fit, train.labels[fit], on_held, train.labels[held], trainer.model.K, params, seed)
        else:
            failed = len(trainer.history)
    seen = len(trainer.history) * (len(fit) // params.training.batch) * params.training.batch
    _write(job, failed, seen, rows, trainer.history)


def _write(
    job: Job, failed: int, images_seen: int, rows: list[dict[str, Any]], history: list[dict[str, float]]
) -> None:
    """Write scores.csv, with a row of empty scores for a trial that failed in an epoch, and history.csv."""
    seed = int(job.seeds)
    table = pd.DataFrame(rows or [{}], columns=["rung", "main", *SCORES])
    columns = {"seed": seed, "failed_in_epoch": failed, "images_seen": images_seen}
    for place, (name, value) in enumerate(columns.items()):
        table.insert(place, name, value)
    history = [{"seed": seed} | row for row in history]
    # With its head alone where the first epoch failed.
    write_csv(job.outputs[1], pd.DataFrame(history) if history else pd.DataFrame(columns=["seed", "epoch"]))
    write_csv(job.outputs[0], table)


def build_trial(name: str, params: TrialParams) -> Spec:
    """Return what the trial trains; the largest mixture stays on the rung on which its own K has it."""
    model = params.models[name]
    if isinstance(model, Vlae):
        return vlae_spec(params.network, params.likelihood)
    rung = model.main_rung if isinstance(model, Vlac) else params.digit_rung
    assert isinstance(rung, int)  # held by TrialParams
    return model_spec(model, rung, params.network, params.likelihood)


def discard_checkpoint(job: Job) -> None:
    """Delete the checkpoint of a trial whose outputs are complete, its manifest among them."""
    discard(_checkpoint(job))


def _checkpoint(job: Job) -> Path:
    return FOLDER / "search" / job.model / f"{job.seeds}.pt"


def _train(job: Job, trainer: Trainer, view: View) -> int:
    """Train to the end, and return 0, or the epoch in which the training became NaN."""
    seed, epochs = int(job.seeds), trainer.training.epochs
    log.info("trial %s seed %d: %s, %d threads", job.model, seed, trainer.device, trainer.training.threads)
    if trainer.history:
        log.info("resumed after epoch %d", len(trainer.history))
    before = (seconds_of(job) or 0.0) if trainer.history else 0.0
    started = time.monotonic()
    view.start(seed, [{"seed": seed} | row for row in trainer.history])
    try:
        with Progress(f"{job.model} seed {seed}", epochs, len(trainer.history)) as progress:
            for row, rate in trainer.epochs():
                progress.show(row, rate)
                view.log_epoch({"seed": seed} | row)
    except DivergedError as error:
        log.warning("%s This trial counts as failed.", error.message)
        return len(trainer.history) + 1
    finally:
        note_seconds(job, before + time.monotonic() - started)
    return 0


def _scores(
    on_fit: Codes,
    fit_labels: np.ndarray,
    on_held: Codes,
    held_labels: np.ndarray,
    K: dict[int, int],
    params: TrialParams,
    seed: int,
) -> list[dict[str, Any]]:
    """Return a row per rung: how much digit identity its codes carry, and how well its own clusters y match digits.

    `main` is 1 for the rung that the rule looks at: the one of the largest mixture; of a VLAE, which has none, the one
    whose codes a mixture clusters best.
    """
    rows = []
    for rung, mean in on_fit.mean.items():
        row: dict[str, Any] = {"seed": seed, "rung": rung}
        row |= probe_codes(
            mean,
            fit_labels,
            on_held.mean[rung],
            held_labels,
            K=params.probe.K,
            neighbours=params.evaluation.neighbours,
            seed=seed,
            fit_limit=params.evaluation.fit_limit,
        )
        if rung in on_fit.y:
            mapping = majority_mapping(on_fit.y[rung], fit_labels, K[rung], len(DIGITS))
            row["y_purity"] = accuracy(on_held.y[rung], held_labels, mapping)
            row["y_nmi"] = nmi(on_held.y[rung], held_labels)
            row["clusters_in_use"] = clusters_in_use(on_held.y[rung], K[rung])
        rows.append(row | {"chance": chance(held_labels)})
    main = max(on_fit.y, key=lambda rung: K[rung]) if on_fit.y else best_rung(pd.DataFrame(rows))
    return [row | {"main": int(row["rung"] == main)} for row in rows]
