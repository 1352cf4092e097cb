"""The probe on codes with planted structure, collapsed codes, and against scikit-learn used directly."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from vlac.errors import VlacError
from vlac.evaluation.metrics import chance
from vlac.evaluation.probing import MEASURES, best_rung, nearest_neighbours, probe_codes

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
    generator = np.random.default_rng(3)
    noise = generator.normal(size=fit.shape), fit_labels, generator.normal(size=holdout.shape), holdout_labels
    for measure, value in probe_codes(*noise, **SETTINGS).items():
        assert value < 0.4, measure


def test_linear_and_knn_agree_with_scikit_learn():
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1, spread=4.0), clustered(2, spread=4.0)
    scores = probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(fit, fit_labels)
    knn = KNeighborsClassifier(5).fit(fit.astype(np.float64), fit_labels)
    assert scores["linear"] == pytest.approx(linear.score(holdout, holdout_labels), abs=0.005)
    assert scores["knn"] == pytest.approx(knn.score(holdout, holdout_labels), abs=0.005)
    assert 0.3 < scores["linear"] < 0.9


def test_clusters_are_mapped_to_classes_by_the_fit_labels():
    fit, fit_labels = clustered(1)
    holdout, holdout_labels = clustered(2)
    scores = probe_codes(fit, fit_labels, holdout, (holdout_labels + 1) % 4, **SETTINGS)
    assert scores["gmm_purity"] == scores["kmeans_purity"] == 0.0


def test_clustering_does_not_see_labels_but_knn_does():
    """The class is the sign of a narrow dimension; a wide irrelevant one draws both components."""
    generator = np.random.default_rng(0)
    side, labels = generator.integers(2, size=600), generator.integers(2, size=600)
    codes = np.stack([20.0 * side, labels * 1.0], axis=1) + 0.1 * generator.normal(size=(600, 2))
    scores = probe_codes(codes[:400], labels[:400], codes[400:], labels[400:], K=2, neighbours=5, seed=0)
    assert scores["knn"] == scores["linear"] == 1.0
    assert scores["gmm_purity"] < 0.65
    assert scores["kmeans_purity"] < 0.65


def test_equal_arguments_give_equal_scores_and_the_unit_of_the_codes_does_not_matter():
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1, spread=3.0), clustered(2, spread=3.0)
    first = probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS, fit_limit=200)
    assert first == probe_codes(fit, fit_labels, holdout, holdout_labels, **SETTINGS, fit_limit=200)
    scaled = probe_codes(fit / 1024, fit_labels, holdout / 1024, holdout_labels, **SETTINGS, fit_limit=200)
    assert scaled == first


def test_fit_limit_is_the_head_of_a_seeded_permutation():
    fit, fit_labels = clustered(1, spread=3.0)
    holdout, holdout_labels = clustered(2, spread=3.0)
    kept = np.random.default_rng(0).permutation(len(fit))[:50]
    spoilt = np.full_like(fit, 100.0)
    spoilt[kept] = fit[kept]
    arguments = fit_labels, holdout, holdout_labels
    limited = probe_codes(fit, *arguments, **SETTINGS, fit_limit=50)
    assert limited == probe_codes(spoilt, *arguments, **SETTINGS, fit_limit=50)
    assert limited != probe_codes(fit, *arguments, **SETTINGS)


@pytest.mark.parametrize(
    "collapse",
    [
        lambda codes: np.full_like(codes, 0.1),
        lambda codes: np.full((len(codes), 1), -3.0, dtype=np.float32),
    ],
)
def test_constant_codes_score_the_largest_class_of_the_fit_set(collapse):
    (fit, fit_labels), (holdout, holdout_labels) = clustered(1), clustered(2)
    fit_labels, holdout_labels = np.maximum(fit_labels, 1), np.maximum(holdout_labels, 1)
    scores = probe_codes(collapse(fit), fit_labels, collapse(holdout), holdout_labels, **SETTINGS)
    assert set(scores.values()) == {chance(holdout_labels)}


@pytest.mark.parametrize("kind", ["one dimension", "few distinct codes", "a constant dimension", "far and tiny"])
def test_degenerate_codes_still_carry_their_class(kind):
    labels = np.arange(300) % 3
    noise = np.random.default_rng(0).normal(size=300)
    codes = {
        "one dimension": (labels + 0.01 * noise)[:, None],
        "few distinct codes": labels[:, None].astype(np.float32),
        "a constant dimension": np.stack([labels + 0.01 * noise, np.full(300, 0.1)], axis=1),
        "far and tiny": 1e3 + 1e-6 * (labels + 0.01 * noise)[:, None],
    }[kind]
    scores = probe_codes(codes[:200], labels[:200], codes[200:], labels[200:], K=50, neighbours=5, seed=0)
    assert scores["knn"] == scores["kmeans_purity"] == 1.0
    # With four codes to a component a stray code can fall to the component of another class.
    assert scores["gmm_purity"] >= 0.95


def test_more_components_than_codes():
    codes, labels = np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([0, 0, 1, 1])
    scores = probe_codes(codes, labels, codes + 0.01, labels, K=50, neighbours=1, seed=0)
    assert set(scores.values()) == {1.0}


def test_neighbours_vote_by_hand():
    fit, labels = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[1, 0], [1, 5], [0, 5], [0, 7]])
    predicted = nearest_neighbours(fit, labels, np.array([[0.4], [9.0]]), neighbours=3)
    # The nearest three of 0.4 are 0, 1, 2; of 9 they are 10, 2, 1, where the second label is 5, 5, 7.
    np.testing.assert_array_equal(predicted, [[1, 5], [0, 5]])
    np.testing.assert_array_equal(nearest_neighbours(fit, labels[:, 0], np.array([[5.0]]), neighbours=99), [0])


def test_bad_codes_are_refused():
    codes, labels = clustered(1)
    broken = codes.copy()
    broken[3, 1] = np.nan
    with pytest.raises(VlacError, match="NaN or infinity"):
        probe_codes(codes, labels, broken, labels, **SETTINGS)
    with pytest.raises(VlacError, match="cannot be probed"):
        probe_codes(codes, labels[1:], codes, labels, **SETTINGS)
    with pytest.raises(VlacError, match="all of one class"):
        probe_codes(codes, np.zeros_like(labels), codes, labels, **SETTINGS)


def scores_table(purities):
    """Rows for gmm_purity by (seed, rung); the other measures point the other way."""
    rows = [(seed, rung, 1 - p, 1 - p, p, 1 - p) for (seed, rung), p in purities.items()]
    return pd.DataFrame(rows, columns=["seed", "rung", *MEASURES])


def test_best_rung_has_the_highest_mean_mixture_purity():
    table = scores_table({(0, 1): 0.9, (1, 1): 0.1, (0, 2): 0.6, (1, 2): 0.5, (0, 3): 0.2, (1, 3): 0.7})
    assert best_rung(table) == 2
    assert best_rung(table.sample(frac=1, random_state=0)) == 2


def test_equal_rungs_go_to_the_deeper_one():
    purities = [0.93, 0.224, 0.517, 0.143, 0.289]
    # The same five numbers in two orders: their floating-point means differ in the last bit.
    tied = {(seed, 1): p for seed, p in enumerate(purities)} | {(seed, 4): p for seed, p in enumerate(sorted(purities))}
    assert best_rung(scores_table(tied)) == 4
    assert best_rung(scores_table({(seed, 5 - rung): p for (seed, rung), p in tied.items()})) == 4


@pytest.mark.parametrize(
    "table",
    [
        scores_table({}),
        scores_table({(0, 1): 0.5, (1, 1): 0.5, (0, 2): 0.5}),
        scores_table({(0, 1): 0.5, (0, 2): float("nan")}),
        pd.concat([scores_table({(0, 1): 0.5, (0, 2): 0.4})] * 2),
    ],
    ids=["empty", "a seed missing", "not a number", "twice"],
)
def test_incomplete_scores_are_refused(table):
    with pytest.raises(VlacError, match="one row for every seed and rung"):
        best_rung(table)


def test_scores_without_a_column_are_refused():
    with pytest.raises(VlacError, match="no column gmm_purity"):
        best_rung(scores_table({(0, 1): 0.5}).drop(columns="gmm_purity"))
