"""Which aspect of the images each rung clusters by, measured against true factors."""

from typing import Any

import numpy as np

from vlac.evaluation.codes import Points, common_scale, nearest_neighbours, varies
from vlac.evaluation.metrics import Labels, chance, nmi

SEEN = ("mean_brightness", "mean_hue")
"""The factors that `seen_factors` returns."""

CLASSES = 10
"""Of each of them."""


def seen_factors(train: Points, test: Points) -> tuple[dict[str, Labels], dict[str, Labels]]:
    """Return the factors that the pixels of any picture show: brightness and hue of its mean colour.

    Args:
        train, test: images, uint8 (N, 32, 32, 3) and (M, 32, 32, 3).

    Returns:
        Of training and of test images, by the names in `SEEN`, integers (N,) and (M,): `CLASSES` classes in the order
        of the value, of about equal size among training images, fewer where many values are equal. A factor with one
        class, such as the hue of grey pictures, is left out. The hue is an angle, red and grey at 0, green at a third
        of the turn.
    """
    values, test_values = _mean_colour(train), _mean_colour(test)
    on_train: dict[str, Labels] = {}
    on_test: dict[str, Labels] = {}
    for index, name in enumerate(SEEN):
        edges = np.quantile(values[index], np.arange(1, CLASSES) / CLASSES)
        classes = np.digitize(values[index], edges)
        if np.ptp(classes):
            on_train[name], on_test[name] = classes, np.digitize(test_values[index], edges)
    return on_train, on_test


def _mean_colour(images: Points) -> tuple[Points, Points]:
    """Return brightness and hue, float (N,) each."""
    r, g, b = images.mean((1, 2), dtype=np.float64).T
    return (r + g + b) / 3, np.arctan2(np.sqrt(3) * (g - b), 2 * r - g - b) % (2 * np.pi)


def rung_factor_matrix(
    fit_means: dict[int, Points],
    fit_factors: dict[str, Labels],
    test_means: dict[int, Points],
    test_y: dict[int, Labels],
    test_factors: dict[str, Labels],
    *,
    neighbours: int,
    seed: int,
    fit_limit: int | None = None,
    test_limit: int | None = None,
) -> list[dict[str, Any]]:
    """Measure every rung against every true factor.

    Args:
        fit_means, test_means: codes by rung, float (N, d) of train and (M, d) of test images; empty for a method that
            has none.
        fit_factors, test_factors: true factors by name, integer category per image, (N,) and (M,).
        test_y: clusters of the test images by rung, integers (M,), of the rungs that have any.
        fit_limit, test_limit: use at most so many codes to fit and to score the vote, the first of a permutation by
            `seed`; None uses all.

    Returns:
        Rows of rung (int), factor, measure and value; sorted by rung, then in the order of `test_factors`, with measure
        nmi: mutual information of the rung's clusters and the factor, over the arithmetic mean of their entropies, on
            all test images (rungs with clusters alone);
        knn: accuracy of the factor on test images by vote of the nearest train codes (rungs with codes alone);
        chance: share of the factor's largest category over all test images, beside every knn: its floor.
    """
    generator = np.random.default_rng(seed)
    names = list(test_factors)
    fit_table = np.stack([fit_factors[name] for name in names], axis=1)
    test_table = np.stack([test_factors[name] for name in names], axis=1)
    fit_chosen = generator.permutation(len(fit_table))[:fit_limit]
    test_chosen = generator.permutation(len(test_table))[:test_limit]
    rows = []
    for rung in sorted({*test_means, *test_y}):
        of: dict[str, list[float]] = {}
        if rung in test_y:
            of["nmi"] = [nmi(test_y[rung], factor) for factor in test_factors.values()]
        if rung in test_means:
            fit, codes = fit_means[rung][fit_chosen], test_means[rung][test_chosen]
            hits = _vote(fit, fit_table[fit_chosen], codes, neighbours) == test_table[test_chosen]
            of |= {"knn": hits.mean(axis=0).tolist(), "chance": [chance(factor) for factor in test_factors.values()]}
        for index, name in enumerate(names):
            rows += [{"rung": rung, "factor": name, "measure": each, "value": of[each][index]} for each in of]
    return rows


def _vote(fit_codes: Points, fit_table: Labels, codes: Points, neighbours: int) -> Labels:
    """Predict all factors, integers (M, F); codes that are constant over the fit set predict the largest categories."""
    if not varies(fit_codes):
        largest = [np.bincount(column).argmax() for column in fit_table.T]
        return np.tile(np.array(largest, dtype=np.int64), (len(codes), 1))
    fit_codes, codes = common_scale(fit_codes, codes)
    return nearest_neighbours(fit_codes, fit_table, codes, neighbours)
