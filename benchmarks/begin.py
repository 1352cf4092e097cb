"""One of many processes that begin a live view at the same moment: python begin.py SEED, in the project's folder.

It writes SEED.ready, waits for a file `go`, shows three made-up epochs, and prints the seconds until its run was there,
the seconds until all was over, and whether the view has failed.
"""

import json
import sys
import time
from pathlib import Path

from vlac import tracking
from vlac.stages import STAGES, Job
from vlac.tracking import guard

MODEL = "vlac_1layer"
EPOCHS = 3


def main() -> None:
    """Show a training that does not take place."""
    seed = int(sys.argv[1])
    job = Job(STAGES["train"], model=MODEL, seeds=str(seed))
    Path(f"{seed}.ready").touch()
    while not Path("go").exists():
        time.sleep(0.01)
    started = time.perf_counter()
    with tracking.training(job) as view:
        view.start(seed)
        shown = time.perf_counter() - started
        for epoch in range(1, EPOCHS + 1):
            view.log_epoch({"seed": seed, "epoch": epoch, "elbo": -1000.0 / epoch, "kl_z_3": 0.1 * epoch})
    print(json.dumps({"shown": shown, "ended": time.perf_counter() - started, "failed": guard._warned}))


if __name__ == "__main__":
    main()
