"""The training loop: resumed, refused and repeated trainings of a tiny ladder."""

import math

import pytest
import torch
from tiny import MIXED, tiny_images, tiny_spec

from vlac.errors import VlacError
from vlac.models.load import save_models
from vlac.params.schema import Objective, Training
from vlac.training import Trainer, loop
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import settle_device, settle_precision

IDENTITY = {"parameters": "p", "code": "c", "inputs": "i"}
OBJECTIVE = Objective(
    kl_z="sampled",
    kl_z_weight=[1.0, 1.0, 1.0, 1.0],
    kl_y_weight=1.0,
    kl_z_warmup=0.5,
    kl_y_warmup=0.5,
    temperature_start=1.0,
    temperature_end=0.5,
    temperature_until=1.0,
)
TRAINING = Training(epochs=3, batch=16, lr=2e-3, lr_prior=2e-2, precision="float32", device="cpu", threads=1)
STEPS = 2  # per epoch, of 40 images: 8 are left out


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vlac" / "0.pt"


def trainer(path, seed=0, spec=None, count=40, identity=IDENTITY, **training):
    images = torch.from_numpy(tiny_images(count))
    settings = TRAINING.model_copy(update=training)
    return Trainer(spec or tiny_spec(MIXED), images, settings, OBJECTIVE, seed, path, identity)


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

    def stops(*arguments, bound=loop.bound):
        nonlocal done
        if done == step:
            raise KeyboardInterrupt
        done += 1
        return bound(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "bound", stops)
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

    def watched(model, x, temperature, *rest, bound=loop.bound):
        terms = bound(model, x, temperature, *rest)
        seen.append(x)
        temperatures.append(temperature)
        weighted = terms.weighted
        terms.weighted = lambda kl_z, kl_y: weights.append((kl_z[2], kl_y)) or weighted(kl_z, kl_y)
        return terms

    monkeypatch.setattr(loop, "bound", watched)
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


def test_weights_that_became_nan_stop_it_and_leave_the_last_good_checkpoint(path, tmp_path, uninterrupted):
    one = trainer(path)
    epochs = one.epochs(checkpoint_seconds=0)
    next(epochs)
    with torch.no_grad():
        one.model.heads["3"].gaussian.weight[0, 0] = math.nan
    with pytest.raises(VlacError, match=r"NaN or infinite in epoch 2 \(elbo.*0\.pt keeps an earlier epoch"):
        next(epochs)
    again = trainer(path)
    again.resume()
    assert finish(again, tmp_path) == uninterrupted


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
    with pytest.raises(VlacError, match=rf"0\.pt holds 1 epochs trained with other {name}\. Restore those"):
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


def test_the_precision_asked_for_is_the_one_taken(path, tmp_path, uninterrupted):
    cpu = torch.device("cpu")
    assert (settle_precision(cpu, "float32"), settle_precision(cpu, "bfloat16")) == (False, True)
    weights, history = finish(trainer(path, precision="bfloat16"), tmp_path)
    assert weights != uninterrupted[0]
    assert history[-1]["elbo"] == pytest.approx(uninterrupted[1][-1]["elbo"], rel=0.01)
