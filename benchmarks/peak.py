"""What the device can do at best: FLOP/s of a matrix product, bytes per second of a copy, both by measurement."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from cases import Clock
from machine import wait_for

SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}
"""Square matrices tried, by device: the best counts."""

COPIES = {"cpu": (4, 256), "cuda": (16, 1024)}
"""MiB copied: as much as caches hold, and far more."""

SECONDS = 1.0
"""Spent on each measurement, after a warm-up."""


@dataclass(frozen=True)
class Peaks:
    """Measured peaks: FLOP/s of matrix products and bytes per second, read and written, of copies."""

    float32: float
    bfloat16: float
    copy: float
    copy_cached: float

    def product(self, bfloat16: bool) -> float:
        """Return the FLOP/s of the precision."""
        return self.bfloat16 if bfloat16 else self.float32


def measure(device: torch.device, threads: int, clock: Clock) -> Peaks:
    """Return the device's peaks; on CUDA float32 may use TensorFloat-32, as torch's convolutions do by default."""
    torch.set_num_threads(threads)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if device.type == "cuda" else before)
    float32, bfloat16 = (
        max(_product(size, dtype, device, clock) for size in SIZES[device.type])
        for dtype in (torch.float32, torch.bfloat16)
    )
    torch.set_float32_matmul_precision(before)
    cached, large = (_copy(mebibytes, device, clock) for mebibytes in COPIES[device.type])
    return Peaks(float32, bfloat16, copy=large, copy_cached=cached)


def _product(size: int, dtype: torch.dtype, device: torch.device, clock: Clock) -> float:
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)
    return 2 * size**3 / _shortest(lambda: torch.mm(one, other, out=out), device, clock)


def _copy(mebibytes: int, device: torch.device, clock: Clock) -> float:
    source = torch.ones(mebibytes * 2**18, device=device)
    target = torch.empty_like(source)
    return 2 * mebibytes * 2**20 / _shortest(lambda: target.copy_(source), device, clock)


def _shortest(call: Callable[[], object], device: torch.device, clock: Clock) -> float:
    """Return the seconds of one call, the least over repeated groups of calls: other work can only add to it."""

    def timed(calls: int) -> float:
        wait_for(device)
        started = clock()
        for _ in range(calls):
            call()
        wait_for(device)
        return (clock() - started) / calls

    timed(3)
    group = max(1, round(0.01 / timed(3)))
    end = time.monotonic() + SECONDS
    found = [timed(group)]
    while time.monotonic() < end:
        found.append(timed(group))
    return min(found)
