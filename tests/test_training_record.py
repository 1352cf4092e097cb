"""What an epoch leaves behind, and what changes over training, against numbers worked out by hand."""

import math
import platform
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny import lively_ladder, tiny_spec

from vlac.models.objective import Bound
from vlac.params.schema import Objective
from vlac.training.progress import summary
from vlac.training.trainer import EpochRecord, weights_at

OBJECTIVE = Objective(
    kl_z="sampled",
    kl_z_weight=[1.0, 2.0, 0.5, 0.0],
    kl_y_weight=4.0,
    kl_z_warmup=0.2,
    kl_y_warmup=0.5,
    temperature_start=1.0,
    temperature_end=0.4,
    temperature_until=0.75,
)


@pytest.mark.parametrize(
    ("progress", "temperature", "kl_z", "kl_y"),
    [
        (0.0, 1.0, [0, 0, 0, 0], 0.0),
        (0.1, 0.92, [0.5, 1.0, 0.25, 0], 0.8),
        (0.375, 0.7, [1, 2, 0.5, 0], 3.0),
        (0.5, 0.6, [1, 2, 0.5, 0], 4.0),
        (0.75, 0.4, [1, 2, 0.5, 0], 4.0),
        (1.0, 0.4, [1, 2, 0.5, 0], 4.0),
    ],
)
def test_schedules_by_hand(progress, temperature, kl_z, kl_y):
    weights = weights_at(progress, OBJECTIVE)
    assert weights.temperature == pytest.approx(temperature)
    assert list(weights.kl_z) == [1, 2, 3, 4]
    assert list(weights.kl_z.values()) == pytest.approx(kl_z)
    assert weights.kl_y == pytest.approx(kl_y)


def test_schedules_of_no_length_are_at_their_end_from_the_start():
    at_once = OBJECTIVE.model_copy(update={"kl_z_warmup": 0.0, "kl_y_warmup": 0.0, "temperature_until": 0.0})
    assert weights_at(0.0, at_once) == weights_at(1.0, at_once) == weights_at(1.0, OBJECTIVE)


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


def test_entropies_at_their_ends():
    model = lively_ladder(tiny_spec({2: 1, 3: 4}))
    for q, in_use, of_mean, mean_of in [
        (np.eye(4), 4, math.log(4), 0.0),  # every cluster used, every image sure
        (np.eye(4)[[0] * 4], 1, 0.0, 0.0),  # collapse to one cluster
        (np.full((4, 4), 0.25), 1, math.log(4), math.log(4)),  # nothing said of any image
    ]:
        record = EpochRecord(model, torch.device("cpu"))
        record.add(batch(q.astype(np.float32), [0.0] * 4))
        row = record.row()
        assert row["clusters_in_use_3"] == in_use
        assert row["entropy_mean_q_3"] == pytest.approx(of_mean, abs=1e-5)
        assert row["mean_entropy_q_3"] == pytest.approx(mean_of, abs=1e-5)


def test_the_live_line_names_the_terms_and_the_signs_of_collapse():
    model = lively_ladder(tiny_spec({2: 1, 3: 4}))
    record = EpochRecord(model, torch.device("cpu"))
    record.add(batch([[0.7, 0.3, 0, 0]], [-10.0]))
    line = summary(record.row())
    assert line.startswith("elbo -15.8  log p(x|z) -10.0  KL_z 2.0 3.0  y_3: KL 0.78, in use 1, H(mean q) 0.61")


COUNT_FAULTS = """
import resource
import torch
from vlac.training.device import keep_freed_memory
{setting}
def fill():
    for _ in range(6):  # as in an update: freed in the order of making
        a, b = torch.ones(10 << 20), torch.ones(3 << 20)
        del a, b
for _ in range(4):  # the heap takes a few rounds to reach the size that it keeps
    fill()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
fill()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_used_again_without_asking_the_system():
    faults = []
    for setting in ("", "assert keep_freed_memory()"):  # in processes of their own, because nothing takes it back
        command = [sys.executable, "-c", COUNT_FAULTS.format(setting=setting)]
        faults.append(int(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    assert faults[1] < 100
    assert faults[0] > 10 * max(1, faults[1])
