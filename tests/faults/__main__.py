"""Break the pipeline on purpose, as a seed decides: python -m tests.faults [--seed N] [--share S] [--only KIND,...].

Every case runs in a copy of a finished project of its own, and ends with every output compared with the undisturbed
run's. Prints counts as Markdown; exits with 1 if anything was lost.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.faults.cases import KINDS, Case, NotRun
from tests.faults.copies import Base, seeded


@dataclass
class Outcome:
    """What became of a case."""

    kind: str
    name: str
    faults: int = 0
    lost: str = ""
    skipped: str = ""


def main() -> int:
    """Return 0 if nothing was lost, else 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each kind, 0 to 1")
    parser.add_argument("--only", default=",".join(KINDS), help=f"kinds: {','.join(KINDS)}")
    parser.add_argument("--folder", type=Path, help="a new folder for the copies; a temporary one by default")
    parser.add_argument("--jobs", type=int, default=2, help="cases at once")
    options = parser.parse_args()
    kinds = options.only.split(",")
    if unknown := set(kinds) - set(KINDS):
        parser.error(f"{unknown.pop()} is no kind; the kinds are {', '.join(KINDS)}")
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="vlac-faults-")) if options.folder is None else options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    base = Base.make(folder / "base")
    say(f"undisturbed run: {time.monotonic() - started:.0f} s")

    def run(number: int, kind: str, name: str, case: Case) -> Outcome:
        outcome, begun = Outcome(kind, name), time.monotonic()
        copy = base.copy(folder / f"case_{number}")
        try:
            outcome.faults = case(copy, random.Random(seeded(options.seed, kind, name)))
            copy.check()
        except NotRun as reason:
            outcome.skipped = str(reason)
        except Exception as error:  # a case that cannot be carried out proves nothing, so it counts as a loss
            outcome.lost = f"{type(error).__name__}: {error}"
        say(f"{kind}: {name}: {outcome.lost or outcome.skipped or 'right'} ({time.monotonic() - begun:.0f} s)")
        if not outcome.lost:
            shutil.rmtree(copy.folder)
        return outcome

    chosen = [(kind, *case) for kind in kinds for case in drawn(kind, options)]
    with ThreadPoolExecutor(options.jobs) as pool:
        outcomes = list(pool.map(run, *zip(*((number, *case) for number, case in enumerate(chosen)), strict=True)))
    print(f"Seed {options.seed}, share {options.share:g}, {(time.monotonic() - started) / 60:.0f} minutes:\n")
    print(table(kinds, outcomes))
    lost = [outcome for outcome in outcomes if outcome.lost]
    for outcome in lost:
        print(f"\n{outcome.kind}: {outcome.name}: {outcome.lost}")
    if options.folder is None and not lost:
        shutil.rmtree(folder)
    return 1 if lost else 0


def drawn(kind: str, options: argparse.Namespace) -> list[tuple[str, Case]]:
    """Return a share of the kind's cases, which the seed decides."""
    every = KINDS[kind]
    count = max(1, round(options.share * len(every)))
    return random.Random(seeded(options.seed, kind)).sample(every, min(count, len(every)))


def table(kinds: list[str], outcomes: list[Outcome]) -> str:
    """Return the counts of each kind as Markdown."""
    lines = ["| Kind | Cases | Faults | Cases with a loss | Not run |", "|---|---:|---:|---:|---:|"]
    for kind in kinds:
        of_it = [outcome for outcome in outcomes if outcome.kind == kind]
        lost, skipped = (sum(bool(getattr(each, what)) for each in of_it) for what in ("lost", "skipped"))
        faults = sum(each.faults for each in of_it)
        lines.append(f"| {kind} | {len(of_it) - skipped} | {faults} | {lost} | {skipped} |")
    return "\n".join(lines)


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
