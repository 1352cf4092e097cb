"""One network on one device: its count, and the speed of every loop on it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from cases import Block, Case, Clock, rates
from count import Cost, count, parameter_bytes, saved_bytes, total
from peak import Peaks
from plain_loop import Recipe, plain
from shipped_loop import operator_by_operator, shipped
from unit import Preset, noise_case

from vlac.models.spec import Spec
from vlac.training.device import settle_precision

STEPS = {"cpu": {"svhn_small": 16, "svhn_paper": 2}, "cuda": {"svhn_small": 200, "svhn_paper": 100}}
"""Steps of a block, by device and preset: seconds."""


@dataclass(frozen=True)
class Bench:
    """What every part of the run shares."""

    device: torch.device
    threads: int
    rounds: int
    peaks: Peaks
    clock: Clock

    @property
    def bfloat16(self) -> bool:
        """Whether ours runs in bfloat16."""
        return settle_precision(self.device, "auto")

    def case(self, preset: Preset, spec: Spec, steps: int) -> Case:
        """Return a training of so many steps a block, on what all parts share."""
        return noise_case(preset, spec, steps, self.threads, self.device, self.clock)


@dataclass(frozen=True)
class Measured:
    """One network's count and speeds."""

    case: Case
    costs: dict[str, Cost]
    parameters: int
    saved: int
    speeds: dict[str, list[float]]

    @property
    def flops_per_image(self) -> float:
        """Of convolutions and matrix products, forward and backward."""
        return total(self.costs.values()).flops / self.case.batch

    def rate(self, side: str) -> float:
        """Return the median of the side's images per second."""
        return statistics.median(self.speeds[side])

    def reached(self, side: str, peaks: Peaks, bfloat16: bool) -> float:
        """Return the fraction of the peak of the side's precision."""
        return self.rate(side) * self.flops_per_image / peaks.product(bfloat16 and side == "ours")


def measured(bench: Bench, name: str, preset: Preset, spec: Spec, sides: Sequence[str]) -> Measured:
    """Count one step of ours, and let the sides take turns."""
    step, model = operator_by_operator(bench.case(preset, spec, 1))
    costs = count(step)
    saved = saved_bytes(step, model)
    case = bench.case(preset, spec, STEPS[bench.device.type][name])
    blocks = {side: _loop(side, case) for side in sides}
    return Measured(case, costs, parameter_bytes(model), saved, rates(case, blocks, bench.rounds))


def _loop(side: str, case: Case) -> Block:
    if side == "pythae":
        from pythae_loop import pythae  # an optional package

        return pythae(case)
    return shipped(case)[0] if side == "ours" else plain(case, Recipe())
