"""The contract of a method, kept by every kind; what codes of a ladder, centres of k-means and answers of a GMM are."""

import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from tiny import ROOT, SETTINGS, lively_ladder, tiny_images, tiny_input, tiny_job, tiny_method, tiny_params

from vlac.errors import VlacError
from vlac.features import compute
from vlac.methods import kinds
from vlac.methods.base import AFTER_TRAINING, Method
from vlac.models import ladder
from vlac.params.load import load_params

IMAGES = tiny_images(64)


def equal(one, other):
    """Compare states: tensors and plain types in dictionaries."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    return torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_kind_keeps_the_contract(kind, tmp_path, monkeypatch):
    assert kind in SETTINGS, "give the new kind small settings in tests/tiny.py"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vlac.training.epochs.CHECKPOINT_SECONDS", 0.0)
    method, told = tiny_method(kind), []
    rows = method.fit(IMAGES, 0, tiny_job(tmp_path / "a.pt", epoch=told.append))
    assert rows == told
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    again, resumed = tiny_method(kind), []
    if rows:
        with pytest.raises(KeyboardInterrupt):
            tiny_method(kind).fit(IMAGES, 0, tiny_job(tmp_path / "b.pt", epoch=stop))
    assert again.fit(IMAGES, 0, tiny_job(tmp_path / "b.pt", resumed=resumed.extend)) == rows
    assert resumed == rows[:2]
    assert equal(again.state(), method.state())
    other = tiny_method(kind)
    other.fit(IMAGES, 1, tiny_job(tmp_path / "c.pt"))
    assert not equal(other.state(), method.state())

    loaded = kinds()[kind](method.settings, tiny_params())
    loaded.load_state(method.state())
    codes, expected = loaded.encode(IMAGES), method.encode(IMAGES)
    for part in ("y", "q", "mean"):
        ours, theirs = getattr(codes, part), getattr(expected, part)
        assert ours.keys() == theirs.keys()
        assert all(np.array_equal(ours[rung], theirs[rung]) for rung in ours)
    assert codes.y.keys() == loaded.K.keys() == method.K.keys()
    for rung, y in codes.y.items():
        assert (y.dtype, y.shape) == (np.int64, (64,))
        assert 0 <= y.min() <= y.max() < method.K[rung]
    if method.in_table:
        assert method.main_rung in codes.y
        further = loaded.clusterings((IMAGES, IMAGES), (codes, codes), 0, 40)
        assert all(len(y) == 64 for pair in further.values() for y in pair)
        loaded.draw(IMAGES[:20], rows, 0, tmp_path / "figures")
        assert list((tmp_path / "figures").glob("*.png"))


def test_kinds_are_the_modules_and_importing_them_is_light():
    code = "import sys; from vlac.methods import kinds; kinds(); import vlac.params.schema; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "sklearn", "pandas", "matplotlib", "scipy"} & set(loaded)
    assert set(AFTER_TRAINING) <= set(vars(Method))


@torch.no_grad()
def test_codes_of_a_ladder_are_those_of_a_direct_pass(monkeypatch):
    method = tiny_method()
    method.model = lively_ladder(method.spec()).train()  # running statistics are used all the same
    codes = method.encode(IMAGES[:20])
    direct = method.model.encode(tiny_input(64)[:20])
    assert list(codes.mean) == [1, 2, 3, 4]
    for rung, mean in codes.mean.items():
        np.testing.assert_array_equal(mean, direct[rung].mean.numpy())
    for rung in (2, 3):
        np.testing.assert_array_equal(codes.q[rung], direct[rung].q.numpy())
        np.testing.assert_array_equal(codes.y[rung], codes.q[rung].argmax(1))
    assert len(set(codes.y[3])) > 1
    monkeypatch.setattr(ladder, "PART", 7)
    np.testing.assert_allclose(method.encode(IMAGES[:20][::-1].copy()).mean[3][::-1], codes.mean[3], atol=1e-4)


@pytest.mark.parametrize("features", ["pixels", "gist"])
def test_k_means_is_that_of_scikit_learn(features):
    method = tiny_method("kmeans", features=features)
    assert method.fit(IMAGES, 5, tiny_job("unused")) == []
    truth = KMeans(3, n_init=1, random_state=5).fit(compute(IMAGES, features))
    np.testing.assert_allclose(method.centres, truth.cluster_centers_, atol=1e-5)
    np.testing.assert_array_equal(method.encode(IMAGES).y[1], truth.labels_)
    with pytest.raises(ValueError, match="cannot reshape"):
        method.load_state({"centres": torch.zeros(4, method.centres.shape[1])})


def test_a_gmm_answers_by_bayes_rule_of_its_gaussians():
    method = tiny_method("gmm")
    method.fit(IMAGES, 5, tiny_job("unused"))
    ours = method.project(compute(IMAGES, "gist"))
    np.testing.assert_allclose(ours, PCA(4, random_state=5).fit_transform(compute(IMAGES, "gist")), atol=1e-5)
    mixture = method.mixture
    of_k = [multivariate_normal(*each).pdf(ours) for each in zip(mixture.means_, mixture.covariances_, strict=True)]
    joint = mixture.weights_ * np.stack(of_k, 1)
    codes = method.encode(IMAGES)
    np.testing.assert_allclose(codes.q[1], joint / joint.sum(1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(codes.y[1], joint.argmax(1))
    with pytest.raises(VlacError, match="size of tiny is 4, but there are only 3 training images"):
        method.fit(IMAGES[:3], 0, tiny_job("unused"))


def test_a_vae_s_mixture_is_one_of_its_codes(tmp_path):
    method = tiny_method("vae_gmm")
    method.fit(IMAGES, 0, tiny_job(tmp_path / "a.pt"))
    codes = method.encode(IMAGES)
    truth = GaussianMixture(3, max_iter=200, random_state=0).fit(codes.mean[3])
    np.testing.assert_allclose(codes.q[3], truth.predict_proba(codes.mean[3]), atol=1e-5)
    z = method.draw_codes(100_000, 1, 0).numpy()
    np.testing.assert_allclose(z.mean(0), truth.means_[1], atol=0.02)
    np.testing.assert_allclose(np.cov(z.T), truth.covariances_[1], atol=0.02)
    assert method.samples(2, 0).shape == (3, 2, 32, 32, 3)


def test_the_successor_has_two_facets():
    method = tiny_method("mfcvae")
    assert method.shape() == ({3: 3, 4: 2}, {3: 3, 4: 2})
    assert method.main_rung == 3
    method.rung = 4
    with pytest.raises(VlacError, match="Set digit_rung to 1, 2 or 3"):
        method.shape()
    with pytest.raises(ValueError, match="must be the larger one"):
        method.Settings(kind="mfcvae", K=[50, 200], z=[22, 7])


def test_samples_are_those_of_each_component_in_turn():
    method = tiny_method("vlac")
    torch.manual_seed(0)
    method.model = method.build(asdict(method.spec()))
    samples = method.samples(4, 7)
    for component, images in enumerate(samples):
        assert (images == method.draw_images(4, method.main_rung, component, 7 + component)).all()
    assert len(samples) == method.K[method.main_rung]


def test_the_notes_say_where_components_start():
    params = load_params(ROOT / "presets/svhn_small.yaml")

    def said(name, params=params):
        return " ".join(kinds()[params.models[name].kind](params.models[name], params, 3).protocol())

    assert "those of rung 3 start from clusters of its codes' directions" in said("vlac_2layer")
    assert "those of rung 3 start from the clusters that its network names" in said("vlac_2layer_plus")
    assert "those of rung 4 start from clusters of its codes," in said("vlac_2layer_plus")
    head = params.model_copy(update={"mixture": params.mixture.model_copy(update={"q_y": "head"})})
    assert "those of rung 2 start from the clusters that its network names" in said("vlac_2layer", head)
