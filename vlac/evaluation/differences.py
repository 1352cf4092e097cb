"""Whether models differ in a score by more than their seeds do: tests for every pair of models."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

PARTITIONS = 200_000
"""Most partitions of two models' seeds that the exact permutation test goes through; ten seeds each have 184,756."""


@dataclass(frozen=True)
class Difference:
    """One model against another, over independent trainings.

    Attributes:
        difference: mean of the first minus mean of the second.
        interval: limits of the 95 % confidence interval of Welch's t-test, for this pair alone; None without spread.
        welch: its two-sided p; None where neither model has any spread.
        permutation: two-sided p of the exact permutation test of the difference; None for more than `PARTITIONS`.
        welch_holm, permutation_holm: the same p, adjusted by Holm for the number of pairs.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float] | None
    welch: float | None
    permutation: float | None
    welch_holm: float | None
    permutation_holm: float | None


def differences(scores: Mapping[str, Sequence[float]]) -> list[Difference]:
    """Test every pair of models, in the order of `scores`: finite scores of at least two seeds of each model."""
    names = list(itertools.combinations(scores, 2))
    pairs = [(np.asarray(scores[first], float), np.asarray(scores[second], float)) for first, second in names]
    welch, intervals = zip(*(_welch(*pair) for pair in pairs), strict=True)
    permutation = [_permutation(*pair) for pair in pairs]
    means = [float(first.mean() - second.mean()) for first, second in pairs]
    columns = means, intervals, welch, permutation, holm(welch), holm(permutation)
    return [Difference(*name, *values) for name, *values in zip(names, *columns, strict=True)]


def least_p(seeds: int) -> float:
    """Return the smallest p that the two-sided exact permutation test can give for two models of so many seeds each."""
    return 2 / math.comb(2 * seeds, seeds)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values by Holm's step-down method for the number of all of them; None, an untested pair, stays None."""
    order = sorted((p, index) for index, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, index) in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * p))
        adjusted[index] = highest
    return adjusted


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float | None, tuple[float, float] | None]:
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return None, None
    with warnings.catch_warnings():
        # Of a model whose seeds agree, while the other's do not: the test holds for that.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = stats.ttest_ind(first, second, equal_var=False)
    low, high = test.confidence_interval(0.95)
    return float(test.pvalue), (float(low), float(high))


def _permutation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    if math.comb(len(first) + len(second), len(first)) > PARTITIONS:
        return None
    test = stats.permutation_test(
        (first, second), _difference, permutation_type="independent", vectorized=True, n_resamples=np.inf, batch=10_000
    )
    return float(test.pvalue)


def _difference(first: NDArray[np.float64], second: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = first.mean(axis=axis) - second.mean(axis=axis)
    return difference
