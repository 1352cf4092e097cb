"""Stages probe and rung: how much digit identity each rung of the VLAE carries, and which rung gets the mixture."""

from pathlib import Path

import numpy as np
import pandas as pd

from vlac.data.split import Split
from vlac.errors import VlacError
from vlac.evaluation.codes import encode_images
from vlac.evaluation.probing import best_rung, probe_codes
from vlac.files import read_csv, write_csv, write_json
from vlac.models.load import load_models
from vlac.params.schema import Params
from vlac.reporting.probe import write_probe_report
from vlac.stages.definitions import Job
from vlac.training.device import settle_device

HOLDOUT_SEED = 0
"""Of the permutation that chooses the hold-out; fixed, so that every seed is judged on the same images."""


def probe(job: Job, params: Params) -> None:
    """Score the rungs of each VLAE of the group on the labelled hold-out of the training split.

    Raises:
        VlacError: the hold-out is not smaller than the training split.
    """
    device = settle_device(params.training.device, params.training.threads)
    train = Split.load(Path("data/train.npz"))
    if params.data.holdout >= len(train):
        raise VlacError(
            f"data.holdout is {params.data.holdout}, but there are only {len(train)} training images.", "Lower it."
        )
    order = np.random.default_rng(HOLDOUT_SEED).permutation(len(train))
    held, fit = order[: params.data.holdout], order[params.data.holdout :]
    rows = []
    for seed, model in load_models(Path("results/train/vlae") / job.seeds / "model.pt").items():
        codes = encode_images(model, train.images, device)
        for rung in model.rungs:
            mean = codes.mean[rung]
            scores = probe_codes(
                mean[fit],
                train.labels[fit],
                mean[held],
                train.labels[held],
                K=params.probe.K,
                neighbours=params.evaluation.neighbours,
                seed=seed,
                fit_limit=params.evaluation.fit_limit,
            )
            rows.append({"seed": seed, "rung": rung} | scores)
    write_csv(job.outputs[0], pd.DataFrame(rows))


def choose_rung(job: Job, params: Params) -> None:
    """Gather the probe's scores, report them, and settle the rung of the largest mixture."""
    groups = [Path("results/probe") / str(group) / "scores.csv" for group in params.probe.seeds]
    scores = pd.concat([read_csv(path) for path in groups], ignore_index=True)
    answer = best_rung(scores)
    rung = answer if params.digit_rung == "auto" else params.digit_rung
    chosen_by = "probe" if params.digit_rung == "auto" else "params"
    write_json(job.outputs[0], {"rung": rung, "chosen_by": chosen_by, "probe_answer": answer})
    write_probe_report(params, scores, answer, rung)
