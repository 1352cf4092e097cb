"""Break the pipeline on purpose, many times, and count: `python -m tests.faults`.

Every case runs the real pipeline on embedded data by the real engines, breaks it, gives the same command again (and
what an error sentence asks for, nothing else), and compares every declared output with an undisturbed run.
"""

import argparse
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults import damage, disk, kills, races, store
from tests.faults.bench import Bench, Case, Skipped
from tests.faults.report import Result, write_report

KINDS: dict[str, Callable[[Bench, float], Iterator[Case]]] = {
    "kills": kills.cases,
    "races": races.cases,
    "disk": disk.cases,
    "store": store.cases,
    "damage": damage.cases,
}
"""What yields the cases of each kind, given the bench and the share of them that is asked for (1 = all)."""


def main() -> int:
    """Run the cases asked for; return 1 if anything was lost."""
    options = _parser().parse_args()
    # A shell makes what it runs in the background deaf to Ctrl-C, and so would be all that is started here.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="vlac-faults-") as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(folder.resolve(), options.seed)
        results = []
        for case in (case for kind in options.only.split(",") for case in KINDS[kind](bench, options.share)):
            results.append(_run(case, bench))
            if options.report:  # after each case, because all of them take hours
                write_report(options.report, results, options.seed)
    lost = [result for result in results if result.lost]
    print(f"{sum(result.faults for result in results)} faults in {len(results)} cases, {len(lost)} cases with a loss")
    return 1 if lost or all(result.skipped for result in results) else 0


def _run(case: Case, bench: Bench) -> Result:
    started = time.monotonic()
    faults, seen, lost, skipped = case.faults, "", "", ""
    try:
        came = case.run(bench)
        faults, seen = came if isinstance(came, tuple) else (faults, came)
    except Skipped as reason:
        faults, skipped = 0, str(reason)
    except Exception as error:  # also a mistake in the case itself: it must not pass for a success
        traceback.print_exc()
        faults, lost = 0, str(error) or type(error).__name__  # whether any had struck by then is not known
    result = Result(case, faults, seen, lost, time.monotonic() - started, skipped)
    outcome = "LOST" if lost else "skip" if skipped else "ok"
    print(f"{outcome:<5}{case.kind}: {case.name} ({result.seconds:.0f} s): {lost or skipped or seen}", flush=True)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of all random choices")
    parser.add_argument("--share", type=float, default=1.0, help="of the cases of each kind, for a shorter run")
    parser.add_argument("--only", default=",".join(KINDS), help="these kinds, separated by commas")
    parser.add_argument(
        "--folder", type=Path, help="work there and keep it; results of undisturbed runs are used again"
    )
    parser.add_argument("--report", type=Path, help="write the table to this file")
    return parser


sys.exit(main())
