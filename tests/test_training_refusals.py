"""What the training loop refuses: losses that are not finite, other trainings' checkpoints, damage, impossible asks."""

import math

import pytest
import torch
from tiny import IDENTITY, MIXED, STEPS, tiny_spec
from tiny import tiny_trainer as trainer

from vlac.errors import VlacError
from vlac.models.load import save_models
from vlac.training.device import settle_device


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vlac" / "0.pt"


def test_weights_that_became_nan_stop_it_and_leave_the_last_good_checkpoint(path):
    one = trainer(path)
    epochs = one.epochs(checkpoint_seconds=0)
    good, _ = next(epochs)
    before = path.read_bytes()
    with torch.no_grad():
        one.model.heads["3"].gaussian.weight[0, 0] = math.nan
    with pytest.raises(VlacError, match=r"NaN or infinite in epoch 2 \(elbo.*0\.pt keeps an earlier epoch"):
        next(epochs)
    assert path.read_bytes() == before
    again = trainer(path)
    again.resume()
    assert again.history == [good]
    assert all(torch.isfinite(parameter).all() for parameter in again.model.parameters())
    next(again.epochs())


def test_a_last_update_that_spoils_the_weights_is_noticed_before_they_are_kept(path, monkeypatch):
    one = trainer(path, epochs=1)
    step, updates = one.optimiser.step, []

    def spoils():
        step()
        updates.append(1)
        if len(updates) == STEPS:
            one.model.render.output.bias.data[0] = math.inf

    monkeypatch.setattr(one.optimiser, "step", spoils)
    with pytest.raises(VlacError, match=r"NaN or infinite in epoch 1 \(weights\); no epoch was kept"):
        list(one.epochs())
    assert not path.exists()


@pytest.mark.parametrize(
    ("scale", "training", "words"), [(1e-25, {}, "elbo"), (1.0, {"lr": 1e38}, r"\("), (1.0, {"lr_prior": 1e38}, r"\(")]
)
def test_a_loss_or_rate_out_of_range_stops_it_at_once(scale, training, words, path):
    with pytest.raises(VlacError, match=f"became NaN or infinite in epoch 1 .*{words}.*; no epoch was kept"):
        list(trainer(path, spec=tiny_spec(MIXED, scale=scale), **training).epochs())
    assert not path.exists()


@pytest.mark.parametrize("name", ["parameters", "code", "inputs"])
def test_a_checkpoint_of_another_training_is_refused_and_kept(name, path):
    next(trainer(path).epochs(checkpoint_seconds=0))
    before = path.read_bytes()
    with pytest.raises(VlacError, match=rf"0\.pt stands after epoch 1 of a training with other {name}\. Restore those"):
        trainer(path, identity=IDENTITY | {name: "other"}).resume()
    assert path.read_bytes() == before


def test_a_damaged_checkpoint_is_refused(path):
    one = trainer(path)
    next(one.epochs(checkpoint_seconds=0))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[content.index(one.generator.get_state().numpy().tobytes()) + 999] ^= 1
    for damaged in (b"", b"no archive", content[: len(content) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(VlacError, match=r"0\.pt is damaged\. Delete it"):
            trainer(path).resume()
    save_models(path, tiny_spec(), {})
    with pytest.raises(VlacError, match="is damaged"):
        trainer(path).resume()


def test_a_batch_larger_than_the_data_is_refused(path):
    with pytest.raises(VlacError, match=r"training\.batch is 16, but there are only 15 training images"):
        trainer(path, count=15)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda_is_refused_and_auto_is_the_cpu():
    with pytest.raises(VlacError, match="cuda, but torch sees no CUDA device"):
        settle_device("cuda", 1)
    assert settle_device("auto", 1) == torch.device("cpu")
