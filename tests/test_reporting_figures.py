"""Figures of a tiny untrained model: what is held fixed, what is nearest, and equal bytes."""

import math
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from tiny import lively_ladder, tiny_input, tiny_spec

from vlac.methods.base import Codes
from vlac.models.ladder import Ladder
from vlac.reporting.curves import draw_curves
from vlac.reporting.figures import PER_CLUSTER, SAMPLES, draw_figures, from_components, nearest_images

NAMES = ("manipulation.png", "components.png", "nearest.png")
IMAGES = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)


def ladder(K: dict[int, int]) -> Ladder:
    return lively_ladder(tiny_spec(K))


@torch.no_grad()
def draw(model: Ladder, folder: Path, seed: int = 0, codes: Codes | None = None) -> None:
    posteriors = model.encode(tiny_input(30))
    y = {rung: posteriors[rung].y.argmax(1).numpy() for rung in model.mixture_rungs}
    found = Codes(y, mean={rung: posterior.mean.numpy() for rung, posterior in posteriors.items()})
    images = IMAGES[: len(codes.y[3])] if codes else IMAGES
    draw_figures(model, codes or found, images, f"a model, seed {seed}", seed, folder)


@pytest.mark.parametrize("K", [{1: 1, 2: 3, 3: 20, 4: 1}, {3: 5}], ids=["vlac", "gmdgm"])
def test_same_bytes_again_whatever_the_users_settings(tmp_path: Path, K: dict[int, int]) -> None:
    draw(ladder(K), tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "savefig.dpi": 40, "figure.facecolor": "red"}):
        draw(ladder(K), tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 20
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(NAMES)


def test_each_panel_varies_one_rung_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, decoded = ladder({1: 1, 2: 3, 3: 5, 4: 1}), []
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z: decoded.append(z) or decode(z))
    draw(model, tmp_path)
    datapoint, *panels = decoded[:5]
    components = decoded[5:]
    for rung, z in zip(model.rungs, panels, strict=True):
        assert len(z[rung]) == math.prod(SAMPLES)
        for other in model.rungs:
            assert bool((z[other] == datapoint[other]).all()) == (other != rung)
    for rung, z in zip(model.mixture_rungs, components, strict=True):
        for other in model.rungs:
            assert (len(z[other].unique(dim=0)) == 1) == (other != rung)


def test_a_column_holds_samples_of_its_component_in_order_of_usage(tmp_path, monkeypatch):
    model, decoded = ladder({3: 3}), []
    prior = model.prior(3)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]]))
        prior.raw_scale.fill_(-10.0)  # so small that a sample is its component's mean, to 0.1
    decode = model.decode
    monkeypatch.setattr(model, "decode", lambda z: decoded.append(z[3]) or decode(z))
    draw(model, tmp_path, codes=Codes({3: np.array([2, 2, 2, 0, 0, 1])}, mean={3: np.zeros((6, 2), np.float32)}))
    samples = decoded[2].reshape(PER_CLUSTER, 3, 2)  # after the datapoint and the one panel of samples
    torch.testing.assert_close(samples, prior.mean[[2, 0, 1]].expand(PER_CLUSTER, 3, 2), atol=0.1, rtol=0)


def test_nearest_is_measured_in_units_of_the_components_std() -> None:
    model = ladder({3: 3})
    prior = model.prior(3)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0.0], [5.0, 5.0], [9.0, 9.0]]))
        prior.raw_scale.copy_(torch.tensor([[10.0, 0.5], [1.0, 1.0], [1.0, 1.0]]))  # std about (10, 0.97), (1.3, 1.3)
    # Image 0 is nearer to component 0 in plain distance (1 < 3), image 1 in units of the std (3 / 10 < 1 / 0.97).
    y, mean = np.array([0, 0, 1, 1]), np.array([[0, 1], [3, 0], [5, 5], [0, 0]], np.float32)
    distance = from_components(model, Codes({3: y}, mean={3: mean}), 3)
    nearest = nearest_images(y, distance, 3, 5)
    assert {k: own.tolist() for k, own in nearest.items()} == {0: [1, 0], 1: [2, 3]}  # none is assigned to cluster 2
    assert nearest_images(y, distance, 3, 1)[0].tolist() == [1]


def history(epochs: int, **changes: float) -> list[dict[str, Any]]:
    rows = []
    for epoch in range(1, epochs + 1):
        row: dict[str, Any] = {"epoch": epoch, "elbo": 100.0 * epoch, "log_likelihood": 110.0 * epoch}
        row |= {f"kl_z_{rung}": rung / epoch for rung in (1, 2, 3, 4)}
        for rung, K in ((2, 5), (3, 50)):
            row |= {f"kl_y_{rung}": 1.0, f"mean_entropy_q_{rung}": math.log(K) - 1, f"separation_{rung}": 2.0}
            row |= {f"entropy_mean_q_{rung}": math.log(K), f"clusters_in_use_{rung}": K}
        rows.append(row | changes)
    return rows


@pytest.mark.parametrize("epochs", [1, 30])
def test_curves_are_the_same_bytes_again_and_follow_the_history(tmp_path: Path, epochs: int) -> None:
    model = ladder({1: 1, 2: 5, 3: 50, 4: 1})
    for name, rows in {"a": history(epochs), "b": history(epochs), "c": history(epochs, kl_z_2=9.0)}.items():
        draw_curves(rows, model, 0, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "c.png").read_bytes()
