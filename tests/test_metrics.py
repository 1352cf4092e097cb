"""Scores against numbers worked out by hand, enumeration of all mappings, and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from vlac.evaluation import metrics

# Cluster 0: classes 0, 0, 1; cluster 1: class 1; cluster 2: classes 2, 2; cluster 3: classes 0, 1 (a tie); 4: empty.
Y = np.array([0, 0, 0, 1, 2, 2, 3, 3])
T = np.array([0, 0, 1, 1, 2, 2, 1, 0])


@pytest.mark.parametrize(
    ("K", "T", "images"), [(7, 4, 300), (50, 10, 60), (1, 3, 20), (3, 1, 20), (1, 1, 5), (9, 9, 1)]
)
def test_random_labels_are_counted_as_by_scikit_learn(K, T, images):
    generator = np.random.default_rng(0)
    y, t = (generator.integers(size, size=images).astype(np.uint8) for size in (K, T))
    counts = metrics.contingency(y, t, K, T)
    assert counts.sum() == images
    np.testing.assert_array_equal(counts[np.unique(y)][:, np.unique(t)], contingency_matrix(t, y).T)


def test_majority_mapping_by_hand():
    mapping = metrics.majority_mapping(Y, T, K=5, T=3)
    # Cluster 3 is tied between 0 and 1 and takes the smaller. Overall 0 and 1 occur three times each: 4 is given 0.
    np.testing.assert_array_equal(mapping, [0, 1, 2, 0, 0])
    assert mapping.dtype == np.int64
    assert metrics.accuracy(Y, T, mapping) == 6 / 8


def test_accuracies_are_those_of_the_best_of_all_mappings():
    generator = np.random.default_rng(0)
    y, t = generator.integers(4, size=25), generator.integers(3, size=25)
    best = max(np.mean(np.array(P)[y] == t) for P in itertools.product(range(3), repeat=4))
    assert metrics.accuracy(y, t, metrics.majority_mapping(y, t, 4, 3)) == pytest.approx(best)
    counts = metrics.contingency(y, t, 4, 3)
    best = max(sum(counts[k, c] for c, k in enumerate(chosen)) for chosen in itertools.permutations(range(4), 3))
    assert metrics.hungarian_accuracy(y, t, 4, 3) == best / 25


def test_nmi_and_ari_by_hand():
    y, t = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    # H(y) = ln 2, H(t) = 2 ln 2 - 3/4 ln 3, H(t given y) = 1/2 ln 2.
    entropy_t = 2 * math.log(2) - 0.75 * math.log(3)
    expected = (entropy_t - 0.5 * math.log(2)) / ((math.log(2) + entropy_t) / 2)
    assert metrics.nmi(y, t) == pytest.approx(expected)
    # Pairs together: in both 1, in y 2, in t 3, of 6. Expected index 1, largest 2.5: nothing beyond chance.
    assert metrics.ari(y, t) == pytest.approx(0.0)


def test_chance_levels():
    assert metrics.chance(np.array([1, 1, 1, 0, 5])) == 3 / 5
    t = np.array([0, 0, 1])
    # Two clusters, all 8 assignments: purity 1 where the class-1 image is alone (2 ways), 2/3 otherwise.
    assignments = map(np.array, itertools.product(range(2), repeat=3))
    exact = np.mean([metrics.accuracy(y, t, metrics.majority_mapping(y, t, 2, 2)) for y in assignments])
    assert exact == pytest.approx(0.75)
    assert metrics.chance_random(t, K=2, draws=20_000) == pytest.approx(exact, abs=0.005)
    assert metrics.chance_random(t, K=1) == pytest.approx(metrics.chance(t))


def test_score_fits_the_headline_mapping_on_train_labels():
    y_train, t_train = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    y_test, t_test = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 1, 0, 2])
    scores = metrics.score(metrics.Clustering(y_train, t_train, y_test, t_test, K=3, T=3))
    # Train maps 0 -> 0, 1 -> 1 and the unseen cluster 2 -> 0: three of seven. The test set maps 0 -> 1, 1 -> 1, 2 -> 2.
    assert scores["acc"] == 3 / 7
    assert scores["acc_test_map"] == 5 / 7
    assert scores["hungarian"] == 4 / 7
    assert scores["nmi"] == pytest.approx(normalized_mutual_info_score(t_test, y_test))
    assert scores["ari"] == pytest.approx(adjusted_rand_score(t_test, y_test))
    assert scores["clusters_in_use"] == 3.0
    assert scores["chance"] == 4 / 7
    assert 4 / 7 < scores["chance_random"] < 1
    assert math.isnan(scores["sample_acc"])
    assert list(scores) == [metric.name for metric in metrics.METRICS]


def test_samples_count_if_the_judge_sees_their_clusters_class():
    y_train, t_train = np.array([0, 0, 0, 1]), np.array([2, 2, 1, 0])
    # Their classes: 2, 0, and for the empty one 2, the commonest.
    judged = np.array([[2, 2, 1], [0, 1, 1], [2, 0, 0]])
    clustering = metrics.Clustering(y_train, t_train, y_train, t_train, K=3, T=3, judged=judged)
    assert metrics.sample_accuracy(clustering) == pytest.approx(((2 + 1) / 6 + 1 / 3 + 0) / 3)
