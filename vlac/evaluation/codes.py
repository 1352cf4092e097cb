"""Codes of images, and the labels of their nearest neighbours: what the probe and the factor matrix share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlac.errors import VlacError
from vlac.evaluation.metrics import Labels

Points = NDArray[np.floating[Any]]

BLOCK = 250
"""Codes that are compared with all fit codes at a time."""

GROUP = 16
"""Fit codes of a group, of which only the nearest is compared at first."""


def refuse_non_finite(codes: Points) -> None:
    """Raise VlacError if the codes hold NaN or infinity."""
    if not np.isfinite(codes).all():
        raise VlacError("The codes hold NaN or infinity.", "Train the model again, with a smaller learning rate.")


def varies(codes: Points) -> bool:
    """Tell whether any two rows of `codes` differ."""
    return bool(np.ptp(codes, axis=0).any())


def common_scale(fit_codes: Points, codes: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shift and scale both sets alike, to mean 0 and standard deviation 1 of the widest dimension of `fit_codes`.

    Distances keep their proportions. The mixture's floor under its variances becomes relative to the codes' spread,
    and squares of codes far from the origin lose no digits.
    """
    centre = fit_codes.mean(axis=0, dtype=np.float64)
    scale = fit_codes.std(axis=0, dtype=np.float64).max()
    return (fit_codes - centre) / scale, (codes - centre) / scale


def nearest_neighbours(fit_codes: Points, fit_labels: Labels, codes: Points, neighbours: int) -> Labels:
    """Label every row of `codes` by the vote of its nearest rows of `fit_codes`; ties go to the smaller label.

    Args:
        fit_codes, codes: float (N, d) and (M, d).
        fit_labels: integers from 0, (N,), or (N, F) for F factors at once, which one search then serves.
        neighbours: how many vote; all N where there are fewer.

    Returns:
        Integers (M,) or (M, F).
    """
    count, groups = min(neighbours, len(fit_codes)), -(-len(fit_codes) // GROUP)
    # |fit|^2 - 2 code . fit orders as the distance does; rows that fill up the last group are infinitely far away.
    fit = np.zeros((GROUP * groups, fit_codes.shape[1] + 1))
    fit[:, -1] = np.inf
    fit[: len(fit_codes)] = np.c_[-2.0 * fit_codes, np.square(fit_codes).sum(axis=1)]
    table = fit_labels.reshape(len(fit_labels), -1)
    labels = np.arange(table.max() + 1)
    predicted = []
    for start in range(0, len(codes), BLOCK):
        block = codes[start : start + BLOCK]
        distance = np.c_[block, np.ones(len(block))] @ fit.T
        # The nearest rows are in those groups whose own nearest rows are nearest.
        nearest = distance.reshape(len(block), GROUP, groups).min(axis=1)
        chosen = np.argpartition(nearest, min(count, groups) - 1, axis=1)[:, :count]
        rows = (chosen[:, None] + groups * np.arange(GROUP)[:, None]).reshape(len(block), -1)
        best = np.argpartition(np.take_along_axis(distance, rows, 1), count - 1, axis=1)[:, :count]
        votes = table[np.take_along_axis(rows, best, 1)]
        predicted.append((votes[..., None] == labels).sum(axis=1).argmax(axis=-1))
    return np.concatenate(predicted).reshape(len(codes), *fit_labels.shape[1:])
