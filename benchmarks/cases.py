"""What the loops of one comparison share, and how they take turns."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from machine import wait_for
from torch import Tensor

from vlac.models.spec import Spec

Block = Callable[[], object]
"""Trains for one block of steps."""

Clock = Callable[[], float]
"""Tells the time in seconds, from any start."""


@dataclass(frozen=True)
class Case:
    """One training that every loop does: network, uint8 images (N, 32, 32, 3), schedule, machine and clock."""

    spec: Spec
    images: Tensor
    batch: int
    lr: float
    kl_z: str
    threads: int
    device: torch.device
    clock: Clock = time.perf_counter


def rates(case: Case, sides: dict[str, Block], rounds: int) -> dict[str, list[float]]:
    """Return each side's images per second, one figure per round.

    Within a round the sides take turns, so that a change of the machine's clock or load meets all; the first round
    warms up and does not count.
    """
    torch.set_num_threads(case.threads)
    found: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(rounds + 1):
        for name, block in sides.items():
            wait_for(case.device)
            started = case.clock()
            block()
            wait_for(case.device)
            seconds = case.clock() - started
            if turn > 0:
                found[name].append(len(case.images) / seconds)
    return found
