"""`python -m tests.fuzz`: run thousands of wrong inputs, print what became of them, fail if one was met badly."""

import argparse
import faulthandler
import sys
import time
from pathlib import Path

from . import engines, folders, params, results
from .campaign import campaign
from .judge import MEGABYTES, SECONDS

KINDS = {
    "params": ("params.yaml", params.files(params.PARAMS), params.plan, 5000),
    "searches": ("search.yaml", params.files(params.SEARCHES), params.search, 1000),
    "folders": ("data folders", folders.folders(), folders.download, 200),
    "results": ("result files", results.files(), results.read, 400),
    "engines": ("params.yaml for the engines", params.files(params.PARAMS), engines.plan, 20),
}


def main() -> int:
    """Return 0 if every input gave a result or one sentence, in time and within the memory."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    for name, (kind, _, _, count) in KINDS.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"{kind}; {count} by default")
    parser.add_argument("--seed", type=int, default=0, help="of all draws; 0 by default")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where to put the inputs that failed")
    options = parser.parse_args()
    faulthandler.enable()
    print(f"Seed {options.seed}. Each input may take {SECONDS:g} s of computing and {MEGABYTES:g} MB.", flush=True)
    failed = 0
    for name, (kind, inputs, work, _) in KINDS.items():
        count = getattr(options, name)
        if count == 0:
            continue
        begun = time.monotonic()
        tally = campaign(kind, inputs, work, count, options.seed)
        print(f"\n{tally}\n  {time.monotonic() - begun:.0f} s in all", flush=True)
        for index, (failure, given) in enumerate(tally.failures):
            print(f"\n  FAILED {name} {index}: {failure.strip()}", flush=True)
            if options.keep:
                options.keep.mkdir(parents=True, exist_ok=True)
                content = given if isinstance(given, bytes) else repr(given).encode()
                (options.keep / f"{name}_{index}").write_bytes(content)
        failed += len(tally.failures)
    print(f"\n{failed} inputs failed." if failed else "\nNo input failed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
