"""Whether models differ in a score by more than their seeds do: tests for every pair of models."""

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from vlac.errors import VlacError

PARTITIONS = 200_000
"""Most partitions of two models' seeds that the exact permutation test goes through; ten seeds each have 184,756."""


@dataclass(frozen=True)
class Difference:
    """One model against another, over independent trainings.

    Attributes:
        first, second: names of the models.
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
    """Test every pair of models, in the order of `scores`, which gives the scores of each model's seeds.

    Raises:
        VlacError: a model has fewer than two scores, or one that is not finite.
    """
    for name, values in scores.items():
        if len(values) < 2 or not np.isfinite(values).all():
            raise VlacError(
                f"The scores of {name} ({', '.join(map(str, values))}) cannot be tested.",
                "Give finite scores of at least two seeds.",
            )
    pairs = list(itertools.combinations(scores, 2))
    samples = {name: np.asarray(values, dtype=float) for name, values in scores.items()}
    welch = [_welch(samples[first], samples[second]) for first, second in pairs]
    permutation = [_permutation(samples[first], samples[second]) for first, second in pairs]
    welch_holm, permutation_holm = holm([p for p, _ in welch]), holm(permutation)
    return [
        Difference(
            first=first,
            second=second,
            difference=float(samples[first].mean() - samples[second].mean()),
            interval=welch[index][1],
            welch=welch[index][0],
            permutation=permutation[index],
            welch_holm=welch_holm[index],
            permutation_holm=permutation_holm[index],
        )
        for index, (first, second) in enumerate(pairs)
    ]


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
