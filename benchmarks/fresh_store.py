"""Many processes that begin the live view of a training at the same moment, in a folder without a store."""

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from many_runs import copy_project, few_images

from vlac import tracking
from vlac.stages import STAGES, Job
from vlac.tracking import guard
from vlac.tracking.store import open_store

MODEL = "vlac_1layer"
PATIENCE = 600.0
EPOCHS = 3


@dataclass(frozen=True)
class Began:
    """One process: seconds until its run was there, seconds until all was over, and whether the view has failed."""

    shown: float
    ended: float
    failed: bool


def at_once(folder: Path, number: int) -> tuple[list[Began], int]:
    """Let so many processes show three made-up epochs each; return how it went, and how many runs are finished."""
    copy_project(folder, few_images() | {"seeds": list(range(number))})
    context = multiprocessing.get_context("spawn")
    barrier, heard = context.Barrier(number), context.Queue()
    processes = [context.Process(target=_show, args=(folder, seed, barrier, heard)) for seed in range(number)]
    for process in processes:
        process.start()
    began = [heard.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join()
    before = Path.cwd()
    os.chdir(folder)
    try:
        finished = open_store().every("FINISHED")
    finally:
        os.chdir(before)
    return began, len(finished)


def _show(folder: Path, seed: int, barrier: Barrier, heard: "Queue[Began]") -> None:
    os.chdir(folder)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    job = Job(STAGES["train"], model=MODEL, seeds=str(seed))
    barrier.wait(PATIENCE)
    started = time.perf_counter()
    with tracking.training(job) as view:
        view.start(seed)
        shown = time.perf_counter() - started
        for epoch in range(1, EPOCHS + 1):
            view.log_epoch({"seed": seed, "epoch": epoch, "elbo": -1000.0 / epoch, "kl_z_3": 0.1 * epoch})
    heard.put(Began(shown, time.perf_counter() - started, guard._warned))
