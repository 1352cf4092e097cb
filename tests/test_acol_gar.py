"""ACOL-GAR against its published definitions, by hand in numpy; and that telling turns apart can be learnt."""

import numpy as np
import pytest
import torch
from tiny import SETTINGS, tiny_images, tiny_input, tiny_job, tiny_params

from vlac.errors import VlacError
from vlac.methods.acol_gar import Method, Settings
from vlac.methods.acol_gar.network import Network, affinity_and_balance, loss, pooled
from vlac.models.dihedral import TRANSFORMS, dihedral, turn

DUPLICATES = 3
Z = np.random.default_rng(0).normal(size=(5, DUPLICATES * TRANSFORMS))
"""Node d * 8 + c is duplicate d of transform c, as in the published code."""

NODES = torch.from_numpy(Z).view(5, DUPLICATES, TRANSFORMS)


def method(**changed):
    return Method(Settings(kind="acol_gar", **(SETTINGS["acol_gar"] | changed)), tiny_params())


def by_hand(z):
    """Return affinity and balance of nodes (B, duplicates * 8), pair of duplicates by pair."""
    affinities, balances = [], []
    for c in range(TRANSFORMS):
        B = np.maximum(z[:, c::TRANSFORMS], 0)
        v = (B**2).sum(0)
        pairs = [(i, j) for i in range(DUPLICATES) for j in range(DUPLICATES) if i != j]
        affinities.append(sum(B[:, i] @ B[:, j] for i, j in pairs) / ((DUPLICATES - 1) * v.sum()))
        balances.append(sum(v[i] * v[j] for i, j in pairs) / ((DUPLICATES - 1) * (v**2).sum()))
    return np.mean(affinities), np.mean(balances)


def test_duplicates_are_pooled_after_one_softmax_over_all_nodes():
    p = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
    of_transform = sum(p[:, d * TRANSFORMS : (d + 1) * TRANSFORMS] for d in range(DUPLICATES))
    np.testing.assert_allclose(pooled(NODES).exp().numpy(), of_transform)
    np.testing.assert_allclose(of_transform.sum(1), 1)


def test_affinity_and_balance_are_those_of_pairs_of_duplicates():
    np.testing.assert_allclose(np.array(affinity_and_balance(NODES)), by_hand(Z), rtol=1e-6)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    transform = np.array([0, 3, 7, 3, 1])
    total, terms = loss(NODES, torch.from_numpy(transform))
    p = np.exp(pooled(NODES).numpy())
    cross_entropy, (affinity, balance) = -np.log(p[np.arange(5), transform]).mean(), by_hand(Z)
    expected = cross_entropy + 0.1 * affinity + (1 - balance) + 1e-6 * (Z**2).sum()
    assert total.item() == pytest.approx(expected, rel=1e-7)
    assert float(terms["cross_entropy"]) == pytest.approx(cross_entropy)
    assert float(terms["recognised"]) == pytest.approx(np.mean(p.argmax(1) == transform))


def test_a_batch_is_turned_in_equal_shares():
    x = tiny_input(16)
    turned, transform = turn(x)
    assert transform.tolist() == [index // 2 for index in range(16)]
    for image, index, before in zip(turned, transform.tolist(), x, strict=True):
        assert torch.equal(image, dihedral(before[None], index)[0])


def test_brightness_and_contrast_are_not_seen():
    torch.manual_seed(0)
    network, x = Network((2, 3), 5, 2).eval(), tiny_input(8)
    assert network(x).shape == (8, 2, TRANSFORMS)
    torch.testing.assert_close(network.features(0.5 * x + 0.2), network.features(x), rtol=0.02, atol=0.02)


def test_it_learns_to_tell_turns_apart_and_clusters_what_it_sees(tmp_path):
    # Brighter to the right and, less so, downwards: every transform gives another picture.
    ramp = np.add.outer(2 * np.arange(32), 4 * np.arange(32))[None, :, :, None]
    images = (ramp + tiny_images(64) // 8).astype(np.uint8)
    trained = method(channels=[4, 4], hidden=32, epochs=40, lr=1e-2)
    rows = trained.fit(images, 0, tiny_job(tmp_path / "a.pt"))
    assert rows[0]["recognised"] < 0.4
    assert rows[-1]["recognised"] > 0.9
    activations = trained.encode(images).mean[1]
    distances = ((activations[:, None] - trained.centres) ** 2).sum(2)
    assert np.array_equal(trained.encode(images).y[1], distances.argmin(1))


def test_too_few_images_are_refused():
    with pytest.raises(VlacError, match="batch of tiny is 16, but there are only 10 training images"):
        method().fit(tiny_images(10), 0, tiny_job("unused"))


def test_dropout_is_as_published():
    network = Network((2, 3), 5, 2)
    assert [module.p for module in network.modules() if isinstance(module, torch.nn.Dropout)] == [0.2, 0.3, 0.5]
