"""Stage evaluate: the clusters of a trained model against the labels, and its rungs against every known factor."""

from pathlib import Path

import pandas as pd

from vlac.data.split import DIGITS, Split
from vlac.evaluation.codes import encode_images
from vlac.evaluation.factors import rung_factor_matrix
from vlac.evaluation.metrics import score
from vlac.evaluation.parts import score_parts
from vlac.files import write_csv
from vlac.models.load import load_models
from vlac.params.schema import Params
from vlac.stages.definitions import Job
from vlac.training.device import settle_device

TEST_LIMIT = 5000
"""Test images that the nearest-neighbour measures of the factor matrix are taken on; clusters use all of them."""


def evaluate(job: Job, params: Params) -> None:
    """Score the main rung's clusters over the whole test split, and measure every rung against every factor."""
    device = settle_device(params.training.device, params.training.threads)
    train, test = Split.load(Path("data/train.npz")), Split.load(Path("data/test.npz"))
    scores, matrices = [], []
    for seed, model in load_models(Path("results/train") / job.model / job.seeds / "model.pt").items():
        on_train, on_test = encode_images(model, train.images, device), encode_images(model, test.images, device)
        rung = model.main_rung
        row = score(on_train.y[rung], train.labels, on_test.y[rung], test.labels, model.K[rung], len(DIGITS))
        if on_train.seen is not None and on_test.seen is not None:
            row |= score_parts(
                model,
                on_train.seen,
                train.labels,
                on_test.seen,
                test.labels,
                T=len(DIGITS),
                seed=seed,
                fit_limit=params.evaluation.fit_limit,
            )
        scores.append({"seed": seed, "rung": rung} | row | {"images": len(test)})
        matrix = rung_factor_matrix(
            on_train.mean,
            train.factors,
            on_test.mean,
            on_test.y,
            test.factors,
            neighbours=params.evaluation.neighbours,
            seed=seed,
            fit_limit=params.evaluation.fit_limit,
            test_limit=TEST_LIMIT,
        )
        matrix.insert(0, "seed", seed)
        matrices.append(matrix)
    write_csv(job.outputs[0], pd.DataFrame(scores))
    write_csv(job.outputs[1], pd.concat(matrices, ignore_index=True))
