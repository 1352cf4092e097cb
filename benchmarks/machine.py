"""The machine that the figures are measured on, and waiting for its accelerator."""

import os
import platform
import re
from pathlib import Path

import torch


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
