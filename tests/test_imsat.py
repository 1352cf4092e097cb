"""IMSAT against sums by hand, finite differences and scikit-learn's neighbours; and that it learns."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from tiny import tiny_images, tiny_job, tiny_method
from torch import nn

from vlac.errors import VlacError
from vlac.methods.imsat.learn import Learner
from vlac.methods.imsat.network import Network
from vlac.methods.imsat.objective import adversarial, divergence, entropies, radii
from vlac.training.device import Device


def lively_network(size=5, hidden=7, K=3):
    """Return a network in float64 whose clusters depend on what it sees."""
    torch.manual_seed(0)
    network = Network(size, hidden, K).double()
    nn.init.normal_(network.last.weight)
    return network


def test_entropies_and_divergence_are_their_sums():
    p = np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    q = np.array([[0.2, 0.3, 0.5], [0.3, 0.3, 0.4]])
    given_x, of_all = entropies(torch.from_numpy(np.log(p) + 5))  # logits have no origin
    assert float(given_x) == pytest.approx((1.5 * np.log(2) - 0.2 * np.log(0.1) - 0.8 * np.log(0.8)) / 2)
    assert float(of_all) == pytest.approx(-0.3 * np.log(0.3) - 0.175 * np.log(0.175) - 0.525 * np.log(0.525))
    kl = divergence(torch.from_numpy(np.log(p)), torch.from_numpy(np.log(q)))
    assert float(kl) == pytest.approx((p * np.log(p / q)).sum() / 2)
    certain = torch.tensor([[200.0, 0, 0], [200.0, 0, 0]])
    assert [float(value) for value in entropies(certain)] == [0, 0]


def test_the_network_starts_as_published():
    torch.manual_seed(0)
    network = Network(400, 300, 200)
    spread = [float(layer.weight.detach().std()) for layer in (*network.linear, network.last)]
    assert spread == pytest.approx([(0.1 / 400) ** 0.5, (0.1 / 300) ** 0.5, (1e-4 / 300) ** 0.5], rel=0.02)
    assert [norm.eps for norm in network.norm] == [2e-5, 2e-5]


def test_the_adversarial_direction_is_the_gradient_by_finite_differences():
    network, generator = lively_network(), torch.Generator().manual_seed(3)
    x = torch.randn(4, 5, generator=generator, dtype=torch.float64)

    def quiet(at):
        return network(at, count=False)

    logits = quiet(x).detach()
    before = generator.get_state()
    found = adversarial(quiet, x, logits, generator)
    d = torch.randn(x.shape, generator=generator.set_state(before), dtype=torch.float64)
    d /= d.norm(dim=1, keepdim=True)
    p = logits.softmax(1).numpy()

    def kl(change):
        return (p * np.log(p / quiet(x + 10 * change).softmax(1).detach().numpy())).sum()

    slope = np.zeros((4, 5))
    for at in np.ndindex(4, 5):
        step = torch.zeros_like(d)
        step[at] = 1e-6
        slope[at] = (kl(d + step) - kl(d - step)) / 2e-6
    np.testing.assert_allclose(found, slope / np.linalg.norm(slope, axis=1, keepdims=True), atol=1e-5)


def test_directions_of_a_new_network_are_of_unit_length():
    torch.manual_seed(0)
    network = Network(960, 50, 50)
    x = torch.randn(20, 960)
    direction = adversarial(network, x, network(x).detach(), torch.Generator().manual_seed(0))
    np.testing.assert_allclose(direction.norm(dim=1), 1, rtol=1e-5)


def test_radii_are_a_quarter_of_the_distance_to_the_tenth_neighbour():
    x = torch.randn(1100, 6, generator=torch.Generator().manual_seed(0))
    x[7] = x[1050]  # one twin is the other's first neighbour
    distances = NearestNeighbors(n_neighbors=10).fit(x.numpy()).kneighbors()[0]
    np.testing.assert_allclose(radii(x), 0.25 * distances[:, -1], rtol=1e-4)


def test_an_update_descends_the_objective_and_counts_the_batch_once():
    network = lively_network()
    features = torch.randn(12, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    settings = tiny_method("imsat", batch=12, lr=1e-3).settings
    learner = Learner(network, features, settings, 0, Device(torch.device("cpu"), False), tiny_job("unused"))
    x, before = learner.x, learner.generator.get_state()
    logits = network(x, count=False)
    start = adversarial(learner._quiet, x, logits.detach(), learner.generator)
    changed = network(x + learner.radii[:, None] * start, count=False)
    p, q = logits.softmax(1), changed.softmax(1)
    marginal = p.mean(0)
    smoothness = (p.detach() * (p.detach() / q).log()).sum(1).mean()
    given_x, of_all = -(p * p.log()).sum(1).mean(), -(marginal * marginal.log()).sum()
    loss = smoothness + 0.1 * (given_x - 4 * of_all)
    expected = torch.autograd.grad(loss, list(network.parameters()))

    learner.generator.set_state(before)
    terms = learner._update(torch.arange(12))
    np.testing.assert_allclose(terms, torch.stack([smoothness, given_x, of_all]).detach(), rtol=1e-10)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient, atol=1e-12)
    assert [int(norm.num_batches_tracked) for norm in network.norm] == [1, 1]


def test_imsat_finds_what_the_images_show(tmp_path):
    kinds = tiny_images(3, seed=1)
    truth = np.arange(120) % 3
    noise = np.random.default_rng(0).integers(-30, 31, (120, 32, 32, 3))
    images = np.clip(kinds[truth].astype(int) + noise, 0, 255).astype(np.uint8)
    method = tiny_method("imsat", hidden=20, epochs=15, batch=40)
    method.fit(images[:90], 0, tiny_job(tmp_path / "a.pt"))
    codes = method.encode(images[90:])
    assert len({(int(y), int(t)) for y, t in zip(codes.y[1], truth[90:], strict=True)}) == 3
    np.testing.assert_allclose(codes.q[1].sum(1), 1, rtol=1e-5)
    with pytest.raises(VlacError, match="batch of tiny is 40, but there are only 30 training images"):
        method.fit(images[:30], 0, tiny_job(tmp_path / "b.pt"))


def test_so_few_images_that_none_has_ten_neighbours_are_refused():
    with pytest.raises(VlacError, match="more than 10 training images"):
        tiny_method("imsat", batch=2).fit(tiny_images(10), 0, tiny_job("unused"))
