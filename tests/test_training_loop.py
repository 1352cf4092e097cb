"""The training loop: resumed, repeated and scheduled trainings of a tiny ladder."""

import pytest
import torch
from tiny import IDENTITY, STEPS, tiny_spec
from tiny import tiny_trainer as trainer

from vlac.models.load import save_models
from vlac.training import step as one_step
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import settle_precision


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vlac" / "0.pt"


def finish(trainer, folder):
    """Train to the end; return the bytes of the weights' file and the history."""
    rows = [row for row, _ in trainer.epochs()]
    assert [row["epoch"] for row in trainer.history] == [1, 2, 3]
    assert trainer.history[len(trainer.history) - len(rows) :] == rows
    save_models(folder / "model.pt", trainer.model.spec, {0: trainer.model.state_dict()})
    return (folder / "model.pt").read_bytes(), trainer.history


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return finish(trainer(folder / "0.pt"), folder)


def test_equal_seeds_train_to_equal_bytes_and_others_do_not(uninterrupted, path, tmp_path):
    torch.manual_seed(99)  # what happened before does not matter
    assert finish(trainer(path), tmp_path) == uninterrupted
    weights, history = finish(trainer(tmp_path / "1.pt", seed=1), tmp_path)
    assert weights != uninterrupted[0]
    assert history != uninterrupted[1]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_resumed_after_any_epoch_ends_as_if_never_stopped(kept, uninterrupted, path, tmp_path):
    first = trainer(path).epochs(checkpoint_seconds=0)
    for _ in range(kept):
        next(first)
    first.close()
    torch.manual_seed(99)
    second = trainer(path)
    second.resume()
    assert len(second.history) == kept
    assert finish(second, tmp_path) == uninterrupted


@pytest.mark.parametrize("step", [0, 1, STEPS, 3 * STEPS - 1])
def test_stopped_in_mid_epoch_it_goes_on_from_the_last_whole_one(step, uninterrupted, path, tmp_path, monkeypatch):
    done = 0

    def stops(*arguments, bound=one_step.bound):
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        return bound(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(one_step, "bound", stops)
        with pytest.raises(KeyboardInterrupt):
            list(trainer(path).epochs(checkpoint_seconds=0))
    second = trainer(path)
    second.resume()
    assert len(second.history) == step // STEPS
    assert finish(second, tmp_path) == uninterrupted


def test_checkpoints_are_not_written_more_often_than_asked(path):
    epochs = trainer(path).epochs(checkpoint_seconds=1000)
    next(epochs)
    next(epochs)
    assert not path.exists()
    next(epochs)
    assert Checkpoint.load(path, IDENTITY).epoch == 3


def test_training_raises_the_likelihood(path):
    history = [row["log_likelihood"] for row, _ in trainer(path, spec=tiny_spec(scale=0.2), epochs=8).epochs()]
    assert history[-1] > history[0] + 100


def test_every_update_takes_other_images_at_the_scheduled_settings(path, monkeypatch):
    seen, temperatures, weights = [], [], []

    def watched(model, x, temperature, *rest, bound=one_step.bound):
        terms = bound(model, x, temperature, *rest)
        seen.append(x)
        temperatures.append(float(temperature))
        weighted = terms.weighted
        terms.weighted = lambda kl_z, kl_y: weights.append((float(kl_z[2]), float(kl_y))) or weighted(kl_z, kl_y)
        return terms

    monkeypatch.setattr(one_step, "bound", watched)
    epochs = trainer(path).epochs()
    next(epochs)
    assert len(torch.cat(seen).flatten(1).unique(dim=0)) == STEPS * 16
    first = [x.clone() for x in seen]
    next(epochs)
    assert not torch.equal(first[0], seen[STEPS])
    assert temperatures == pytest.approx([1 - 0.5 * step / 6 for step in range(4)])
    assert weights == [pytest.approx((min(1, step / 3),) * 2) for step in range(4)]


def test_priors_learn_at_a_rate_of_their_own(path):
    one = trainer(path)
    rates = {id(p): group["lr"] for group in one.optimiser.param_groups for p in group["params"]}
    for name, parameter in one.model.named_parameters():
        assert rates[id(parameter)] == (2e-2 if name.startswith("priors.") else 2e-3)


def test_the_precision_asked_for_is_the_one_taken(path, tmp_path, uninterrupted):
    cpu = torch.device("cpu")
    assert (settle_precision(cpu, "float32"), settle_precision(cpu, "bfloat16")) == (False, True)
    weights, history = finish(trainer(path, precision="bfloat16"), tmp_path)
    assert weights != uninterrupted[0]
    assert history[-1]["elbo"] == pytest.approx(uninterrupted[1][-1]["elbo"], rel=0.01)


def test_the_noise_does_not_repeat_the_draws_of_the_weights(path):
    started = trainer(path)
    weights = torch.Generator().manual_seed(torch.initial_seed())
    assert not torch.equal(torch.rand(8, generator=started.generator), torch.rand(8, generator=weights))
