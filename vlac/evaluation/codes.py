"""Codes of images, and the labels of their nearest neighbours: what the probe and the factor matrix share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlac.evaluation.metrics import Labels

Points = NDArray[np.floating[Any]]


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
        fit_labels: integers, (N,), or (N, F) for F factors at once, which one search then serves.
        neighbours: how many vote; all N where there are fewer.

    Returns:
        Integers (M,) or (M, F).
    """
    from sklearn.neighbors import KNeighborsClassifier

    voters = KNeighborsClassifier(min(neighbours, len(fit_codes)))
    labels: Labels = voters.fit(fit_codes, fit_labels).predict(codes)
    return labels
