"""Differences between models against enumeration, formulas and published examples."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from vlac.evaluation.differences import differences, holm, least_p

A, B, C = [0.61, 0.64, 0.66, 0.59], [0.52, 0.60, 0.55, 0.62], [0.40, 0.41, 0.43, 0.42]


def enumerated(first: list[float], second: list[float]) -> float:
    """Return the share of the partitions whose means differ at least as much, by going through all of them."""
    pool = np.array(first + second)
    seen = abs(np.mean(first) - np.mean(second))
    differing = []
    for chosen in itertools.combinations(range(len(pool)), len(first)):
        inside = np.isin(np.arange(len(pool)), chosen)
        differing.append(abs(pool[inside].mean() - pool[~inside].mean()))
    return float(np.mean(np.array(differing) >= seen - 1e-12))


def welch_by_hand(first: list[float], second: list[float]) -> tuple[float, float, float]:
    """Return p and the 95 % limits from Welch's formulas."""
    shares = [np.var(values, ddof=1) / len(values) for values in (first, second)]
    error = math.sqrt(sum(shares))
    freedom = sum(shares) ** 2 / sum(s**2 / (len(v) - 1) for s, v in zip(shares, (first, second), strict=True))
    difference = np.mean(first) - np.mean(second)
    reach = stats.t.ppf(0.975, freedom) * error
    return 2 * stats.t.sf(abs(difference) / error, freedom), difference - reach, difference + reach


def test_every_pair_is_tested_as_by_hand() -> None:
    scores = {"a": A, "b": B, "c": C}
    tested = differences(scores)
    assert [(pair.first, pair.second) for pair in tested.itertuples()] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in tested.itertuples():
        first, second = scores[pair.first], scores[pair.second]
        p, low, high = welch_by_hand(first, second)
        assert pair.difference == pytest.approx(np.mean(first) - np.mean(second))
        assert pair.welch == pytest.approx(p)
        assert (pair.low, pair.high) == pytest.approx((low, high))
        assert pair.permutation == pytest.approx(enumerated(first, second))
    of_a = differences(scores, of=["a"])
    assert of_a["second"].tolist() == ["b", "c"]
    assert of_a["permutation_holm"].tolist()[1] == pytest.approx(4 / 70)  # of two pairs
    # a and c, and b and c, do not overlap: the least p of 70 partitions, 2 / 70, adjusted for three pairs.
    assert tested["permutation"].tolist()[1:] == pytest.approx([2 / 70, 2 / 70])
    assert tested["permutation_holm"].tolist()[1:] == pytest.approx([6 / 70, 6 / 70])
    assert tested["permutation_holm"][0] == pytest.approx(tested["permutation"][0])


def test_a_row_without_spread() -> None:
    (pair,) = differences({"a": [0.3, 0.3], "b": [0.2, 0.2]}).itertuples()
    assert all(map(math.isnan, (pair.welch, pair.low, pair.high, pair.welch_holm)))
    assert pair.permutation == pytest.approx(1 / 3)
    (pair,) = differences({"a": [0.3, 0.3], "b": [0.2, 0.4]}).itertuples()
    # One row has spread: one degree of freedom, t = 0.
    assert pair.welch == pytest.approx(1)
    assert (pair.low, pair.high) == pytest.approx((-12.7062 * 0.1, 12.7062 * 0.1), rel=1e-4)


@pytest.mark.parametrize(
    ("values", "adjusted"),
    [
        # 4 x 0.01, then 3 x 0.02 and 2 x 0.03 (equal), then 1 x 0.04, raised to the one before.
        ([0.03, 0.01, 0.04, 0.02], [0.06, 0.04, 0.06, 0.06]),
        # Holm (1979) goes on counting pairs that could not be tested.
        ([0.01, math.nan, 0.04], [0.03, math.nan, 0.08]),
        ([0.5, 0.9], [1.0, 1.0]),
    ],
)
def test_holm(values: list[float], adjusted: list[float]) -> None:
    assert holm(pd.Series(values)).tolist() == pytest.approx(adjusted, nan_ok=True)


def test_the_least_p_is_reached_by_rows_that_do_not_overlap() -> None:
    for seeds in (2, 3, 4, 5):
        (pair,) = differences(
            {"a": [1 + i / 100 for i in range(seeds)], "b": [i / 90 for i in range(seeds)]}
        ).itertuples()
        assert pair.permutation == pytest.approx(least_p(seeds))
    assert least_p(2) == pytest.approx(1 / 3)
