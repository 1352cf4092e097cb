"""The vote of the nearest neighbours, by hand."""

import numpy as np

from vlac.evaluation.codes import nearest_neighbours


def test_neighbours_vote_by_hand():
    fit, labels = np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[1, 0], [1, 5], [0, 5], [0, 7]])
    predicted = nearest_neighbours(fit, labels, np.array([[0.4], [9.0]]), neighbours=3)
    # The nearest three of 0.4 are 0, 1, 2; of 9 they are 10, 2, 1, where the second label is 5, 5, 7.
    np.testing.assert_array_equal(predicted, [[1, 5], [0, 5]])
    # All four vote: two for 0 and two for 1.
    np.testing.assert_array_equal(nearest_neighbours(fit, labels[:, 0], np.array([[5.0]]), neighbours=99), [0])
