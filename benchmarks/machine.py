"""The machine that the figures are measured on, and what it can do at best; what a training needs of it."""

import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

SIZES = {"cpu": (256, 512, 1024), "cuda": (2048, 4096, 8192)}
"""Square matrices tried for the peak, by device: the best counts."""


def machine(device: torch.device) -> str:
    """Return one line on what the figures were measured on."""
    info = Path("/proc/cpuinfo")
    cpu = re.search(r"^model name\s*:\s*(.+)$", info.read_text() if info.exists() else "", re.MULTILINE)
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
    found = []
    for size in SIZES[device.type]:
        one, other, out = (torch.randn(size, size, device=device).to(dtype) for _ in range(3))
        names = {"torch": torch, "one": one, "other": other, "out": out}
        timer = Timer("torch.mm(one, other, out=out)", globals=names, num_threads=torch.get_num_threads())
        # Of many groups of calls the fastest: other work can only slow them.
        found.append(2 * size**3 / min(timer.blocked_autorange(min_run_time=seconds).times))
    torch.set_float32_matmul_precision(before)
    return max(found)


def flops(block: Callable[[], object]) -> int:
    """Return the FLOP of a block: convolutions and matrix products of both passes, two per multiply-add."""
    with FlopCounterMode(display=False) as counter:
        block()
    return counter.get_total_flops()
