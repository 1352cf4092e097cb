"""Waiting for processes, holding them still and ending them, none of it without end."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

PATIENCE = 600
"""Seconds after which a command counts as hanging."""


def gone(process: psutil.Process) -> bool:
    """Return whether a process has ended, also where its parent has not asked how."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_for(what: Callable[[], Any], seconds: float = PATIENCE, pause: float = 0.02) -> Any:
    """Return the first true value that `what()` gives.

    Raises:
        AssertionError: there was none for so long.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := what():
            return value
        time.sleep(pause)
    raise AssertionError(f"waited {seconds} seconds in vain")


def to_its_end(process: "subprocess.Popen[str]") -> str:
    """Wait until a process ends and return what it said.

    Raises:
        AssertionError: it hangs, or shows a traceback.
    """
    try:
        said, _ = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        kill_group(process)
        raise AssertionError(f"{process.args!r} hung for {PATIENCE} seconds") from None
    assert "Traceback (most recent call last)" not in said, said
    return said


def kill_group(process: "subprocess.Popen[str]") -> None:
    """Kill every process of the group, if any is left, and wait for the leader to end."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)
    if process.stdout:
        process.stdout.close()


@contextmanager
def held(process: "subprocess.Popen[str]", when: Callable[[], object]) -> Iterator[None]:
    """Hold a process and its group still for the length of a `with` block, from a moment at which `when()` is true.

    Raises:
        AssertionError: it ended before, or the moment did not come.
    """

    def still() -> bool:
        assert process.poll() is None, "it ended before it could be disturbed"
        if not when():
            return False
        os.killpg(process.pid, signal.SIGSTOP)
        wait_for(lambda: set(_living(process)) <= {psutil.STATUS_STOPPED}, pause=0.001)
        if process.poll() is None and when():  # still, now that nothing moves
            return True
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
        return False

    try:
        wait_for(still, pause=0.001)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)


def _living(leader: "subprocess.Popen[str]") -> Iterator[str]:
    """Yield the states of the processes of a group that have not ended."""
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == leader.pid and (status := process.status()) != psutil.STATUS_ZOMBIE:
                yield status
