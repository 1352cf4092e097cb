"""The allocator's settings, in processes of their own, because nothing takes them back."""

import platform
import subprocess
import sys

import pytest

COUNT_FAULTS = """
import resource, threading
import torch
from vlac.training.allocator import keep_freed_memory
{setting}
def fill():
    for _ in range(6):  # as in a step: freed in the order of making
        a, b = torch.ones(10 << 20), torch.ones(3 << 20)
        del a, b
def count():
    for _ in range(4):  # the heap takes a few rounds to reach the size that it keeps
        fill()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    fill()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
thread = threading.Thread(target=count)
thread.start()
thread.join()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")
def test_freed_memory_is_taken_again_without_asking_the_system():
    faults = {}
    for setting in ("", "assert keep_freed_memory()"):
        command = [sys.executable, "-c", COUNT_FAULTS.format(setting=setting)]
        faults[setting] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert faults["assert keep_freed_memory()"] < 100
    assert faults[""] > 10 * max(1, faults["assert keep_freed_memory()"])
