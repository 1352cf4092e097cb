"""The vote of the nearest neighbours, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from vlac.evaluation.codes import nearest_neighbours


def test_neighbours_vote_by_hand():
    fit, labels = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[1, 0], [1, 5], [0, 5], [0, 7]])
    predicted = nearest_neighbours(fit, labels, np.array([[0.4], [9.0]]), neighbours=3)
    # The nearest three of 0.4 are 0, 1, 2; of 9 they are 10, 2, 1, where the second label is 5, 5, 7.
    np.testing.assert_array_equal(predicted, [[1, 5], [0, 5]])
    # All four vote: two for 0 and two for 1.
    np.testing.assert_array_equal(nearest_neighbours(fit, labels[:, 0], np.array([[5.0]]), neighbours=99), [0])


@pytest.mark.parametrize(("images", "size", "neighbours"), [(1000, 6, 15), (37, 2, 15), (100, 10, 1), (5, 3, 15)])
def test_random_codes_are_labelled_as_by_scikit_learn(images, size, neighbours):
    generator = np.random.default_rng(images)
    fit, codes = generator.normal(size=(images, size)), generator.normal(size=(600, size))
    labels = generator.integers(4, size=(images, 3)).astype(np.uint8)
    theirs = KNeighborsClassifier(min(neighbours, images), algorithm="brute").fit(fit, labels)
    np.testing.assert_array_equal(nearest_neighbours(fit, labels, codes, neighbours), theirs.predict(codes))
