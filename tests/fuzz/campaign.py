"""Many inputs of one kind, drawn by Hypothesis from a seed, each judged and counted."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from .judge import NOTES, Failure, Tally, judge
from .words import SPRUNG


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
    NOTES.clear()

    def watched(content: Any) -> None:
        try:
            work(content)
        finally:
            refuse_sprung(Path())

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
        tally.add(judge(lambda: watched(content)), content)

    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        each()
    tally.notes.update(NOTES)
    return tally


def refuse_sprung(folder: Path) -> None:
    """Delete what a sprung trap has made in a folder.

    Raises:
        Failure: there was something.
    """
    left = list(folder.rglob(f"*{SPRUNG}*"))
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if left:
        raise Failure(f"a file was made by what stands in the input: {', '.join(map(str, left))}")
