"""The machine that the figures are measured on, and what it can do at best; what a training needs of it."""

import os
import platform
import re
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}
"""Square matrices tried for the peak, by device: the best counts."""


def machine(device: torch.device) -> str:
    """Return one line on what the figures were measured on."""
    try:
        cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        cpu = None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    native = {"AVX-512": torch.cpu._is_avx512_bf16_supported(), "AMX": torch.cpu._is_amx_tile_supported()}
    bfloat16 = " and ".join(name for name, has in native.items() if has) or "no instructions"
    parts = [cpu[1] if cpu else platform.processor() or platform.machine(), f"{cores} cores"]
    parts += [f"CPU bfloat16: {bfloat16}", f"torch {torch.__version__}", f"Python {platform.python_version()}"]
    return ", ".join([torch.cuda.get_device_name(), *parts] if device.type == "cuda" else parts)


def wait_for(device: torch.device) -> None:
    """Return when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize()


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
