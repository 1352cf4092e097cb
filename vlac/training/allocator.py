"""Settings of glibc's memory allocator that suit training: what a step frees, the next one takes again."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
"""The numbers of mallopt's settings, from glibc's malloc.h."""

SETTINGS = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_ARENA_MAX: 1}


def keep_freed_memory() -> bool:
    """Have this process keep the memory that it frees, in one heap for all threads; call before threads are started.

    Otherwise activations go back to the system after every step, which hands out pages of zeros for the next one.
    Nothing but speed changes (docs/speed.md has the figures).

    Returns:
        Whether the allocator takes such settings, as glibc's does.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(setting, value) for setting, value in SETTINGS.items())
