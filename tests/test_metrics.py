"""Scores against numbers worked out by hand, enumeration of all mappings, and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from vlac.errors import VlacError
from vlac.evaluation import metrics

# Cluster 0: classes 0, 0, 1; cluster 1: class 1; cluster 2: classes 2, 2; cluster 3: classes 0, 1 (a tie); 4: empty.
Y = np.array([0, 0, 0, 1, 2, 2, 3, 3])
T = np.array([0, 0, 1, 1, 2, 2, 1, 0])


def test_contingency_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    y, t = generator.integers(7, size=300), generator.integers(4, size=300)
    np.testing.assert_array_equal(metrics.contingency(y, t, 7, 4), contingency_matrix(t, y).T)


def test_unsigned_bytes_do_not_overflow():
    y, t = np.full(5, 49, dtype=np.uint8), np.full(5, 9, dtype=np.uint8)
    assert metrics.contingency(y, t, 50, 10)[49, 9] == 5


def test_majority_mapping_by_hand():
    mapping = metrics.majority_mapping(Y, T, K=5, T=3)
    # Cluster 3 is tied between 0 and 1 and takes the smaller. Overall 0 and 1 occur three times each: 4 is given 0.
    np.testing.assert_array_equal(mapping, [0, 1, 2, 0, 0])
    assert mapping.dtype == np.int64
    assert metrics.accuracy(Y, T, mapping) == 6 / 8


def test_empty_cluster_maps_to_the_most_frequent_class():
    y, t = np.array([0, 1, 1, 1]), np.array([0, 2, 2, 1])
    np.testing.assert_array_equal(metrics.majority_mapping(y, t, K=4, T=3), [0, 2, 2, 2])


@pytest.mark.parametrize("seed", range(5))
def test_majority_vote_is_the_best_of_all_mappings(seed):
    generator = np.random.default_rng(seed)
    y, t = generator.integers(4, size=25), generator.integers(3, size=25)
    best = max(np.mean(np.array(P)[y] == t) for P in itertools.product(range(3), repeat=4))
    assert metrics.accuracy(y, t, metrics.majority_mapping(y, t, 4, 3)) == pytest.approx(best)


@pytest.mark.parametrize(("K", "T"), [(3, 3), (4, 3), (3, 4)])
def test_hungarian_is_the_best_of_all_one_to_one_mappings(K, T):
    generator = np.random.default_rng(K + T)
    y, t = generator.integers(K, size=25), generator.integers(T, size=25)
    counts = metrics.contingency(y, t, K, T)
    if K <= T:
        pairings = (zip(range(K), chosen, strict=True) for chosen in itertools.permutations(range(T), K))
    else:
        pairings = (zip(chosen, range(T), strict=True) for chosen in itertools.permutations(range(K), T))
    best = max(sum(counts[k, c] for k, c in pairing) for pairing in pairings)
    assert metrics.hungarian_accuracy(y, t, K, T) == best / 25


def test_hungarian_gives_a_class_to_one_cluster_only():
    y, t = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 0, 1])
    assert metrics.accuracy(y, t, metrics.majority_mapping(y, t, 3, 2)) == 1.0
    assert metrics.hungarian_accuracy(y, t, 3, 2) == 3 / 5


def test_nmi_and_ari_by_hand():
    y, t = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    # H(y) = ln 2, H(t) = 2 ln 2 - 3/4 ln 3, H(t given y) = 1/2 ln 2.
    entropy_t = 2 * math.log(2) - 0.75 * math.log(3)
    expected = (entropy_t - 0.5 * math.log(2)) / ((math.log(2) + entropy_t) / 2)
    assert metrics.nmi(y, t) == pytest.approx(expected)
    # Pairs together: in both 1, in y 2, in t 3, of 6. Expected index 1, largest 2.5: nothing beyond chance.
    assert metrics.ari(y, t) == pytest.approx(0.0)


def test_clusters_in_use():
    y = np.array([0] * 6 + [2] * 3 + [4])
    assert metrics.clusters_in_use(y, K=6) == 3
    assert metrics.clusters_in_use(y, K=6, share=0.1) == 2


def test_chance_levels():
    assert metrics.chance(np.array([1, 1, 1, 0, 5])) == 3 / 5
    t = np.array([0, 0, 1])
    # Two clusters, all 8 assignments: purity 1 where the class-1 image is alone (2 ways), 2/3 otherwise.
    exact = np.mean([metrics.accuracy(y, t, metrics.majority_mapping(y, t, 2, 2)) for y in _assignments(2, 3)])
    assert exact == pytest.approx(0.75)
    assert metrics.chance_random(t, K=2, draws=20_000) == pytest.approx(exact, abs=0.005)
    assert metrics.chance_random(t, K=1) == pytest.approx(metrics.chance(t))
    assert metrics.chance_random(t, K=2) == metrics.chance_random(t, K=2)


def test_score_fits_the_headline_mapping_on_train_labels():
    y_train, t_train = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    y_test, t_test = np.array([0, 0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 1, 0, 2])
    scores = metrics.score(metrics.Clustering(y_train, t_train, y_test, t_test, K=3, T=3))
    # Train maps 0 -> 0, 1 -> 1 and the unseen cluster 2 -> 0: three of seven. The test set maps 0 -> 1, 1 -> 1, 2 -> 2.
    assert scores["acc"] == 3 / 7
    assert scores["acc_test_map"] == 5 / 7
    assert scores["hungarian"] == 4 / 7
    assert scores["nmi"] == normalized_mutual_info_score(t_test, y_test)
    assert scores["ari"] == adjusted_rand_score(t_test, y_test)
    assert scores["clusters_in_use"] == 3.0
    assert scores["chance"] == 4 / 7
    assert 4 / 7 < scores["chance_random"] < 1
    assert list(scores) == [metric.name for metric in metrics.METRICS]
    assert len(scores) == 8
    assert all(type(value) is float for value in scores.values())


def test_a_single_cluster_scores_chance():
    t = np.array([0, 1, 1, 2])
    y = np.zeros(4, int)
    scores = metrics.score(metrics.Clustering(y, t, y, t, K=50, T=3))
    assert scores["acc"] == scores["hungarian"] == scores["chance"] == 0.5
    assert scores["nmi"] == scores["ari"] == 0.0


@pytest.mark.parametrize(
    ("y", "t", "sentence"),
    [
        ([0, 3], [0, 1], "Cluster indices lie between 0 and 3"),
        ([0, -1], [0, 1], "Cluster indices lie between -1 and 0"),
        ([0, 1], [0, 2], "Class indices lie between 0 and 2"),
        ([0, 1, 2], [0, 1], "cannot be scored"),
        ([], [], "cannot be scored"),
    ],
)
def test_bad_labels_are_refused(y, t, sentence):
    with pytest.raises(VlacError, match=sentence):
        metrics.majority_mapping(np.array(y, dtype=int), np.array(t, dtype=int), K=3, T=2)


def _assignments(K, N):
    return (np.array(y) for y in itertools.product(range(K), repeat=N))
