"""The table of what was broken and what came of it."""

import platform
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tests.faults.bench import Case


@dataclass(frozen=True)
class Result:
    """What came of a case.

    Attributes:
        faults: how many there really were; 0 if something was lost, when that is not known.
        seen: what the pipeline did or said, in a few words.
        lost: what went wrong, or "".
        seconds: how long the case took.
        skipped: why it could not be run here, or "".
    """

    case: Case
    faults: int
    seen: str
    lost: str
    seconds: float
    skipped: str = ""


def write_report(path: Path, results: list[Result], seed: int) -> None:
    """Write the counts of each kind, and a line for each case, as Markdown."""
    kinds: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        kinds[result.case.kind].append(result)
    lines = [
        f"Made by `python -m tests.faults --seed {seed}`, Python {platform.python_version()}.",
        "",
        "| Kind | Faults | Cases | With a loss | Minutes |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {kind} | {sum(each.faults for each in of)} | {len(of)} | {sum(bool(each.lost) for each in of)} "
            f"| {sum(each.seconds for each in of) / 60:.1f} |"
            for kind, of in kinds.items()
        ),
    ]
    for kind, of in kinds.items():
        lines += [
            "",
            f"## {kind.capitalize()}",
            "",
            "| Fault | Times | What the pipeline did or said |",
            "|---|---:|---|",
        ]
        lines += [f"| {each.case.name} | {each.faults} | {_cell(each)} |" for each in of]
    path.write_text("\n".join(lines) + "\n")


def _cell(result: Result) -> str:
    words = f"**LOST**: {result.lost}" if result.lost else result.seen
    if result.skipped:
        words = f"not run: {result.skipped}"
    return " ".join(words.split()).replace("|", "\\|")[:300]
