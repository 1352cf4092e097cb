"""The training loop: against a plain loop, resumed, scheduled, and what it refuses."""

import math
import subprocess
import sys

import pytest
import torch
from tiny import IDENTITY, STEPS, bound_of, tiny_images, tiny_job, tiny_method, tiny_params

from vlac.errors import DivergedError, VlacError
from vlac.models.ladder import Ladder, to_input
from vlac.models.load import save_method
from vlac.models.method import LadderMethod
from vlac.training import captured, epochs, trainer
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import Device, settle_device
from vlac.training.trainer import NOISE

IMAGES = tiny_images(40)


@pytest.fixture(autouse=True)
def _checkpoint_after_every_epoch(monkeypatch):
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vlac" / "0.pt"


PROGRESSIVE = {"enter": [1, 1, 0, 0], "fade": 3}
"""Rungs 1 and 2 enter after the first epoch, and are complete in mid-epoch of the third."""


def fit(path, seed=0, images=IMAGES, scale=1.0, identity=IDENTITY, told=None, progressive=False, **training):
    """Train a tiny VLAC; return it and its rows. `told` hears of the method and of each row."""
    params = tiny_params(scale, **training)
    if progressive:
        mixture = {"q_y": "distilled", "covariance": "full", "start": ["kmeans", "kmeans", "directions", "kmeans"]}
        changes = {"objective": PROGRESSIVE, "mixture": mixture}
        parts = {name: getattr(params, name).model_copy(update=values) for name, values in changes.items()}
        params = params.model_copy(update=parts)
    method = tiny_method("vlac", params)
    job = tiny_job(path, identity, **({"epoch": lambda row: told(method, row)} if told else {}))
    return method, method.fit(images, seed, job)


def finish(path, **arguments):
    """Train to the end; return the bytes of the weights' file and the rows."""
    method, rows = fit(path, **arguments)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    save_method(path.with_suffix(".model"), method)
    return path.with_suffix(".model").read_bytes(), rows


def stop_after(epoch):
    def told(method, row):
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return told


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """What `finish` returns, by whether rungs enter one after the other."""
    return [finish(tmp_path_factory.mktemp("whole") / "0.pt", progressive=each) for each in (False, True)]


def test_it_trains_as_a_plain_loop_does(path):
    """Schedules worked out on the spot, unfused Adam, `.item()` sums."""
    params = tiny_params()
    torch.manual_seed(3)
    model = Ladder(tiny_method("vlac", params).spec()).train()
    generator = torch.Generator().manual_seed(3 ^ NOISE)
    groups = [
        {"params": [p for name, p in model.named_parameters() if name.startswith("priors.") == prior], "lr": lr}
        for prior, lr in ((False, params.training.lr), (True, params.training.lr_prior))
    ]
    optimiser = torch.optim.Adam(groups, fused=False, foreach=False)
    images, truth = torch.from_numpy(IMAGES), []
    for epoch in range(3):
        order = torch.randperm(40, generator=generator)
        sums = {"elbo": 0.0, "kl_z_1": 0.0, "kl_y_3": 0.0}
        clusters = set()
        for update in range(STEPS):
            done = (epoch * STEPS + update) / (3 * STEPS)
            temperature, weight = 1 - 0.5 * done, min(1.0, (epoch * STEPS + update + 1) / 3)
            x = to_input(images[order[update * 16 : (update + 1) * 16]])
            terms = bound_of(model, x, temperature, "sampled", generator)
            loss = -(terms.log_likelihood - weight * sum(terms.kl_z.values()) - weight * sum(terms.kl_y.values()))
            optimiser.zero_grad()
            loss.mean().backward()
            optimiser.step()
            for name, term in (("elbo", terms.elbo), ("kl_z_1", terms.kl_z[1]), ("kl_y_3", terms.kl_y[3])):
                sums[name] += term.sum().item() / 32
            clusters |= set(terms.posteriors[3].log_q.argmax(1).tolist())
        truth.append(sums | {"clusters_in_use_3": len(clusters), "temperature": temperature})
    method, rows = fit(path, seed=3)
    for row, expected in zip(rows, truth, strict=True):
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-4)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(method.model.state_dict()[name], value, rtol=1e-3, atol=2e-4, msg=name)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("update", [1, STEPS, 3 * STEPS - 1])
def test_stopped_in_mid_epoch_it_resumes_after_the_last_complete_one(
    update, progressive, uninterrupted, path, monkeypatch
):
    """Also where rungs enter one after the other: before one does, and while it is being faded in."""
    assert [row["kl_z_2"] > 0 for row in uninterrupted[progressive][1]] == [not progressive, True, True]
    calls, loss = [], LadderMethod.loss

    def stops(*arguments):
        calls.append(1)
        if len(calls) > update:
            raise KeyboardInterrupt
        return loss(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LadderMethod, "loss", stops)
        with pytest.raises(KeyboardInterrupt):
            fit(path, progressive=progressive)
    assert (Checkpoint.load(path, IDENTITY).epoch if path.exists() else 0) == update // STEPS
    assert finish(path, progressive=progressive) == uninterrupted[progressive]


def test_a_mixture_starts_an_epoch_after_its_rung_enters(path, monkeypatch):
    started = []

    def told(model, rung, images, fade, by, seed):
        started.append((rung, by, sum(each == "epoch" for each in started)))

    monkeypatch.setattr(trainer, "start_mixture", told)
    fit(path, progressive=True, told=lambda method, row: started.append("epoch"))
    assert started == ["epoch", (3, "directions", 1), "epoch", (2, "kmeans", 2), "epoch"]


def test_checkpoints_are_not_written_more_often_than_asked(path, monkeypatch):
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 1000.0)
    exists = []
    fit(path, told=lambda method, row: exists.append(path.exists()))
    assert exists == [False, False, True]


def test_weights_that_became_nan_stop_it_and_leave_the_last_good_checkpoint(path):
    def spoil(method, row):
        with torch.no_grad():
            method.model.heads["3"].gaussian.weight[0, 0] = math.nan

    with pytest.raises(DivergedError, match=r"NaN or infinite in epoch 2 \(elbo.*0\.pt keeps an earlier epoch"):
        fit(path, told=spoil)
    checkpoint = Checkpoint.load(path, IDENTITY)
    assert checkpoint.epoch == 1
    assert all(torch.isfinite(value).all() for value in checkpoint.model.values())


def test_two_trainings_that_take_turns_at_one_path_both_resume(path):
    for epoch in (1, 2):
        for code in ("one", "other"):
            with pytest.raises(KeyboardInterrupt):
                fit(path, identity=IDENTITY | {"code": code}, told=stop_after(epoch))
    assert len(list(path.parent.glob("*.pt"))) == 2
    heard = []
    fit(path, identity=IDENTITY | {"code": "one"}, told=lambda method, row: heard.append(row["epoch"]))
    assert heard == [3]


def test_an_interruption_keeps_the_last_epoch_however_short(path, monkeypatch):
    monkeypatch.setattr(epochs, "CHECKPOINT_SECONDS", 1e9)
    with pytest.raises(KeyboardInterrupt):
        fit(path, told=stop_after(2))
    assert Checkpoint.load(path, IDENTITY).epoch == 2


def test_a_damaged_checkpoint_is_refused(path):
    with pytest.raises(KeyboardInterrupt):
        fit(path, told=stop_after(1))
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[content.index(Checkpoint.load(path, IDENTITY).generator.numpy().tobytes()) + 999] ^= 1
    for damaged in (b"", content[: len(content) // 2], bytes(flipped)):
        path.write_bytes(damaged)
        with pytest.raises(VlacError, match=r"0\.pt is damaged\. Delete it"):
            fit(path)


def test_a_batch_larger_than_the_data_is_refused(path):
    with pytest.raises(VlacError, match=r"training\.batch is 16, but there are only 15 training images"):
        fit(path, images=IMAGES[:15])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_cuda_is_refused_and_auto_is_the_cpu():
    with pytest.raises(VlacError, match="cuda, but torch sees no CUDA device"):
        settle_device("cuda", 1)
    assert settle_device("auto", 1) == torch.device("cpu")


MEMORY = """
import torch
from vlac.training.device import keep_freed_memory

def used():  # MiB of this process
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20

keep_freed_memory()
large, above = torch.ones(2**24), torch.ones(1000)
with_large = used()
del large
without = used()
small = [torch.ones(2**18) for _ in range(64)]
with_small = used()
del small
print(with_large - without, with_small - used())
"""


def test_memory_that_is_freed_is_kept_but_for_large_blocks():
    ran = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    gone = list(map(int, ran.stdout.split()))
    assert gone == pytest.approx([64, 0], abs=4), "64 MiB in one block go back to the system, in 64 blocks they stay"


@pytest.mark.parametrize("progressive", [False, True])
def test_updates_that_read_order_and_settings_from_the_device_are_the_same(
    path, uninterrupted, monkeypatch, progressive
):
    """What a CUDA graph replays, one kernel at a time on the CPU."""
    _, rows = uninterrupted[progressive]
    monkeypatch.setattr(Device, "graphs", True)
    monkeypatch.setattr(captured, "WARM_UP", 10**9)
    with pytest.raises(KeyboardInterrupt):
        fit(path, progressive=progressive, told=stop_after(2))
    _, found = finish(path, progressive=progressive)  # resumed
    assert found == [pytest.approx(row, rel=1e-4, abs=1e-5) for row in rows]


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ["vlac", "gmdgm", "vlac_plus"])
def test_a_captured_update_is_the_update(tmp_path, monkeypatch, kind):
    """Two trainings of one seed, with and without CUDA graphs; rungs 1 and 2 enter and are complete on the way."""
    objective = tiny_params().objective.model_copy(update=PROGRESSIVE | {"fade": 30})  # in the graph, not before it
    params = tiny_params(device="cuda", precision="float32", epochs=5).model_copy(update={"objective": objective})
    histories = []
    for warm_up in (captured.WARM_UP, 10**9):
        monkeypatch.setattr(captured, "WARM_UP", warm_up)
        method = tiny_method(kind, params)
        histories.append(method.fit(tiny_images(400), 0, tiny_job(tmp_path / f"{warm_up}.pt")))
    assert histories[0] == [pytest.approx(row, rel=1e-2, abs=1e-2) for row in histories[1]]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_gpu_trains_as_the_cpu_does(path, tmp_path, precision):
    _, truth = fit(tmp_path / "cpu.pt", precision=precision)
    method, rows = fit(path, device="cuda", precision=precision)
    assert rows[0]["log_likelihood"] == pytest.approx(truth[0]["log_likelihood"], rel=0.1)  # other noise
    assert method.encode(IMAGES).mean[3].shape == (40, 2)
