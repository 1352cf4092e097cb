"""The pretext of VLAC+: the transforms are a group, features follow from definitions, neighbours share clusters."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import mutual_info_score
from tiny import PRETEXT, tiny_images, tiny_input, tiny_job, tiny_method
from torch.nn import functional as F

from vlac.errors import VlacError
from vlac.methods.vlac_plus import PretextSettings, learn
from vlac.methods.vlac_plus.learn import PretextTrainer
from vlac.methods.vlac_plus.neighbours import Pairs, learn_clusters, mutual_information
from vlac.methods.vlac_plus.pretext import Clusters, Pretext
from vlac.models.dihedral import TRANSFORMS, dihedral
from vlac.training.device import Device
from vlac.training.schedule import Weights

CPU = Device(torch.device("cpu"), bfloat16=False)


def _learner(path, monkeypatch, identity="i"):
    monkeypatch.setattr(learn, "FOLDER", path)
    images = torch.from_numpy(tiny_images(64))
    return PretextTrainer(images, PretextSettings(**PRETEXT), 4, 0, CPU, {"inputs": identity})


def test_the_transforms_are_the_eight_of_the_square():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    found = {tuple(dihedral(x, t).flatten().tolist()) for t in range(TRANSFORMS)}
    square = np.arange(9.0).reshape(3, 3)
    turns = [np.rot90(square, k) for k in range(4)]
    assert found == {tuple(a.flatten()) for a in [*turns, *(turn.T for turn in turns)]}


def test_the_projection_is_principal_components_over_the_root_of_their_std():
    torch.manual_seed(0)
    network = Pretext((2, 2, 2), 3, 6, 4)
    orbit = torch.randn(200, 24) * torch.linspace(0.5, 3, 24) + 1
    network.fit_projection(orbit)
    pca = PCA(6).fit(orbit.numpy())
    expected = pca.transform(orbit.numpy()) / pca.explained_variance_**0.25
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    # Components are defined up to their sign.
    assert np.allclose(network.project(orbit).abs().numpy(), np.abs(expected), atol=1e-3)


def test_mutual_information_of_sure_clusters_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 500)
    other = np.where(generator.random(500) < 0.7, y, generator.integers(0, 4, 500))
    log_q, log_q_other = (torch.from_numpy(np.eye(4)[values]).clamp_min(1e-12).log() for values in (y, other))
    both_ways = mutual_info_score(np.concatenate([y, other]), np.concatenate([other, y]))
    assert float(mutual_information(log_q, log_q_other)) == pytest.approx(both_ways, abs=1e-4)


def test_clusters_of_neighbours_find_separate_groups():
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(3).repeat_interleave(100)
    features = F.normalize(torch.eye(6)[groups] + 0.1 * torch.randn(300, 6, generator=generator), dim=1)
    torch.manual_seed(0)
    clusters = Clusters(6, 3)
    information = learn_clusters(clusters, Pairs(features, 5), 200, generator)
    y = clusters(features).argmax(-1)
    assert mutual_info_score(y, groups) == pytest.approx(math.log(3))
    assert information > 0.9 * math.log(3)


def test_varied_images_are_moved_by_at_most_the_shift(tmp_path, monkeypatch):
    learner = _learner(tmp_path, monkeypatch)
    # A ramp tells each pixel's origin: brightness grows by 1 per column to the right.
    ramp = torch.arange(32.0).expand(400, 3, 32, 32)
    varied = learner._vary(ramp)
    sign = varied[:, 0, 16, 16].sign()
    moved = sign * varied[:, 0, 16, 16] - 16
    assert moved.abs().max() <= 2.0 + 1e-4
    assert moved.abs().max() > 1.5
    assert 0.4 < (sign > 0).float().mean() < 0.6


def stop(epoch):
    raise KeyboardInterrupt


def test_an_interrupted_pretext_ends_in_the_same_network_and_a_finished_one_is_found(tmp_path, monkeypatch):
    whole = _learner(tmp_path / "whole", monkeypatch).run().state_dict()
    cut = _learner(tmp_path / "cut", monkeypatch)
    epoch = cut._epoch
    monkeypatch.setattr(cut, "_epoch", lambda number: epoch(number) if number == 0 else stop(number))
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    assert not torch.equal(cut.network.answer.bias, whole["answer.bias"])
    resumed = _learner(tmp_path / "cut", monkeypatch).run().state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)

    found = _learner(tmp_path / "cut", monkeypatch)
    monkeypatch.setattr(found, "_epoch", stop)
    assert torch.equal(found.run().projection, whole["projection"])
    assert _learner(tmp_path / "cut", monkeypatch, identity="other data").path != found.path
    found.path.write_bytes(found.path.read_bytes()[:1000])
    with pytest.raises(VlacError, match="damaged"):
        _learner(tmp_path / "cut", monkeypatch).run()


@pytest.fixture
def method(tmp_path, monkeypatch):
    """Yield a trained VLAC+; the training of its ladder has left a checkpoint."""
    monkeypatch.chdir(tmp_path)
    trained = tiny_method("vlac_plus")
    trained.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
    return trained


def test_training_leaves_the_pretext_as_it_was_and_moves_the_clusters(method):
    for name, value in method.model.pretext.state_dict().items():
        assert torch.equal(value, method.learnt.state_dict()[name]), name
    assert not torch.equal(method.model.clusters[0].weight, method.learnt.clusters[0].weight)


def test_the_loss_is_that_of_vlac_less_the_neighbours_information(method):
    halves, twos, ones = (dict.fromkeys((1, 2, 3, 4), value) for value in (0.5, 2.0, 1.0))
    at = Weights(0.5, halves, twos, ones)
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    loss, terms = method.loss(torch.arange(16), tiny_input(40)[:16], at, generators[0])
    log_q = method.model.log_q(method.pairs.features[:16])
    assert torch.equal(terms.posteriors[3].log_q, log_q[3])
    method.model.encode(tiny_input(40)[:16], 0.5, generators[1], log_q)
    pairs = method.pairs.draw(generators[1])
    information = mutual_information(*F.log_softmax(method.model.clusters(pairs), -1).chunk(2))
    assert information > 0
    torch.testing.assert_close(
        loss, -terms.weighted(at.kl_z, at.kl_y).mean() - 10.0 * information, rtol=1e-4, atol=1e-3
    )


def test_a_ladder_does_not_resume_with_another_pretext(method, tmp_path, monkeypatch):
    resumed = []
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt", resumed=resumed.append))
    monkeypatch.setattr(Pretext, "signature", "other")
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt", resumed=resumed.append))
    assert [len(rows) for rows in resumed] == [3, 0]
