"""What each part of VLAC+ gives: its features under k-means, and its clusters before any ladder."""

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from vlac.evaluation.metrics import Labels, score
from vlac.models.ladder import Ladder

STARTS = 3
"""Runs of k-means, of which the one of least inertia counts."""


def score_parts(
    model: Ladder,
    seen_train: np.ndarray,
    t_train: Labels,
    seen_test: np.ndarray,
    t_test: Labels,
    *,
    T: int,
    seed: int,
    fit_limit: int,
) -> dict[str, float]:
    """Score the clusterings that VLAC+ is built on, each measure under `kmeans_` or `neighbours_` and its name.

    Args:
        model: VLAC+, in evaluation mode.
        seen_train, seen_test: pretext features, float32 (N, size) and (M, size).
        t_train, t_test: classes 0..T-1.
        seed: fixes k-means and the images that it is fitted on.
        fit_limit: fit k-means on at most so many train images, without labels.
    """
    K = model.K[model.main_rung]
    chosen = np.random.default_rng(seed).permutation(len(seen_train))[:fit_limit]
    # One thread: sums split over threads differ in their last bits from run to run.
    with threadpool_limits(limits=1):
        kmeans = KMeans(K, n_init=STARTS, random_state=seed).fit(seen_train[chosen])
        by_kmeans = [kmeans.predict(seen) for seen in (seen_train, seen_test)]
    by_neighbours = [_most_probable(model, seen) for seen in (seen_train, seen_test)]
    found: dict[str, float] = {}
    for part, (y_train, y_test) in {"kmeans": by_kmeans, "neighbours": by_neighbours}.items():
        scores = score(y_train, t_train, y_test, t_test, K, T)
        found |= {f"{part}_{name}": value for name, value in scores.items() if not name.startswith("chance")}
    return found


@torch.no_grad()
def _most_probable(model: Ladder, seen: np.ndarray) -> np.ndarray:
    assert model.pretext is not None
    device = model.pretext.centre.device
    return model.pretext.clusters(torch.from_numpy(seen).to(device)).argmax(-1).cpu().numpy()
