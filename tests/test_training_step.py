"""The update that keeps everything on the device, against a plain loop that keeps its numbers in Python."""

import pytest
import torch
from tiny import MIXED, OBJECTIVE, STEPS, TRAINING, tiny_images, tiny_spec
from tiny import tiny_trainer as trainer

from vlac.models import Ladder
from vlac.models.ladder import to_input
from vlac.models.objective import bound
from vlac.training.loop import NOISE

EPOCHS, BATCH = TRAINING.epochs, TRAINING.batch


def plain_loop(seed: int) -> tuple[Ladder, list[dict[str, float]]]:
    """Train as `Trainer` is meant to, written out: schedules worked out on the spot, unfused Adam, `.item()` sums."""
    torch.manual_seed(seed)
    model = Ladder(tiny_spec(MIXED)).train()
    generator = torch.Generator().manual_seed(seed ^ NOISE)
    groups = [
        {"params": [p for name, p in model.named_parameters() if name.startswith("priors.") == prior], "lr": lr}
        for prior, lr in ((False, TRAINING.lr), (True, TRAINING.lr_prior))
    ]
    optimiser = torch.optim.Adam(groups, fused=False, foreach=False)
    images, rows = torch.from_numpy(tiny_images(40)), []
    for epoch in range(EPOCHS):
        order = torch.randperm(40, generator=generator)
        sums = {"elbo": 0.0, "kl_z_1": 0.0, "kl_y_3": 0.0, "clusters": set()}
        for update in range(STEPS):
            done = (epoch * STEPS + update) / (EPOCHS * STEPS)
            temperature, weight = 1 - 0.5 * done, min(1.0, done / 0.5)
            x = to_input(images[order[update * BATCH : (update + 1) * BATCH]])
            terms = bound(model, x, temperature, OBJECTIVE.kl_z, generator)
            loss = -(terms.log_likelihood - weight * sum(terms.kl_z.values()) - weight * sum(terms.kl_y.values()))
            optimiser.zero_grad()
            loss.mean().backward()
            optimiser.step()
            sums["elbo"] += terms.elbo.sum().item()
            sums["kl_z_1"] += terms.kl_z[1].sum().item()
            sums["kl_y_3"] += terms.kl_y[3].sum().item()
            sums["clusters"] |= set(terms.posteriors[3].log_q.argmax(1).tolist())
        rows.append({name: total / 32 for name, total in sums.items() if name != "clusters"})
        rows[-1] |= {"clusters_in_use_3": len(sums["clusters"]), "temperature": temperature}
    return model, rows


def test_it_trains_as_a_plain_loop_does(tmp_path):
    model, rows = plain_loop(seed=3)
    ours = trainer(tmp_path / "3.pt", seed=3)
    history = [row for row, _ in ours.epochs()]
    for row, truth in zip(history, rows, strict=True):
        assert {name: row[name] for name in truth} == pytest.approx(truth, rel=1e-4)
    start = Ladder(tiny_spec(MIXED)).state_dict()
    state = ours.model.state_dict()
    for name, truth in model.state_dict().items():
        torch.testing.assert_close(state[name], truth, rtol=1e-3, atol=2e-4, msg=name)
    assert not torch.allclose(state["render.output.weight"], start["render.output.weight"], rtol=1e-2)


def test_every_update_is_the_same_work_on_the_same_tensors(tmp_path):
    one = trainer(tmp_path / "0.pt")
    kept = [one.step.order, one.step.schedule, one.step.update, *one.step.record.tensors(), *one.model.parameters()]
    places = [tensor.data_ptr() for tensor in kept]
    list(one.epochs())
    now = [one.step.order, one.step.schedule, one.step.update, *one.step.record.tensors(), *one.model.parameters()]
    assert [tensor.data_ptr() for tensor in now] == places
