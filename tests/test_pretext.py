"""The pretext of VLAC+: the transforms are a group, features follow from definitions, neighbours share clusters."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import mutual_info_score
from sklearn.neighbors import NearestNeighbors
from tiny import PRETEXT, tiny_images, tiny_input, tiny_job, tiny_method, tiny_spec
from torch.nn import functional as F

from vlac.errors import VlacError
from vlac.methods.vlac_plus import PretextSettings, learn, neighbours
from vlac.methods.vlac_plus.ladder import PlusLadder, PlusSpec
from vlac.methods.vlac_plus.learn import PretextTrainer
from vlac.methods.vlac_plus.neighbours import Pairs, learn_clusters, mutual_information, nearest
from vlac.methods.vlac_plus.pretext import TRANSFORMS, Clusters, Pretext, dihedral, normalise
from vlac.training import trainer
from vlac.training.device import Device

CPU = Device(torch.device("cpu"), bfloat16=False)


def _learner(path: Path, monkeypatch: pytest.MonkeyPatch, identity: str = "i") -> PretextTrainer:
    monkeypatch.setattr(learn, "FOLDER", path)
    return PretextTrainer(
        torch.from_numpy(tiny_images(64)), PretextSettings(**PRETEXT), 4, 0, CPU, {"inputs": identity}
    )


def test_the_transforms_are_the_eight_of_the_square() -> None:
    x = torch.arange(9.0).view(1, 1, 3, 3)
    found = {tuple(dihedral(x, t).flatten().tolist()) for t in range(TRANSFORMS)}
    square = np.arange(9.0).reshape(3, 3)
    turns = [np.rot90(square, k) for k in range(4)]
    assert found == {tuple(a.flatten()) for a in [*turns, *(turn.T for turn in turns)]}


def test_normalised_images_have_mean_0_and_std_1_and_flat_ones_stay_flat() -> None:
    x = normalise(tiny_input(5))
    assert torch.allclose(x.mean((1, 2, 3)), torch.zeros(5), atol=1e-5)
    assert torch.allclose(x.std((1, 2, 3)), torch.ones(5), atol=0.01)
    assert not normalise(torch.full((1, 3, 32, 32), 0.3)).abs().gt(1e-3).any()


def test_the_projection_is_principal_components_over_the_root_of_their_std() -> None:
    torch.manual_seed(0)
    network = Pretext((2, 2, 2), 3, 6, 4)
    orbit = torch.randn(200, 24) * torch.linspace(0.5, 3, 24) + 1
    network.fit_projection(orbit)
    pca = PCA(6).fit(orbit.numpy())
    expected = pca.transform(orbit.numpy()) / pca.explained_variance_**0.25
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    # Components are defined up to their sign.
    assert np.allclose(network.project(orbit).abs().numpy(), np.abs(expected), atol=1e-3)


def test_the_orbit_holds_what_the_trunk_says_of_each_transform_in_turn() -> None:
    torch.manual_seed(0)
    network = Pretext((2, 2, 2), 3, 6, 4).eval()
    x = tiny_input(4)
    orbit = network.orbit(x)
    for t in range(TRANSFORMS):
        said = F.normalize(network.trunk(dihedral(normalise(x), t)), dim=1)
        assert torch.allclose(orbit[:, 3 * t : 3 * t + 3], said, atol=1e-5)
    assert torch.allclose(dihedral(orbit.new_zeros(1, 1, 2, 2), 3), torch.zeros(1, 1, 2, 2))


def test_mutual_information_of_sure_clusters_is_that_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 500)
    other = np.where(generator.random(500) < 0.7, y, generator.integers(0, 4, 500))
    log_q, log_q_other = (torch.from_numpy(np.eye(4)[values]).clamp_min(1e-12).log() for values in (y, other))
    both_ways = mutual_info_score(np.concatenate([y, other]), np.concatenate([other, y]))
    assert float(mutual_information(log_q, log_q_other)) == pytest.approx(both_ways, abs=1e-4)


def test_mutual_information_reaches_its_bounds() -> None:
    sure = torch.eye(5).clamp_min(1e-12).log()
    assert float(mutual_information(sure, sure)) == pytest.approx(math.log(5), abs=1e-5)
    undecided = torch.full((5, 5), 0.2).log()
    assert float(mutual_information(undecided, sure)) == pytest.approx(0, abs=1e-5)


def test_nearest_rows_are_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "ROWS", 7)
    features = F.normalize(torch.randn(50, 6, generator=torch.Generator().manual_seed(0)), dim=1)
    expected = NearestNeighbors(n_neighbors=4).fit(features.numpy()).kneighbors(return_distance=False)
    assert np.array_equal(nearest(features, 4).numpy(), expected)


def test_clusters_of_neighbours_find_separate_groups() -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(3).repeat_interleave(100)
    features = F.normalize(torch.eye(6)[groups] + 0.1 * torch.randn(300, 6, generator=generator), dim=1)
    torch.manual_seed(0)
    clusters = Clusters(6, 3)
    information = learn_clusters(clusters, Pairs(features, 5), 200, generator)
    y = clusters(features).argmax(-1)
    assert mutual_info_score(y, groups) == pytest.approx(math.log(3))
    assert information > 0.9 * math.log(3)


def test_varied_images_are_moved_by_at_most_the_shift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _learner(tmp_path, monkeypatch)
    # A ramp tells each pixel's origin: brightness grows by 1 per column to the right.
    ramp = torch.arange(32.0).expand(400, 3, 32, 32)
    varied = learner._vary(ramp)
    sign = varied[:, 0, 16, 16].sign()
    moved = sign * varied[:, 0, 16, 16] - 16
    assert moved.abs().max() <= 2.0 + 1e-4
    assert moved.abs().max() > 1.5
    assert 0.4 < (sign > 0).float().mean() < 0.6


def test_an_interrupted_pretext_ends_in_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _learner(tmp_path / "whole", monkeypatch).run().state_dict()
    cut = _learner(tmp_path / "cut", monkeypatch)
    epoch, done = cut._epoch, []

    def once(number: int) -> float:
        if done:
            raise KeyboardInterrupt
        done.append(number)
        return epoch(number)

    monkeypatch.setattr(cut, "_epoch", once)
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    resumed = _learner(tmp_path / "cut", monkeypatch).run().state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_finished_pretext_is_found_again_and_another_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _learner(tmp_path, monkeypatch).run()
    again = _learner(tmp_path, monkeypatch)
    monkeypatch.setattr(again, "_epoch", lambda epoch: pytest.fail("it was trained again"))
    again.run()
    _learner(tmp_path, monkeypatch, identity="other data").run()
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_a_damaged_pretext_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = _learner(tmp_path, monkeypatch)
    learner.run()
    learner.path.write_bytes(learner.path.read_bytes()[:1000])
    with pytest.raises(VlacError, match="damaged"):
        _learner(tmp_path, monkeypatch).run()


def lively_pretext(seed: int = 0) -> Pretext:
    """Return an untrained network with a projection, so that pictures have features of their own."""
    torch.manual_seed(seed)
    pretext = Pretext((2, 2, 2), 3, 5, 3).eval()
    pretext.fit_projection(pretext.orbit(tiny_input(60, seed=1)))
    return pretext


def test_features_known_beforehand_are_those_that_encode_finds() -> None:
    torch.manual_seed(0)
    model = PlusLadder(PlusSpec(**vars(tiny_spec()), pretext=(2, 2, 2, 3, 5))).eval()
    model.adopt(lively_pretext())
    x = tiny_input(6)
    found, given = model.encode(x)[3], model.encode(x, log_q=model.log_q(lively_pretext().features(x)))[3]
    assert torch.equal(found.log_q, given.log_q)
    assert found.log_q.std(0).sum() > 0  # pictures differ
    assert torch.equal(found.log_q, F.log_softmax(lively_pretext().clusters(lively_pretext().features(x)), -1))


def test_training_leaves_the_pretext_as_it_was_and_moves_the_clusters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    method = tiny_method("vlac_plus")
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
    for name, value in method.model.pretext.state_dict().items():
        assert torch.equal(value, method.learnt.state_dict()[name]), name
    assert not torch.equal(method.model.clusters[0].weight, method.learnt.clusters[0].weight)


def test_the_loss_is_that_of_vlac_less_the_neighbours_information(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    method = tiny_method("vlac_plus")
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
    at = trainer.Weights(0.5, dict.fromkeys((1, 2, 3, 4), 0.5), 2.0)
    generators = [torch.Generator().manual_seed(1) for _ in range(2)]
    loss, terms = method.loss(torch.arange(16), tiny_input(40)[:16], at, generators[0])
    log_q = method.model.log_q(method.pairs.features[:16])
    assert torch.equal(terms.posteriors[3].log_q, log_q[3])
    method.model.encode(tiny_input(40)[:16], 0.5, generators[1], log_q)
    [torch.empty(16, 2).normal_(generator=generators[1]) for _ in range(4)]  # the noise of z
    pairs = method.pairs.draw(generators[1])
    information = mutual_information(*F.log_softmax(method.model.clusters(pairs), -1).chunk(2))
    assert information > 0
    torch.testing.assert_close(loss, -terms.weighted(at.kl_z, 2.0).mean() - 10.0 * information, rtol=1e-4, atol=1e-3)


def test_a_ladder_does_not_resume_with_another_pretext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    method = tiny_method("vlac_plus")
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
    monkeypatch.setattr(Pretext, "signature", "other")
    with pytest.raises(VlacError, match="other pretext"):
        method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
