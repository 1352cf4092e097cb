"""Scores of a clustering y against true classes t: equation (10) of the VLAC paper, and what keeps it honest.

`METRICS` lists them: a new entry there is a new column of scores.csv, of the table and of MLflow, and nothing else has
to be edited.

Throughout, `y` holds cluster indices 0..K-1 and `t` class indices 0..T-1, one of each per image, of any integer dtype.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]


def contingency(y: Labels, t: Labels, K: int, T: int) -> NDArray[np.int64]:
    """Count the images of every cluster and class: int64 (K, T)."""
    pairs = y.astype(np.int64) * T + t
    return np.bincount(pairs, minlength=K * T).reshape(K, T).astype(np.int64)


def majority_mapping(y: Labels, t: Labels, K: int, T: int) -> NDArray[np.int64]:
    """Attribute every cluster to its most frequent class: int64 (K,), the maximising P of equation (10).

    Several clusters may share a class. Ties go to the smaller class. A cluster that holds no image here maps to the
    most frequent class overall, the best guess without evidence.
    """
    counts = contingency(y, t, K, T)
    mapping: NDArray[np.int64] = counts.argmax(axis=1).astype(np.int64)
    mapping[counts.sum(axis=1) == 0] = counts.sum(axis=0).argmax()
    return mapping


def accuracy(y: Labels, t: Labels, mapping: Labels) -> float:
    """Return the share of images whose cluster maps to their class: the fraction in equation (10), for P = `mapping`.

    With the mapping fitted on the same images this is the paper's ACC, also known as purity:

        ACC = max_P  sum_i 1[t_i = P y_i] / |D|                                                  (10)
    """
    return float(np.mean(mapping[y] == t))


def hungarian_accuracy(y: Labels, t: Labels, K: int, T: int) -> float:
    """Return the share of images matched by the best one-to-one attribution of clusters to classes.

    With K > T the images of K - T clusters count as wrong, so this is never above equation (10).
    """
    from scipy.optimize import linear_sum_assignment

    counts = contingency(y, t, K, T)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum() / y.size)


def nmi(y: Labels, t: Labels) -> float:
    """Return the mutual information of `y` and `t` over the arithmetic mean of their entropies, between 0 and 1."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(t, y))


def ari(y: Labels, t: Labels) -> float:
    """Return the Rand index of `y` and `t` adjusted for chance: 1 for equal partitions, about 0 for random ones."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(t, y))


def clusters_in_use(y: Labels) -> int:
    """Count the clusters that hold at least one of the scored images."""
    return len(np.unique(y))


def chance(t: Labels) -> float:
    """Return the share of the largest class: the accuracy of a single cluster."""
    return float(np.bincount(t).max() / t.size)


def chance_random(t: Labels, K: int, draws: int = 1000, seed: int = 0) -> float:
    """Return the expected equation (10), mapping fitted on `t` itself, when K clusters are assigned at random.

    It exceeds `chance`, because the majority vote of a random cluster profits from its own fluctuations. The mean of
    `draws` simulated assignments; the counts of a class over uniformly random clusters are drawn as a multinomial.
    """
    generator = np.random.default_rng(seed)
    uniform = np.full(K, 1 / K)
    counts = np.stack([generator.multinomial(size, uniform, size=draws) for size in np.bincount(t)])
    return float(counts.max(axis=0).sum(axis=1).mean() / t.size)


@dataclass(frozen=True)
class Clustering:
    """What a metric is computed from: clusters y and classes t of images, and how many of both there are."""

    y_train: Labels  # used for nothing but the mapping of `acc`, as t_train
    t_train: Labels
    y_test: Labels
    t_test: Labels
    K: int
    T: int
    judged: Labels | None = None  # (K, n), what the judge calls n samples of each cluster's component


def sample_accuracy(c: Clustering) -> float:
    """Return the share of the components' samples that the judge puts into their cluster's class, mean over classes.

    The class is that of `majority_mapping` on training labels, as for `acc`. A class that no cluster is attributed to
    counts 0, so samples that do not depend on their component reach 1/T at most. NaN of a method that draws none.
    """
    if c.judged is None:
        return float("nan")
    mapping = majority_mapping(c.y_train, c.t_train, c.K, c.T)
    right = c.judged == mapping[:, None]
    return float(sum(right[mapping == t].mean() for t in np.unique(mapping)) / c.T)


@dataclass(frozen=True)
class Metric:
    """A score: `of` computes it."""

    name: str  # its column in scores.csv
    header: str  # its column in the table; "" for a level of chance, which the notes give
    decimals: int  # how many the table shows
    of: Callable[[Clustering], float]  # NaN where there is nothing to measure


METRICS = (
    Metric("acc", "ACC", 3, lambda c: accuracy(c.y_test, c.t_test, majority_mapping(c.y_train, c.t_train, c.K, c.T))),
    Metric(
        "acc_test_map",
        "ACC, test map",
        3,
        lambda c: accuracy(c.y_test, c.t_test, majority_mapping(c.y_test, c.t_test, c.K, c.T)),
    ),
    Metric("hungarian", "Hungarian", 3, lambda c: hungarian_accuracy(c.y_test, c.t_test, c.K, c.T)),
    Metric("nmi", "NMI", 3, lambda c: nmi(c.y_test, c.t_test)),
    Metric("ari", "ARI", 3, lambda c: ari(c.y_test, c.t_test)),
    Metric("sample_acc", "Sample ACC", 3, sample_accuracy),
    Metric("clusters_in_use", "In use", 1, lambda c: float(clusters_in_use(c.y_test))),
    Metric("chance", "", 3, lambda c: chance(c.t_test)),
    Metric("chance_random", "", 3, lambda c: chance_random(c.t_test, c.K)),
)

SHOWN = tuple(metric for metric in METRICS if metric.header)
"""The columns of the table; a further clustering has these alone, its chance being that of the method's own."""


def score(clustering: Clustering, metrics: tuple[Metric, ...] = METRICS) -> dict[str, float]:
    """Return the metrics by name."""
    return {metric.name: metric.of(clustering) for metric in metrics}
