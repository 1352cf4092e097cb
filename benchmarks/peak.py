"""What the device can do at best: FLOP/s of a matrix product, measured. What a training needs: its FLOP, counted."""

import time
from collections.abc import Callable

import torch
from machine import wait_for
from torch.utils.flop_counter import FlopCounterMode

SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}
"""Square matrices tried, by device: the best counts."""


def peak(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Return FLOP/s of the best matrix product, each size tried for so many seconds.

    On CUDA float32 may use TensorFloat-32, as torch's convolutions do by default.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if device.type == "cuda" else before)
    found = max(_product(size, dtype, device, seconds) for size in SIZES[device.type])
    torch.set_float32_matmul_precision(before)
    return found


def _product(size: int, dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Return the FLOP/s of the fastest of many groups of calls: other work can only slow them."""
    one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(one)

    def timed(calls: int) -> float:
        wait_for(device)
        started = time.perf_counter()
        for _ in range(calls):
            torch.mm(one, other, out=out)
        wait_for(device)
        return (time.perf_counter() - started) / calls

    timed(3)
    calls = max(1, round(0.01 / timed(3)))
    end = time.monotonic() + seconds
    found = [timed(calls)]
    while time.monotonic() < end:
        found.append(timed(calls))
    return 2 * size**3 / min(found)


def flops(block: Callable[[], object]) -> int:
    """Return the FLOP of a block: convolutions and matrix products of both passes, two per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        block()
    return counter.get_total_flops()
