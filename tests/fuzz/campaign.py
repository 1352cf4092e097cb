"""Many inputs of one kind, drawn by Hypothesis from a seed, each judged and counted."""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from .judge import Tally, judge


def campaign(kind: str, inputs: SearchStrategy[Any], work: Callable[[Any], None], count: int, number: int) -> Tally:
    """Judge `count` inputs in an empty folder; nothing stops at a failure.

    Args:
        kind: what the inputs are.
        inputs: where they are drawn from.
        work: what is done with one of them, in the working folder.
        count: how many; fewer where there are no more different ones.
        number: the seed.
    """
    tally = Tally(kind)

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def each(content: Any) -> None:
        tally.add(judge(lambda: work(content)), content)

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        each()
        left = list(Path().rglob("*SPRUNG*"))
    if left:
        tally.failures.append((f"a file was made by what stands in an input: {left}", b""))
    return tally
