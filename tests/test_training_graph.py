"""The captured update against the plain one, on a device that can capture."""

import pytest
import torch
from tiny import tiny_trainer as trainer

from vlac.training import loop, train_at_once

pytestmark = pytest.mark.gpu


def trained(path, seed, **training):
    one = trainer(path, seed, device="cuda", **training)
    return one, [row for row, _ in one.epochs(checkpoint_seconds=0)]


def assert_same(one, other):
    """Compare two trainings, history and weights, within what the device's atomic sums may differ."""
    (first, rows), (second, others) = one, other
    for row, truth in zip(rows, others, strict=True):
        assert row == pytest.approx(truth, rel=1e-3, abs=1e-3)
    for (name, value), truth in zip(first.model.state_dict().items(), second.model.state_dict().values(), strict=True):
        torch.testing.assert_close(value, truth, rtol=1e-2, atol=1e-3, msg=name)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_replays_train_as_the_plain_step_does(precision, tmp_path, monkeypatch):
    replayed = trained(tmp_path / "graph.pt", 0, precision=precision)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "captured", lambda step, stream: step)
        plain = trained(tmp_path / "plain.pt", 0, precision=precision)
    assert_same(replayed, plain)


def test_replays_go_on_from_a_checkpoint(tmp_path):
    whole = trained(tmp_path / "whole.pt", 0)
    epochs = trainer(tmp_path / "0.pt", 0, device="cuda").epochs(checkpoint_seconds=0)
    next(epochs)
    epochs.close()
    second = trainer(tmp_path / "0.pt", 0, device="cuda")
    second.resume()
    assert len(second.history) == 1
    list(second.epochs())
    assert_same((second, second.history), whole)


def test_seeds_at_once_on_streams_of_their_own_are_the_seeds_alone(tmp_path):
    group = [trainer(tmp_path / f"{seed}.pt", seed, device="cuda") for seed in range(3)]
    assert len(list(train_at_once(group, 3))) == 9
    for seed, one in enumerate(group):
        assert_same((one, one.history), trained(tmp_path / f"alone{seed}.pt", seed))
