"""The cases of kind damage: files truncated, emptied, deleted, or with a bit flipped, in a project that was whole.

What the engine does about it by itself is left to it; else it has to refuse with a sentence, and the commands of that
sentence are run as they are printed, and then the same command again.
"""

import math
from collections.abc import Iterator

from tests.faults import beside, declared
from tests.faults.bench import Bench, Case


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield the cases, the cheapest of each sort first."""
    every = [
        declared.declared("snakemake", declared.FINISHED[0]),
        beside.unreadable_store("truncated"),
        beside.copies(),
        beside.parameters("snakemake"),
        beside.parameters("dvc"),
        declared.without_engine(),
        declared.rotten(),
        declared.raw(),
        *(beside.lock(how) for how in ("truncated", "a bit flipped", "emptied", "deleted")),
        beside.metadata(),
        beside.unreadable_store("a bit flipped"),
        beside.new_store("emptied"),
        beside.new_store("deleted"),
        *(declared.declared("dvc", faults) for faults in declared.FINISHED),
        *(declared.declared("snakemake", faults) for faults in declared.FINISHED[1:]),
        *(beside.checkpoint(how) for how in ("truncated", "a bit flipped", "emptied")),
        *(beside.pretext(how) for how in ("truncated", "a bit flipped", "emptied", "deleted")),
    ]
    yield from every[: math.ceil(share * len(every))]
