"""The captured update against the plain one, on a device that can capture; what leads up to a capture, on any."""

import pytest
import torch
from tiny import tiny_trainer as trainer

from vlac.training import loop, train_at_once
from vlac.training.graph import warm_up


@pytest.mark.parametrize("epochs_before", [0, 1])
def test_a_warm_up_leaves_no_trace(epochs_before, tmp_path):
    calm = trainer(tmp_path / "calm.pt")
    truth = [row for row, _ in calm.epochs()]
    one = trainer(tmp_path / "0.pt")
    epochs = one.epochs()
    rows = [next(epochs)[0] for _ in range(epochs_before)]
    warm_up(one.step)
    moments = [value for state in one.optimiser.state.values() for value in state.values()]
    assert all(bool(value.any()) for value in moments) == bool(epochs_before)
    places = [value.data_ptr() for value in moments]
    rows += [row for row, _ in epochs]
    assert rows == truth
    assert all(torch.equal(value, calm.model.state_dict()[name]) for name, value in one.model.state_dict().items())
    # The optimiser goes on with the state that the warm-up made, as a captured graph demands.
    assert [value.data_ptr() for state in one.optimiser.state.values() for value in state.values()] == places


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


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_replays_train_as_the_plain_step_does(precision, tmp_path, monkeypatch):
    replayed = trained(tmp_path / "graph.pt", 0, precision=precision)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "captured", lambda step, stream: stream.wait_stream(torch.cuda.current_stream()) or step)
        plain = trained(tmp_path / "plain.pt", 0, precision=precision)
    assert_same(replayed, plain)


@pytest.mark.gpu
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


@pytest.mark.gpu
def test_seeds_at_once_on_streams_of_their_own_are_the_seeds_alone(tmp_path):
    group = [trainer(tmp_path / f"{seed}.pt", seed, device="cuda") for seed in range(3)]
    assert len(list(train_at_once(group, 3))) == 9
    for seed, one in enumerate(group):
        assert_same((one, one.history), trained(tmp_path / f"alone{seed}.pt", seed))
