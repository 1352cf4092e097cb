"""The cases of kind store."""

from collections.abc import Iterator

from tests.faults.bench import Bench, Case


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield them."""
    yield from ()
