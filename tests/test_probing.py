"""The probe on codes with planted structure, collapsed codes, and against scikit-learn used directly."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vlac.errors import VlacError
from vlac.evaluation.metrics import chance
from vlac.evaluation.probing import MEASURES, best_rung, probe_codes

pytestmark = pytest.mark.filterwarnings("error")

SETTINGS = {"K": 8, "neighbours": 5, "seed": 0}


def clustered(seed, images=400, classes=4, spread=0.1):
    """Codes float32 (images, 3) in eight tight clusters, two to a class, and the classes."""
    centres = np.random.default_rng(99).normal(size=(2 * classes, 3)) * 5
    generator = np.random.default_rng(seed)
    clusters = generator.integers(2 * classes, size=images)
    codes = centres[clusters] + spread * generator.normal(size=(images, 3))
    return codes.astype(np.float32), (clusters % classes).astype(np.uint8)


def test_planted_clusters_are_found_and_noise_is_not():
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1), clustered(2)
    scores = probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS)
    assert list(scores) == list(MEASURES)
    assert scores["knn"] == scores["gmm_purity"] == scores["kmeans_purity"] == 1.0
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(fit, fit_labels)
    assert scores["linear"] == pytest.approx(linear.score(holdout, holdout_labels), abs=0.005)
    generator = np.random.default_rng(3)
    noise = generator.normal(size=fit.shape), fit_labels, generator.normal(size=holdout.shape), holdout_labels
    for measure, value in probe_codes(*noise, **SETTINGS).items():
        assert value < 0.4, measure


def test_equal_arguments_give_equal_scores_and_the_unit_of_the_codes_does_not_matter():
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1, spread=3.0), clustered(2, spread=3.0)
    first = probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS, fit_limit=200)
    assert first == probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS, fit_limit=200)
    scaled = probe_codes(fit / 1024, fit_labels, holdout / 1024, holdout_labels, **SETTINGS, fit_limit=200)
    assert scaled == first


def test_constant_codes_score_the_largest_class_of_the_fit_set():
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1), clustered(2)
    fit_labels, holdout_labels = np.maximum(fit_labels, 1), np.maximum(holdout_labels, 1)
    fit[:], holdout[:] = 0.1, 0.1
    scores = probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS)
    assert set(scores.values()) == {chance(holdout_labels)}


@pytest.mark.parametrize("kind", ["few distinct codes", "far and tiny"])
def test_degenerate_codes_still_carry_their_class(kind):
    labels = np.arange(300) % 3
    codes = labels[:, None].astype(np.float32)
    if kind == "far and tiny":
        codes = 1e3 + 1e-6 * (codes + 0.01 * np.random.default_rng(0).normal(size=(300, 1)))
    scores = probe_codes(codes[:200], labels[:200], codes[200:], labels[200:], K=50, neighbours=5, seed=0)
    assert scores["knn"] == scores["kmeans_purity"] == 1.0
    # With four codes to a component a stray code can fall to the component of another class.
    assert scores["gmm_purity"] >= 0.95


def test_labels_of_one_class_are_refused():
    fit, holdout = clustered(1), clustered(2)
    fit[1][:] = 0
    with pytest.raises(VlacError, match="all of one class"):
        probe_codes(*fit, *holdout, **SETTINGS)


def scores_table(purities):
    """Rows for gmm_purity by (seed, rung); the other measures point the other way."""
    rows = [(seed, rung, 1 - p, 1 - p, p, 1 - p) for (seed, rung), p in purities.items()]
    return pd.DataFrame(rows, columns=["seed", "rung", *MEASURES])


def test_best_rung_has_the_highest_mean_mixture_purity_and_equal_ones_go_to_the_deeper():
    table = scores_table({(0, 1): 0.9, (1, 1): 0.1, (0, 2): 0.6, (1, 2): 0.5, (0, 3): 0.2, (1, 3): 0.7})
    assert best_rung(table) == 2
    purities = [0.93, 0.224, 0.517, 0.143, 0.289]
    # The same five numbers in two orders: their floating-point means differ in the last bit.
    tied = {(seed, 1): p for seed, p in enumerate(purities)} | {(seed, 4): p for seed, p in enumerate(sorted(purities))}
    assert best_rung(scores_table(tied)) == 4
    assert best_rung(scores_table({(seed, 5 - rung): p for (seed, rung), p in tied.items()})) == 4


@pytest.mark.parametrize("purities", [{(0, 1): 0.5, (1, 1): 0.5, (0, 2): 0.5}, {(0, 1): 0.5, (0, 2): float("nan")}])
def test_incomplete_scores_are_refused(purities):
    with pytest.raises(VlacError, match="one row for every seed and rung"):
        best_rung(scores_table(purities))
