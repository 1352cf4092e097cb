"""How a file is damaged: truncated, emptied, deleted, or with a bit flipped."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults.bench import Bench, Case
from tests.faults.checkout import Checkout

LADDER, PLUS = "vlac_2layer/0-1", "vlac_2layer_plus/0-1"
"""Jobs of the two models, as their folders are named."""


@dataclass(frozen=True)
class Fault:
    """One file, relative to the checkout, and what is done to it."""

    how: str
    path: str

    def strike(self, checkout: Checkout, random: Random) -> None:
        """Do it."""
        path = checkout.folder / self.path
        if self.how == "deleted":
            return path.unlink()
        content = bytearray(path.read_bytes())
        if self.how == "a bit flipped":
            content[random.randrange(len(content) // 4, len(content) * 3 // 4)] ^= 1 << random.randrange(8)
        else:
            del content[len(content) * 2 // 3 if self.how == "truncated" else 0 :]
        path.write_bytes(content)

    def __str__(self) -> str:
        return f"{self.path} {self.how}"


FIGURE = Fault("deleted", f"reports/figures/{LADDER}/nearest.png")
"""Gives the engine something to run."""


def damage_case(name: str, faults: tuple[Fault, ...], run: Callable[[Bench, Random], str]) -> Case:
    words = f"{name}: {', '.join(map(str, faults))}"
    return Case("damage", words, len(faults), lambda bench: run(bench, bench.random(words)))


def strike(checkout: Checkout, faults: tuple[Fault, ...], random: Random) -> None:
    for fault in faults:
        fault.strike(checkout, random)


class TimesKept:
    """Give a file its former time at the end of a `with` block."""

    def __init__(self, checkout: Checkout, fault: Fault) -> None:
        self.path = checkout.folder / fault.path

    def __enter__(self) -> None:
        self.time = self.path.stat().st_mtime_ns

    def __exit__(self, *_: object) -> None:
        os.utime(self.path, ns=(self.time, self.time))
