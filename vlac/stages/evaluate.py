"""Stage evaluate: a method's clusters against the labels, and its rungs against every known factor."""

from pathlib import Path
from typing import Any

import numpy as np

from vlac.data.split import Split
from vlac.evaluation.factors import rung_factor_matrix
from vlac.evaluation.metrics import SHOWN, Clustering, contingency, majority_mapping, score
from vlac.models.load import load_method
from vlac.tables import write_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

TEST_LIMIT = 5000
"""Test images that the nearest-neighbour measures of the factor matrix are taken on; clusters use all of them."""


def evaluate(job: Job, params: Any, origin: Origin) -> None:
    """Score the main rung's clusters over all of the test split, and measure every rung against every factor."""
    assert job.seed is not None
    *images, trained = map(Path, origin.inputs)
    train, test = map(Split.load, images)
    method = load_method(trained.with_name("model.pt"), params)
    on_train, on_test = method.encode(train.images), method.encode(test.images)
    rung, T = method.main_rung, len(train.classes)
    own = Clustering(on_train.y[rung], train.labels, on_test.y[rung], test.labels, method.K[rung], T)
    row = {"seed": job.seed, "rung": rung} | score(own)
    further = method.clusterings(on_train, on_test, job.seed, params.evaluation.fit_limit)
    for name, (y_train, y_test) in further.items():
        K = 1 + int(max(y_train.max(), y_test.max()))
        scores = score(Clustering(y_train, train.labels, y_test, test.labels, K, T), SHOWN)
        row |= {f"{name}/{metric}": value for metric, value in scores.items()}
    matrix = rung_factor_matrix(
        *(on_train.mean, train.factors, on_test.mean, on_test.y, test.factors),
        **params.evaluation.model_dump(),
        seed=job.seed,
        test_limit=TEST_LIMIT,
    )
    write_csv(job.output("scores.csv"), [row | {"images": len(test)}])
    write_csv(job.output("factors.csv"), [{"seed": job.seed} | each for each in matrix])
    write_csv(job.output("confusion.csv"), confusion(own))


def confusion(own: Clustering) -> list[dict[str, int]]:
    """Return the test images of every cluster and class, and the class that the training labels give the cluster."""
    mapped = majority_mapping(own.y_train, own.t_train, own.K, own.T)
    counts = contingency(own.y_test, own.t_test, own.K, own.T)
    pairs = np.ndindex(counts.shape)
    return [{"cluster": y, "mapped": int(mapped[y]), "class": t, "images": int(counts[y, t])} for y, t in pairs]
