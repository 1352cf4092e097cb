"""How mixtures start, against geometry and scipy's densities."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from vlac.models.distributions import Prior
from vlac.training.start import clusters, directions, moments


def lines(count: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return codes near `d` lines through the origin, on both sides of it, and the line of each."""
    generator = np.random.default_rng(seed)
    line = generator.integers(d, size=count)
    along = generator.choice([-1, 1], size=count) * generator.uniform(2, 4, size=count)
    codes = generator.normal(scale=0.1, size=(count, d))
    codes[np.arange(count), line] += along
    return codes, line


def distances(points: np.ndarray) -> np.ndarray:
    """Return squared distances, float (N, N)."""
    return ((points[:, None] - points) ** 2).sum(-1)


def test_a_direction_and_its_opposite_are_one_point():
    white = np.array([[3.0, 0], [-3, 0], [0, 3], [0, -3], [2, 2], [-2, -2], [2, -2], [-2, 2]])  # white
    cos = white @ white.T / np.outer(*2 * [np.linalg.norm(white, axis=1)])
    assert distances(directions(white)) == pytest.approx(2 - 2 * cos**2, abs=1e-12)
    mixed = white @ [[5, 0], [2, 10]] + 7  # whitened again by `directions`
    assert distances(directions(mixed)) == pytest.approx(2 - 2 * cos**2, abs=1e-12)


def test_clusters_of_directions_are_lines():
    codes, line = lines(600, 4)
    y = clusters(directions(codes), 4, seed=0)
    assert [len(set(y[line == each])) for each in range(4)] == [1, 1, 1, 1]
    assert len(set(y)) == 4
    assert len(set(clusters(codes, 8, seed=0)[line == 0])) > 1  # k-means of the codes tells the sides apart


def test_moments_by_hand():
    codes = np.array([[0.0, 0], [2, 0], [5, 5], [5, 7]])
    means, covariances = moments(codes, np.array([0, 0, 2, 2]), 3)
    assert means.tolist() == [[1, 0], [3, 3], [5, 6]]
    average = [[0.5, 0], [0, 0.5]]
    assert covariances[0] == pytest.approx((np.diag([2.0, 0]) + 2 * np.array(average)) / 4)
    assert covariances[1] == pytest.approx(np.array(average))  # nothing is in it


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_a_prior_starts_with_the_moments(covariance):
    generator = np.random.default_rng(0)
    means, roots = generator.normal(size=(3, 4)), generator.normal(size=(3, 4, 4))
    covariances = roots @ roots.transpose(0, 2, 1) + np.eye(4)
    prior = Prior(3, 4, covariance)
    prior.start(torch.from_numpy(means), torch.from_numpy(covariances))
    z = generator.normal(size=(5, 4)).astype("float32")
    held = covariances if covariance == "full" else covariances * np.eye(4)
    truth = [multivariate_normal(mean, each).logpdf(z) for mean, each in zip(means, held, strict=True)]
    std = torch.ones(5, 4)
    found = -prior.kl_at(torch.from_numpy(z), std) - 4 / 2 - 4 / 2 * np.log(2 * np.pi)
    assert found.detach().numpy() == pytest.approx(np.array(truth).T, rel=1e-4)
