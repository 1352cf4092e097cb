"""How mixtures start, against geometry and scipy's densities."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from tiny import tiny_images, tiny_spec

from vlac.models.distributions import Prior
from vlac.models.ladder import Ladder, to_input
from vlac.training.start import clusters, directions, moments, start_mixture


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
    white = np.array([[3.0, 0], [-3, 0], [0, 3], [0, -3], [2, 2], [-2, -2], [2, -2], [-2, 2]])
    cos = white @ white.T / np.outer(*2 * [np.linalg.norm(white, axis=1)])
    assert distances(directions(white, 0 * np.eye(2))) == pytest.approx(2 - 2 * cos**2, abs=1e-12)
    mixed = white @ [[5, 0], [2, 10]] + 7  # whitened again by `directions`
    assert distances(directions(mixed, 0 * np.eye(2))) == pytest.approx(2 - 2 * cos**2, abs=1e-12)


@pytest.mark.parametrize("codes", [np.zeros((4, 2)), np.array([[1.0], [3], [2], [2]]), np.ones((2, 3))])
def test_codes_that_do_not_differ_have_finite_points(codes):
    """No spread, one number, fewer images than numbers: what a collapsed rung has."""
    assert np.isfinite(directions(codes, 0.1 * np.eye(codes.shape[1]))).all()


def test_clusters_of_directions_are_lines():
    codes, line = lines(600, 4)
    y = clusters(directions(codes, 0.01 * np.eye(4)), 4, seed=0)
    assert [len(set(y[line == each])) for each in range(4)] == [1, 1, 1, 1]
    assert len(set(y)) == 4
    assert len(set(clusters(codes, 8, seed=0)[line == 0])) > 1  # k-means of the codes tells the sides apart


def test_fewer_codes_than_clusters_have_one_each():
    assert sorted(clusters(np.array([[0.0], [1], [5]]), 4, seed=0)) == [0, 1, 2]


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


@pytest.mark.parametrize(
    ("q_y", "by"), [("responsibilities", "directions"), ("distilled", "kmeans"), ("head", "kmeans")]
)
def test_components_start_at_the_moments_of_the_clusters(q_y, by):
    """Of clusters of the codes; a head's own, because it has named them."""
    images = tiny_images(501)  # one more than is encoded at a time
    torch.manual_seed(0)
    model = Ladder(tiny_spec({3: 4}, q_y=q_y, covariance="full")).train()
    seen = (
        model.encode(to_input(torch.from_numpy(images[:251])))[3],
        model.encode(to_input(torch.from_numpy(images[251:])))[3],
    )
    codes, std, y = (
        torch.cat([getattr(each, name) for each in seen]).detach().numpy() for name in ("mean", "std", "y")
    )
    noise = np.diag((std**2).mean(0))
    points = directions(codes.astype(float), noise) if by == "directions" else codes.astype(float)
    named = y.argmax(-1) if q_y == "head" else clusters(points, 4, seed=5)
    start_mixture(model, 3, torch.from_numpy(images), {3: 1.0}, by, seed=5)
    means, covariances = moments(codes.astype(float), named, 4)
    prior = model.prior(3)
    assert prior.mean.detach().numpy() == pytest.approx(means, abs=1e-5)
    A = (prior.scale[..., None] * torch.linalg.inv(prior.lower + torch.eye(2))).detach().numpy()
    assert A @ A.transpose(0, 2, 1) == pytest.approx(covariances + noise, rel=1e-3, abs=1e-5)
