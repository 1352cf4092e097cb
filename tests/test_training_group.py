"""Seeds that train at once: the same as alone, whatever becomes of the others."""

import contextlib
import math
import threading

import pytest
import torch
from tiny import tiny_trainer as trainer

from vlac.errors import VlacError
from vlac.training import Trainer, train_at_once

SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Each seed trained by itself, in this thread."""
    found = {seed: trainer(tmp_path_factory.mktemp("alone") / f"{seed}.pt", seed) for seed in SEEDS}
    for one in found.values():
        list(one.epochs())
    return found


def group(folder):
    return [trainer(folder / f"{seed}.pt", seed) for seed in SEEDS]


def assert_alike(one, other):
    """Demand the same history and the same bits in every weight."""
    assert one.history == other.history
    state = other.model.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in one.model.state_dict().items())


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_seeds_at_once_are_the_seeds_alone_to_the_bit(at_once, alone, tmp_path):
    trainers = group(tmp_path)
    epochs = list(train_at_once(trainers, at_once))
    for one in trainers:
        assert_alike(one, alone[one.seed])
        assert [epoch.row for epoch in epochs if epoch.trainer is one] == one.history
    assert {path.name for path in tmp_path.iterdir()} == {f"{seed}.pt" for seed in SEEDS}


def test_they_do_run_at_once_and_no_more_than_asked(tmp_path, monkeypatch):
    meeting, running, most = threading.Barrier(2, timeout=20), set(), []
    trainers = group(tmp_path)[:2] + [trainer(tmp_path / f"{seed}.pt", seed) for seed in (3, 4)]
    for one in trainers:

        def begin(epoch, begin=one.step.begin, seed=one.seed):
            running.add(seed)
            most.append(len(running))
            if epoch == 0:
                meeting.wait()  # nobody gets by alone
            if epoch == 2:
                running.discard(seed)
            return begin(epoch)

        monkeypatch.setattr(one.step, "begin", begin)
    assert len(list(train_at_once(trainers, 2))) == 12
    assert max(most) == 2


def test_seeds_resume_from_different_epochs(alone, tmp_path):
    for seed, kept in zip(SEEDS, (1, 3, 0), strict=True):
        epochs = trainer(tmp_path / f"{seed}.pt", seed).epochs(checkpoint_seconds=0)
        for _ in range(kept):
            next(epochs)
    trainers = group(tmp_path)
    for one in trainers:
        one.resume()
    assert [len(one.history) for one in trainers] == [1, 3, 0]
    epochs = [(epoch.trainer.seed, epoch.row["epoch"]) for epoch in train_at_once(trainers, 3)]
    assert sorted(epochs) == [(0, 2), (0, 3), (2, 1), (2, 2), (2, 3)]
    for one in trainers:
        assert_alike(one, alone[one.seed])


def test_a_seed_that_fails_is_named_and_takes_none_of_its_wave_along(alone, tmp_path):
    trainers = group(tmp_path)
    with torch.no_grad():
        trainers[1].model.heads["3"].gaussian.weight[0, 0] = math.nan
    taken = []
    with pytest.raises(VlacError, match=r"^Seed 1 became NaN or infinite in epoch 1 .*; no epoch was kept"):
        list(train_at_once((taken.append(one.seed) or one for one in [trainers[1], trainers[0], trainers[2]]), 2))
    assert_alike(trainers[0], alone[0])
    assert {path.name for path in tmp_path.iterdir()} == {"0.pt"}
    assert taken == [1, 0]  # the next wave was not begun


@pytest.mark.parametrize("stop", [lambda epochs: epochs.throw(KeyboardInterrupt()), lambda epochs: epochs.close()])
def test_an_interruption_stops_all_and_each_goes_on_from_its_checkpoint(stop, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer.epochs, "__defaults__", (0,))  # a checkpoint after every epoch
    trainers = [trainer(tmp_path / f"{seed}.pt", seed, epochs=500) for seed in SEEDS]
    before = threading.active_count()
    epochs = train_at_once(trainers, 3)
    while {len(one.history) > 0 for one in trainers} != {True}:
        next(epochs)
    with contextlib.suppress(KeyboardInterrupt):
        stop(epochs)
    assert threading.active_count() == before
    for one in trainers:
        again = trainer(tmp_path / f"{one.seed}.pt", one.seed, epochs=500)
        again.resume()
        assert 0 < len(again.history) < 500
        assert again.history == one.history
