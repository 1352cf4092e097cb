"""DEC against its paper: Eqs. (1) to (5) by hand, and two phases that stop, resume and find what is there."""

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from tiny import SETTINGS, tiny_images, tiny_job, tiny_params

from vlac.errors import VlacError
from vlac.methods.dec import Method, Settings, learn
from vlac.methods.dec.network import assignment, divergence, target

GENERATOR = np.random.default_rng(0)
Z, CENTRES = GENERATOR.normal(size=(6, 2)), GENERATOR.normal(size=(3, 2))
KERNEL = np.array([[1 / (1 + ((z - centre) ** 2).sum()) for centre in CENTRES] for z in Z])
Q = np.array([row / row.sum() for row in KERNEL])
"""Eq. (1), image by image."""


def method(**changed):
    return Method(Settings(kind="dec", **(SETTINGS["dec"] | changed)), tiny_params())


def test_the_assignment_is_that_of_students_t():
    q = assignment(torch.from_numpy(Z), torch.from_numpy(CENTRES))
    np.testing.assert_allclose(q.numpy(), Q)


def test_the_target_is_the_squared_assignment_over_the_clusters_frequency():
    q = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    # Frequencies 1.4 and 0.6: 0.25 / 1.4 against 0.25 / 0.6, and 0.81 / 1.4 against 0.01 / 0.6.
    np.testing.assert_allclose(target(q).numpy(), [[0.3, 0.7], [0.972, 0.028]], atol=1e-4)


def test_gradients_are_those_of_the_paper():
    z, centres = (torch.from_numpy(each).requires_grad_() for each in (Z, CENTRES))
    p = target(torch.from_numpy(Q)).numpy()
    loss = divergence(torch.from_numpy(p), assignment(z, centres))
    loss.backward()
    assert loss.item() == pytest.approx((p * np.log(p / Q)).sum() / 6)
    pull = 2 * (KERNEL * (p - Q))[:, :, None] * (Z[:, None] - CENTRES)  # (6, 3, 2), alpha = 1
    np.testing.assert_allclose(z.grad.numpy(), pull.sum(1) / 6)  # Eq. (4)
    np.testing.assert_allclose(centres.grad.numpy(), -pull.sum(0) / 6)  # Eq. (5)


@pytest.mark.parametrize("last", [1, 3, 4])
def test_either_phase_resumes_to_the_same_bytes(last, tmp_path):
    def stop(row):
        if row["epoch"] == last:
            raise KeyboardInterrupt

    whole, resumed = method(), method()
    rows = whole.fit(tiny_images(64), 0, tiny_job(tmp_path / "a.pt"))
    assert ["reconstruction" in row for row in rows] == [True, True, False, False, False]
    with pytest.raises(KeyboardInterrupt):
        method().fit(tiny_images(64), 0, tiny_job(tmp_path / "b.pt", epoch=stop))
    assert resumed.fit(tiny_images(64), 0, tiny_job(tmp_path / "b.pt")) == rows
    assert all(torch.equal(value, resumed.state()[name]) for name, value in whole.state().items())


def test_it_stops_when_no_image_moves(tmp_path):
    rows = method(lr=1e-12, epochs=9).fit(tiny_images(64), 0, tiny_job(tmp_path / "a.pt"))
    assert [row.get("moved") for row in rows] == [None, None, 0.0]
    again = method(lr=1e-12, epochs=9)
    assert again.fit(tiny_images(64), 0, tiny_job(tmp_path / "a.pt", epoch=pytest.fail)) == rows


def test_it_finds_separate_groups(tmp_path):
    group = np.arange(96) % 3
    colours = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200]])[group]
    images = (colours[:, None, None] + tiny_images(96) // 8).astype(np.uint8)
    found = method(pretrain_epochs=20, pretrain_lr=1e-2)
    rows = found.fit(images, 0, tiny_job(tmp_path / "a.pt"))
    codes = found.encode(images)
    assert adjusted_rand_score(group, codes.y[1]) == 1
    q = assignment(torch.from_numpy(codes.mean[1]), found.state()["centres"])
    np.testing.assert_allclose(codes.q[1], q, rtol=1e-5)
    assert rows[19]["reconstruction"] < rows[0]["reconstruction"] / 2


def test_too_few_images_are_refused():
    with pytest.raises(VlacError, match="batch of tiny is 16, but there are only 10 training images"):
        method().fit(tiny_images(10), 0, tiny_job("unused"))


def test_its_constants_are_the_published_ones():
    assert (learn.STARTS, learn.MOMENTUM, learn.TOLERANCE) == (20, 0.9, 0.001)


def test_black_pictures_give_one_cluster_and_no_nan(tmp_path):
    black = np.zeros((40, 32, 32, 3), np.uint8)
    trained = method()
    trained.fit(black, 0, tiny_job(tmp_path / "0.pt"))
    assert len(set(trained.encode(black).y[1])) == 1
