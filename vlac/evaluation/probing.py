"""How much of a labelled factor one rung's codes carry, and which rung carries most.

Everything is fitted on labelled codes of the train split and scored on a labelled hold-out of it, never on the test
split. Codes are compared in their own units: one common shift and one common scale are the only changes, so a latent
dimension that the ladder left unused stays small and counts for little.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from vlac.errors import VlacError
from vlac.evaluation.codes import Points, common_scale, nearest_neighbours, varies
from vlac.evaluation.metrics import Labels, accuracy, majority_mapping

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {"knn": "kNN", "linear": "linear", "gmm_purity": "GMM purity", "kmeans_purity": "k-means purity"}
"""What a rung's codes are measured by, and what the reports call it."""

OF_CLUSTERS = {"y_purity": "Purity of y", "y_nmi": "NMI of y", "clusters_in_use": "In use"}
"""What a search measures a rung's own clusters by."""


def probe_codes(
    fit_codes: Points,
    fit_labels: Labels,
    holdout_codes: Points,
    holdout_labels: Labels,
    *,
    K: int,
    neighbours: int,
    seed: int,
    fit_limit: int | None = None,
) -> dict[str, float]:
    """Measure how much of the labels one rung's posterior means carry.

    Args:
        fit_codes, holdout_codes: posterior means, float (N, d) and (M, d).
        fit_labels, holdout_labels: true classes 0..T-1, integers (N,) and (M,).
        K: components of the Gaussian mixture and of k-means; fewer are used if there are fewer distinct codes.
        seed: fixes the subset, the mixture and k-means; equal arguments give equal results.
        fit_limit: fit on at most so many codes, the first of a seeded permutation; None fits on all.

    Returns:
        Accuracies between 0 and 1 on the hold-out, by measure:
        knn: vote of the nearest fit codes in Euclidean distance.
        linear: multinomial logistic regression on standardised codes.
        gmm_purity: equation (10) for a Gaussian mixture with diagonal covariances, the kind that VLAC puts on a rung,
            fitted without labels; the mapping of clusters to classes is fitted on the fit labels.
        kmeans_purity: the same for k-means.
        Codes that are constant over the fit set carry nothing: every measure is then the share of its largest class.

    Raises:
        VlacError: fit labels of a single class.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    chosen = np.random.default_rng(seed).permutation(len(fit_codes))[:fit_limit]
    fit_codes, fit_labels = fit_codes[chosen], fit_labels[chosen]
    if fit_labels.min() == fit_labels.max():
        raise VlacError("The codes to fit the probe on are all of one class.", "Fit the probe on more images.")
    if not varies(fit_codes):
        return dict.fromkeys(MEASURES, float(np.mean(holdout_labels == np.bincount(fit_labels).argmax())))

    fit_codes, holdout_codes = common_scale(fit_codes, holdout_codes)
    clusters = min(K, len(np.unique(fit_codes, axis=0)))
    kmeans = KMeans(clusters, n_init=3, random_state=seed)
    mixture = GaussianMixture(clusters, covariance_type="diag", max_iter=100, random_state=seed)
    # The caps on iterations are meant: a mixture or regression that still creeps has settled for a probe's purposes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=ConvergenceWarning)
        predicted = nearest_neighbours(fit_codes, fit_labels, holdout_codes, neighbours)
        return {
            "knn": float(np.mean(predicted == holdout_labels)),
            "linear": _linear(fit_codes, fit_labels, holdout_codes, holdout_labels),
            "gmm_purity": _purity(mixture, clusters, fit_codes, fit_labels, holdout_codes, holdout_labels),
            "kmeans_purity": _purity(kmeans, clusters, fit_codes, fit_labels, holdout_codes, holdout_labels),
        }


def best_rung(scores: pd.DataFrame) -> int:
    """Return the rung whose codes a Gaussian mixture clusters best by digit: the highest `gmm_purity`, mean over seeds.

    That is what VLAC does with the rung. Equal means go to the deeper rung, where the paper expects digit identity.

    Raises VlacError for no rows, an unscored row, or rungs that were not all probed with the same seeds.
    """
    probed = scores.pivot_table(index="rung", columns="seed", values="gmm_purity", aggfunc="count", dropna=False)
    if probed.empty or not (probed == 1).to_numpy().all():
        raise VlacError("The probe scores do not hold one row for every seed and rung.", "Run the probe again.")
    # Rounded, so that the order in which seeds are summed cannot break a tie.
    means = scores.groupby("rung")["gmm_purity"].mean().round(12)
    return int(means.index[means == means.max()].max())


def _linear(fit_codes: Points, fit_labels: Labels, codes: Points, labels: Labels) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    return float(model.fit(fit_codes, fit_labels).score(codes, labels))


def _purity(model: Any, K: int, fit_codes: Points, fit_labels: Labels, codes: Points, labels: Labels) -> float:
    y = model.fit_predict(fit_codes)
    mapping = majority_mapping(y, fit_labels, K, int(fit_labels.max()) + 1)
    return accuracy(model.predict(codes), labels, mapping)
