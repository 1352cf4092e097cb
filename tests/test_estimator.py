"""The estimator: scikit-learn's conventions, the pipeline's method behind them, and README's example."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_checks
from tiny import ROOT, tiny_images, tiny_method

from vlac import VLAC
from vlac.data.digits import render
from vlac.errors import VlacError
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.models.load import save_method
from vlac.params.load import load_params

IMAGES = tiny_images(100)
SMALL = {"K": (1, 3, 6, 1), "epochs": 3, "batch": 20, "channels": (4, 4, 4), "hidden": 8}


@pytest.fixture(scope="module")
def model() -> VLAC:
    return VLAC(**SMALL).fit(IMAGES)


# The other checks of scikit-learn bring data of two dimensions of their own, which are no images.
@pytest.mark.parametrize(
    "check",
    [
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_estimators_unfitted",
        "check_get_params_invariance",
        "check_mixin_order",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_set_params",
        "check_transformers_unfitted",
        "check_valid_tag_types",
    ],
)
def test_scikit_learns_checks_that_bring_no_data(check: str) -> None:
    getattr(estimator_checks, check)("VLAC", VLAC())


def test_its_settings_are_those_of_the_default_experiment() -> None:
    digits = load_params(ROOT / "presets/digits.yaml")
    ours = VLAC()._params(7_000)
    for section in ("network", "likelihood", "mixture", "training"):
        assert getattr(ours, section) == getattr(digits, section)
    assert ours.objective.model_copy(update={"fade": digits.objective.fade}) == digits.objective
    assert ours.models["vlac"] == digits.models["vlac_2layer"]


def test_its_guide_is_that_of_the_preset_at_that_preset_s_size() -> None:
    ours = VLAC(K=(1, 1, 50, 5), epochs=24, method="vlac_plus")._params(73_257).models["vlac"]
    preset = load_params(ROOT / "presets/svhn_small.yaml").models["vlac_2layer_plus"]
    assert ours == preset


def test_shipped_weights_are_small_and_find_digits() -> None:
    digits = render(500, seed=99)
    for name, least in {"digits": 0.8, "svhn": 0.3, "svhn_plus": 0.95}.items():
        assert (ROOT / f"vlac/weights/{name}.pt").stat().st_size < 2_000_000
        y = VLAC.load(name).predict(digits.images)
        found = accuracy(y, digits.labels, majority_mapping(y, digits.labels, 50, 10))
        assert found > least


def test_what_it_says_of_images(model: VLAC) -> None:
    assert model.main_rung_ == 3
    assert len(model.history_) == 3
    assert model.labels_.shape == (100,)
    assert np.array_equal(model.predict(torch.from_numpy(IMAGES)), model.labels_)
    assert np.array_equal(model.predict_proba(IMAGES).argmax(1), model.labels_)
    assert model.predict(IMAGES, rung=2).max() < 3
    assert model.predict_proba(IMAGES, rung=2).shape == (100, 3)
    assert model.transform(IMAGES).shape == (100, 2 + 2 + 22 + 2)
    assert np.array_equal(model.transform(IMAGES, rung=3), model.transform(IMAGES)[:, 4:26])
    drawn = model.sample(7, component=2)
    assert (drawn.shape, drawn.dtype) == ((7, 32, 32, 3), np.uint8)
    assert not np.array_equal(drawn, model.sample(7, component=3))


def test_a_seed_repeats_it_and_pipelines_take_it(model: VLAC) -> None:
    again = make_pipeline(clone(model), KMeans(2, n_init=1, random_state=0)).fit(IMAGES)
    assert np.array_equal(again[0].labels_, model.labels_)
    assert set(again.predict(IMAGES)) == {0, 1}
    of_numpy = {name: np.array(value) for name, value in SMALL.items()} | {"random_state": np.int64(0)}
    assert np.array_equal(VLAC(**of_numpy).fit_predict(IMAGES), model.labels_)
    assert not np.array_equal(VLAC(**SMALL, random_state=1).fit(IMAGES).transform(IMAGES), model.transform(IMAGES))


def test_images_of_64_pixels_a_side() -> None:
    large = IMAGES.repeat(2, 1).repeat(2, 2)
    model = VLAC(**SMALL).fit(large)
    assert model.sample(2).shape == (2, 64, 64, 3)
    with pytest.raises(ValueError, match=r"uint8 \(N, 64, 64, 3\); these are uint8 \(100, 32, 32, 3\)"):
        model.predict(IMAGES)
    with pytest.raises(ValueError, match=r"\(N, 32, 32, 3\) or \(N, 64, 64, 3\)"):
        model.fit(IMAGES[:, :28])


def test_files(model: VLAC, tmp_path: Path) -> None:
    model.save(tmp_path / "model.pt")
    found = VLAC.load(tmp_path / "model.pt")
    assert np.array_equal(found.predict(IMAGES), model.labels_)
    assert (found.K, found.main_rung_) == (model.K, 3)
    plus = VLAC(**SMALL, method="vlac_plus").fit(IMAGES)
    plus.save(tmp_path / "plus.pt")
    found = VLAC.load(tmp_path / "plus.pt")
    assert np.array_equal(found.predict(IMAGES), plus.labels_)
    assert (found.method, found.z) == ("vlac_plus", (2, 2, 64, 3))
    baseline = tiny_method("gmdgm")
    baseline.model = baseline.build(vars(baseline.spec()))
    save_method(tmp_path / "gmdgm.pt", baseline)
    with pytest.raises(VlacError, match="is no VLAC, but a gmdgm"):
        VLAC.load(tmp_path / "gmdgm.pt")
    with pytest.raises(NotFittedError):
        VLAC().save(tmp_path / "model.pt")


def test_mistakes_are_named(model: VLAC) -> None:
    for wrong in (IMAGES.astype(np.float32), IMAGES[0], IMAGES[:, :28], IMAGES[:0]):
        with pytest.raises(ValueError, match=r"Images must be uint8 \(N, 32, 32, 3\); these are"):
            model.predict(wrong)
    with pytest.raises(ValueError, match="Rung 1 has no mixture; those that have: 2, 3"):
        model.predict(IMAGES, rung=1)
    with pytest.raises(ValueError, match="There is no rung 5"):
        model.transform(IMAGES, rung=5)
    with pytest.raises(ValueError, match="no component 6; rung 3 has 0 to 5"):
        model.sample(component=6)
    with pytest.raises(VlacError, match=r"training\.epochs"):
        VLAC(epochs=0).fit(IMAGES)
    with pytest.raises(TypeError, match="float"):
        VLAC(**SMALL, random_state=0.5).fit(IMAGES)
    with pytest.raises(VlacError, match=r"method is 'kmeans'\. Give one of vlac, vlac_plus\."):
        VLAC(method="kmeans").fit(IMAGES)
    with pytest.raises(VlacError, match="only 100 training images"):
        VLAC(batch=101).fit(IMAGES)


def test_the_example_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    found: dict[str, np.ndarray] = {}
    monkeypatch.chdir(tmp_path)
    exec(example, found)
    assert np.array_equal(VLAC.load("model.pt").predict(found["images"]), found["digits"])
    assert found["digits"].shape == (len(found["images"]),)
    assert found["drawn"].shape == (10, 32, 32, 3)
