"""Figures of a tiny untrained model: what is held fixed, what is nearest, and equal bytes."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from vlac.evaluation.codes import Codes
from vlac.models import Ladder, Spec
from vlac.reporting.curves import draw_curves
from vlac.reporting.figures import PER_CLUSTER, SAMPLES, draw_figures, nearest_images

NAMES = ("manipulation.png", "components.png", "nearest.png")


def ladder(K: dict[int, int], d: int = 2) -> Ladder:
    torch.manual_seed(0)
    return Ladder(Spec(K, dict.fromkeys(K, d), (2, 2, 2), 4, "gaussian", 0.2)).eval()


def some_images(count: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def codes_on_rung(mean: list[list[float]], y: list[int], K: int, rung: int = 3) -> Codes:
    return Codes({rung: np.array(mean, np.float32)}, {rung: np.eye(K, dtype=np.float32)[y]}, {rung: np.array(y)})


@pytest.mark.parametrize("K", [{1: 1, 2: 3, 3: 20, 4: 1}, {3: 5}], ids=["vlac", "gmdgm"])
def test_same_bytes_again_whatever_the_users_settings(tmp_path: Path, K: dict[int, int]) -> None:
    model, images = ladder(K), some_images()
    draw_figures(model, images, 1, tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 40, "figure.facecolor": "red"}):
        draw_figures(model, images, 1, tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 20
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(NAMES)


def test_another_seed_draws_other_samples(tmp_path: Path) -> None:
    model, images = ladder({2: 3, 3: 5}), some_images()
    for seed in (1, 2):
        draw_figures(model, images, seed, tmp_path / str(seed))
    for name in ("manipulation.png", "components.png"):
        first, second = (np.asarray(Image.open(tmp_path / seed / name)) for seed in ("1", "2"))
        # Below the heading, which names the seed.
        assert (first[100:] != second[100:]).any()


def test_each_panel_varies_one_rung_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, decoded = ladder({1: 1, 2: 3, 3: 5, 4: 1}), []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z: decoded.append(z) or decode(z))
    draw_figures(model, some_images(), 0, tmp_path)
    datapoint, *panels = decoded[:5]
    components = decoded[5:]
    for rung, z in zip(model.rungs, panels, strict=True):
        assert len(z[rung]) == math.prod(SAMPLES)
        for other in model.rungs:
            fixed = bool((z[other] == datapoint[other]).all())
            assert fixed == (other != rung)
    assert len(components) == len(model.mixture_rungs)
    for rung, z in zip(model.mixture_rungs, components, strict=True):
        for other in model.rungs:
            assert (len(z[other].unique(dim=0)) == 1) == (other != rung)


def test_a_column_holds_samples_of_its_component_in_order_of_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, decoded = ladder({3: 3}), []
    prior = model.prior(3)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]]))
        prior.raw_std.fill_(-10.0)  # so small that a sample is its component's mean, to 0.1
    codes = codes_on_rung([[0.0, 0.0]] * 6, [2, 2, 2, 0, 0, 1], 3)
    monkeypatch.setattr("vlac.reporting.figures.encode_images", lambda model, images: codes)
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z: decoded.append(z[3]) or decode(z))
    draw_figures(model, some_images(6), 0, tmp_path)
    samples = decoded[2].reshape(PER_CLUSTER, 3, 2)  # after the datapoint and the one panel of samples
    torch.testing.assert_close(samples, prior.mean[[2, 0, 1]].expand(PER_CLUSTER, 3, 2), atol=0.1, rtol=0)


def test_nearest_is_measured_in_units_of_the_components_std() -> None:
    model = ladder({3: 3})
    prior = model.prior(3)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0.0], [5.0, 5.0], [9.0, 9.0]]))
        prior.raw_std.copy_(torch.tensor([[10.0, 0.5], [1.0, 1.0], [1.0, 1.0]]))  # std about (10, 0.97), (1.3, 1.3)
    # Image 0 is nearer to component 0 in plain distance (1 < 3), image 1 in units of the std (3 / 10 < 1 / 0.97).
    codes = codes_on_rung([[0, 1], [3, 0], [5, 5], [0, 0]], [0, 0, 1, 1], 3)
    nearest = nearest_images(model, codes, 3, 5)
    assert {k: own.tolist() for k, own in nearest.items()} == {0: [1, 0], 1: [2, 3]}  # none is assigned to cluster 2
    assert nearest_images(model, codes, 3, 1)[0].tolist() == [1]


def history(epochs: int) -> pd.DataFrame:
    rows = [{"seed": seed, "epoch": epoch, "temperature": 1.0} for seed in (0, 1) for epoch in range(1, epochs + 1)]
    frame = pd.DataFrame(rows)
    frame["elbo"], frame["log_likelihood"] = 100.0 * frame["epoch"], 110.0 * frame["epoch"] + frame["seed"]
    for rung in (1, 2, 3, 4):
        frame[f"kl_z_{rung}"] = rung / frame["epoch"]
    for rung, K in ((2, 5), (3, 50)):
        frame[f"kl_y_{rung}"], frame[f"mean_entropy_q_{rung}"] = 1.0, math.log(K) - 1.0
        frame[f"entropy_mean_q_{rung}"], frame[f"clusters_in_use_{rung}"] = math.log(K), K
        frame[f"separation_{rung}"] = 2.0
    return frame


@pytest.mark.parametrize("epochs", [1, 30])
def test_curves_are_the_same_bytes_again_and_follow_the_history(tmp_path: Path, epochs: int) -> None:
    draw_curves(history(epochs), tmp_path / "a.png")
    draw_curves(history(epochs), tmp_path / "b.png")
    draw_curves(history(epochs).assign(kl_z_2=9.0), tmp_path / "c.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
