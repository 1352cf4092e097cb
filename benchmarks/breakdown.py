"""Where a block's time goes, by kind of operator, from torch's profiler."""

import time
from dataclasses import dataclass
from typing import Any

import torch
from cases import Block
from count import Cost
from kinds import REST, kind
from machine import wait_for
from peak import Peaks
from torch.profiler import ProfilerActivity, profile

MICRO = 1e-6


def seconds_by_kind(block: Block, device: torch.device) -> dict[str, float]:
    """Return the seconds of a block by kind of operator; they add up to its whole time.

    The rest is time in no operator: Python, autograd and dispatch; on CUDA, where the time of kernels is taken, time in
    which none runs. The profiler itself adds some microseconds to every operator.
    """
    cuda = device.type == "cuda"
    block()
    wait_for(device)
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=activities) as profiler:
        started = time.perf_counter()
        block()
        wait_for(device)
        whole = time.perf_counter() - started
    found: dict[str, float] = {}
    for event in profiler.events() or ():
        owner = _kind(event)
        if event.device_type.name == "CPU" and owner:
            spent = event.self_device_time_total if cuda else event.self_cpu_time_total
            found[owner] = found.get(owner, 0.0) + spent * MICRO
    return found | {REST: max(0.0, whole - sum(found.values()))}


def _kind(event: Any) -> str | None:
    """Return the kind of an event, or of the nearest caller that has one."""
    while event is not None:
        found = kind(event.name)
        if found:
            return found
        event = event.cpu_parent
    return None


@dataclass(frozen=True)
class Part:
    """One kind's share of a step, against what the device could do at best."""

    seconds: float
    cost: Cost
    peaks: Peaks
    bfloat16: bool

    @property
    def at_best(self) -> float:
        """Seconds at the peak of products or the speed of a large copy, whichever are more; caches can beat it."""
        return max(self._arithmetic, self._memory)

    @property
    def bound(self) -> str:
        """What bounds the part at best: arithmetic intensity above or below the device's."""
        if not self.at_best:
            return "overhead"
        return "compute" if self._arithmetic > self._memory else "memory"

    @property
    def _arithmetic(self) -> float:
        return self.cost.flops / self.peaks.product(self.bfloat16)

    @property
    def _memory(self) -> float:
        return self.cost.bytes / self.peaks.copy
