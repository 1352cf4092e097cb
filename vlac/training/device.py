"""Where the arithmetic runs: device, precision, threads and memory, from the parameters and what the machine has."""

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from vlac.errors import VlacError
from vlac.params.schema import Training

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""The numbers of mallopt's settings, from glibc's malloc.h."""

ALLOCATOR = {M_MMAP_THRESHOLD: 2**25, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}
"""Bytes from which on a block is the system's own, the most that glibc takes; what lies free before any goes back."""


@dataclass(frozen=True)
class Device:
    """A settled choice: the torch device, and whether networks run in bfloat16."""

    torch: torch.device
    bfloat16: bool

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which networks run at the chosen precision."""
        # No weight is used twice in a pass, so the cache would save nothing.
        return torch.autocast(self.torch.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False)

    @property
    def graphs(self) -> bool:
        """Whether updates run as CUDA graphs."""
        return self.torch.type == "cuda"

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Have the GPU run what is asked for inside on a stream of its own, as a CUDA graph demands; a CPU has none."""
        if self.torch.type != "cuda":
            yield
            return
        outside, stream = torch.cuda.current_stream(), torch.cuda.Stream()
        stream.wait_stream(outside)
        try:
            with torch.cuda.stream(stream):
                yield
        finally:
            outside.wait_stream(stream)

    def __str__(self) -> str:
        return f"{self.torch.type}, {'bfloat16' if self.bfloat16 else 'float32'}"


def settle(training: Training) -> Device:
    """Pin the thread count and return the device and precision that `training` asks for."""
    device = settle_device(training.device, training.threads)
    return Device(device, settle_precision(device, training.precision))


def settle_device(device: str, threads: int) -> torch.device:
    """Pin the thread count and return the torch device for "auto", "cpu" or "cuda".

    Raises:
        VlacError: "cuda" was asked for and torch sees no such device.
    """
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    if device == "cuda" and not cuda:
        raise VlacError(
            "The device is cuda, but torch sees no CUDA device.",
            "Set training.device, or device=, to auto or cpu, or install a CUDA build of torch.",
        )
    return torch.device("cuda" if cuda and device != "cpu" else "cpu")


def device_of_codes(training: Any) -> torch.device:
    """Pin the thread count and return where codes are computed: on the CPU where a stage may not read the device."""
    return settle_device(getattr(training, "device", "cpu"), training.threads)


def settle_precision(device: torch.device, precision: str) -> bool:
    """Return whether to train in bfloat16; "auto" does so where the hardware multiplies it natively."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without these instructions bfloat16 on a CPU is emulated, and slower than float32.
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def keep_freed_memory() -> None:
    """Have this process keep the memory that it frees, in one heap for all threads.

    Otherwise activations go back to the system after every update, which hands out pages of zeros for the next one.
    Nothing but speed changes (docs/speed.md). Larger blocks go back all the same: small ones would settle in the gaps
    that they leave, and the heap grow by a block each time. An allocator other than glibc's may not take such settings.
    """
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for setting, value in ALLOCATOR.items():
            mallopt(setting, value)
