"""What an epoch leaves behind, and what changes over training, against numbers worked out by hand."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import lively_ladder, tiny_params, tiny_spec

from vlac.models.objective import Bound
from vlac.training.progress import summary
from vlac.training.schedule import Schedule
from vlac.training.trainer import EpochRecord

CHANGES = {"kl_z_weight": [1.0, 2.0, 0.5, 0.0], "kl_y_weight": 4.0, "enter": [7, 5, 2, 1], "fade": 4}
CHANGES |= {"temperature_start": 1.0, "temperature_end": 0.4, "temperature_until": 0.75}
OBJECTIVE = tiny_params().objective.model_copy(update=CHANGES)


@pytest.mark.parametrize(
    ("update", "temperature", "grown"),
    [
        (0, 1.0, [0, 0, 0, 0.25]),
        (9, 0.94, [0, 0, 0, 1]),
        (11, 0.6 / 90 * 79 + 0.4, [0, 0, 0.5, 1]),  # rung 3 enters one epoch of ten updates after rung 4
        (41, 0.6 / 90 * 49 + 0.4, [0, 0.5, 1, 1]),
        (63, 0.58, [1, 1, 1, 1]),
        (119, 0.4, [1, 1, 1, 1]),
    ],
)
def test_schedules_by_hand(update, temperature, grown):
    """12 epochs of 10 updates; epochs count from the entry of rung 4, the first."""
    at = Schedule(OBJECTIVE, (1, 2, 3, 4), updates=10, epochs=12).at(update)
    assert at.temperature == pytest.approx(temperature)
    one, two, three, _ = grown
    assert at.kl_z == pytest.approx({1: one, 2: 2 * two, 3: 0.5 * three, 4: 0.0})
    assert at.kl_y == pytest.approx({rung: 4 * share for rung, share in enumerate(grown, start=1)})
    assert at.fade == {1: one, 2: two, 3: three, 4: 1.0}  # there is no picture without the rung that comes first


def test_a_rung_alone_enters_at_once():
    schedule = Schedule(OBJECTIVE, (2,), updates=10, epochs=12)
    assert (schedule.enter, schedule.at(0).fade) == ({2: 0}, {2: 1.0})


def batch(q, log_likelihood):
    """A bound over images with the given q(y_3 given x), (B, 4), and made-up divergences."""
    q, ones = torch.tensor(q), torch.ones(len(q))
    kl_y = math.log(4) + (q * q.clamp_min(1e-30).log()).sum(1)
    posteriors = {3: SimpleNamespace(q=q)}
    return Bound(torch.tensor(log_likelihood), {2: 2 * ones, 3: 3 * ones}, {3: kl_y}, posteriors)


def test_a_row_by_hand():
    model = lively_ladder(tiny_spec({2: 1, 3: 4}))
    record = EpochRecord(model, torch.device("cpu"))
    first, second = [[0.7, 0.3, 0, 0], [0, 1.0, 0, 0]], [[0.1, 0.9, 0, 0]]
    record.add(batch(first, [-10.0, -20.0]))
    record.add(batch(second, [-60.0]))
    row = record.row()
    q = np.array(first + second)
    entropies = [-(p[p > 0] * np.log(p[p > 0])).sum() for p in q]
    mean_q = q.mean(0)[:2]
    assert row == {
        "elbo": pytest.approx(-30 - 2 - 3 - (math.log(4) - np.mean(entropies)), rel=1e-5),
        "log_likelihood": pytest.approx(-30),
        "kl_z_2": pytest.approx(2),
        "kl_z_3": pytest.approx(3),
        "kl_y_3": pytest.approx(math.log(4) - np.mean(entropies), rel=1e-5),
        "clusters_in_use_3": 2,
        "entropy_mean_q_3": pytest.approx(-(mean_q * np.log(mean_q)).sum(), rel=1e-5),
        "mean_entropy_q_3": pytest.approx(np.mean(entropies), rel=1e-4),
        "separation_3": pytest.approx(model.prior(3).separation().item()),
    }
    assert summary(row).startswith("elbo -36.1  log p(x|z) -30.0  KL_z 2.0 3.0  y_3: KL 1.07, in use 2, H(mean q) 0.58")
    assert summary({"epoch": 3, "loss": 0.25, "changed": 0.01}) == "loss 0.250  changed 0.010"
