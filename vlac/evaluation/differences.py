"""Whether models differ in a score by more than their seeds do: tests for every pair of models."""

import itertools
import math
import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

COLUMNS = ("first", "second", "difference", "low", "high", "welch", "permutation")

PARTITIONS = 200_000
"""Most partitions of two models' seeds that the exact permutation test goes through; ten seeds each have 184,756."""


def differences(scores: Mapping[str, Sequence[float]], of: Collection[str] = ()) -> pd.DataFrame:
    """Test pairs of models, in the order of `scores`: finite scores of at least two seeds of each model.

    Args:
        scores: of every seed, by model.
        of: models of which every pair has one; all pairs if there are none.

    Returns:
        A row per pair, NaN where there is no number, with columns
        first, second, difference: the names, and the mean of the first less that of the second;
        low, high, welch: limits of the 95 % interval, for this pair alone, and two-sided p of Welch's t-test,
            where either model has any spread;
        permutation: two-sided p of the exact permutation test of the difference, of at most `PARTITIONS`;
        welch_holm, permutation_holm: the same p, adjusted for the number of pairs.
    """
    rows = []
    for names in itertools.combinations(scores, 2):
        if of and not set(of).intersection(names):
            continue
        first, second = (np.asarray(scores[name], float) for name in names)
        pair = (*names, first.mean() - second.mean(), *_welch(first, second), _permutation(first, second))
        rows.append(dict(zip(COLUMNS, pair, strict=True)))
    table = pd.DataFrame(rows)
    return table.assign(welch_holm=holm(table["welch"]), permutation_holm=holm(table["permutation"]))


def least_p(seeds: int) -> float:
    """Return the smallest p that the two-sided exact permutation test can give for two models of so many seeds each."""
    return 2 / math.comb(2 * seeds, seeds)


def holm(p: "pd.Series[float]") -> "pd.Series[float]":
    """Adjust p-values by Holm's step-down method for the number of all of them, untested ones (NaN) included."""
    rising = p.sort_values()
    return (rising * np.arange(len(p), 0, -1)).clip(upper=1).cummax().reindex(p.index)


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    if np.ptp(first) == 0 and np.ptp(second) == 0:
        return math.nan, math.nan, math.nan
    with warnings.catch_warnings():
        # Of a model whose seeds agree, while the other's do not: the test holds for that.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test = stats.ttest_ind(first, second, equal_var=False)
    return (*test.confidence_interval(0.95), test.pvalue)


def _permutation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if math.comb(len(first) + len(second), len(first)) > PARTITIONS:
        return math.nan
    test = stats.permutation_test(
        (first, second),
        # Rounded, so that equal differences are equal: scipy's own tolerance is a share of the observed one.
        lambda one, other, axis: (one.mean(axis=axis) - other.mean(axis=axis)).round(12),
        permutation_type="independent",
        n_resamples=np.inf,
        batch=10_000,
    )
    return float(test.pvalue)
