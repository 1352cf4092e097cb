"""Stage evaluate: a method's clusters against the labels, and its rungs against every known factor."""

from pathlib import Path
from typing import Any

import numpy as np

from vlac.archive import read_archive
from vlac.data.split import IMAGE_SHAPE, Split
from vlac.evaluation.factors import rung_factor_matrix, seen_factors
from vlac.evaluation.judge import Judge
from vlac.evaluation.metrics import SHOWN, Clustering, contingency, majority_mapping, score
from vlac.models.load import load_method
from vlac.tables import write_csv
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

SAMPLES = 100
"""Images that are drawn of each component."""

TEST_LIMIT = 5000
"""Test images that the nearest-neighbour measures of the factor matrix are taken on; clusters use all of them."""


def evaluate(job: Job, params: Any, origin: Origin) -> None:
    """Score the main rung's clusters over all of the test split, and measure every rung against every factor."""
    assert job.seed is not None
    *images, judge, trained = map(Path, origin.inputs)
    train, test = map(Split.load, images)
    method = load_method(trained.with_name("model.pt"), params)
    on_train, on_test = method.encode(train.images), method.encode(test.images)
    rung, T = method.main_rung, len(train.classes)
    drawn = method.samples(SAMPLES, job.seed)
    said, trusted = (None, None) if drawn is None else judged(drawn, judge.with_name("judge.pt"), T)
    own = Clustering(on_train.y[rung], train.labels, on_test.y[rung], test.labels, method.K[rung], T, said)
    row = {"seed": job.seed, "rung": rung} | score(own)
    further = method.clusterings(
        (train.images, test.images), (on_train, on_test), job.seed, params.evaluation.fit_limit
    )
    for name, (y_train, y_test) in further.items():
        K = 1 + int(max(y_train.max(), y_test.max()))
        scores = score(Clustering(y_train, train.labels, y_test, test.labels, K, T), SHOWN)
        row |= {f"{name}/{metric}": value for metric, value in scores.items()}
    seen_on_train, seen_on_test = seen_factors(train.images, test.images)
    matrix = rung_factor_matrix(
        *(on_train.mean, train.factors | seen_on_train, on_test.mean, on_test.y, test.factors | seen_on_test),
        **params.evaluation.model_dump(),
        seed=job.seed,
        test_limit=TEST_LIMIT,
    )
    write_csv(job.output("scores.csv"), [row | {"judge_acc": trusted, "images": len(test)}])
    write_csv(job.output("factors.csv"), [{"seed": job.seed} | each for each in matrix])
    write_csv(job.output("confusion.csv"), confusion(own))


def judged(drawn: np.ndarray, judge: Path, T: int) -> tuple[np.ndarray, float]:
    """Return the class of each sample, (K, n) of uint8 (K, n, 32, 32, 3), and the judge's accuracy on test images."""
    content, network = read_archive(judge), Judge(T).eval()
    network.load_state_dict(content["weights"])
    return network.classes(drawn.reshape(-1, *IMAGE_SHAPE)).reshape(drawn.shape[:2]), content["accuracy"]


def confusion(own: Clustering) -> list[dict[str, int]]:
    """Return the test images of every cluster and class, and the class that the training labels give the cluster."""
    mapped = majority_mapping(own.y_train, own.t_train, own.K, own.T)
    counts = contingency(own.y_test, own.t_test, own.K, own.T)
    pairs = np.ndindex(counts.shape)
    return [{"cluster": y, "mapped": int(mapped[y]), "class": t, "images": int(counts[y, t])} for y, t in pairs]
