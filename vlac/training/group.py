"""Several seeds at once in one process: a thread for each, and one thread that hears of their epochs.

torch lets go of Python's lock in its kernels and in the backward pass, so that the threads' arithmetic overlaps; on
CUDA, where each thread has a stream and a graph of its own, the kernels do. No thread touches another's tensors and all
noise comes from a generator per seed: a seed comes out as if it had been trained alone.
"""

import logging
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from threading import Thread

import torch

from vlac.training.loop import Stopped, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """A finished epoch of one of the trainers: its row of the history, and its images per second."""

    trainer: Trainer
    row: dict[str, float]
    images_per_second: float


@dataclass(frozen=True)
class _End:
    """A thread's last word: its trainer, and what went wrong."""

    trainer: Trainer
    error: BaseException | None = None


def train_at_once(trainers: Iterable[Trainer], at_once: int) -> Generator[Epoch, None, None]:
    """Train all, in waves of `at_once`, and yield their epochs as they are done.

    A wave is taken from `trainers` when the last one has ended. If a trainer fails, the others of its wave go on to
    their ends, no further wave begins, and then the error is raised; the errors of several are logged as well. If the
    caller is interrupted or stops iterating, all stop before their next update.

    Raises:
        Exception: what `Trainer.epochs` has raised.
    """
    waiting = iter(trainers)
    while wave := list(islice(waiting, at_once)):
        failed = yield from _wave(wave)
        if len(failed) > 1:
            for end in failed:
                log.error("seed %d: %s", end.trainer.seed, end.error)
        for end in failed:
            assert end.error
            raise end.error


def _wave(wave: list[Trainer]) -> Generator[Epoch, None, list[_End]]:
    """Train one wave, yield its epochs and return the ends of those that failed."""
    heard: SimpleQueue[Epoch | _End] = SimpleQueue()
    # All calls before any thread: each may capture a CUDA graph, for which no thread may use the device.
    each_epochs = [trainer.epochs() for trainer in wave]
    threads = [Thread(target=_run, args=(*pair, heard)) for pair in zip(wave, each_epochs, strict=True)]
    ends: list[_End] = []
    try:
        for thread in threads:
            thread.start()
        while len(ends) < len(wave):
            news = heard.get()
            if isinstance(news, Epoch):
                yield news
            else:
                ends.append(news)
    finally:
        for trainer in wave:
            trainer.stop()
        for thread in threads:
            if thread.ident is not None:  # an interruption may come before it was started
                thread.join()
    return [end for end in ends if end.error]


def _run(
    trainer: Trainer, epochs: Iterator[tuple[dict[str, float], float]], heard: "SimpleQueue[Epoch | _End]"
) -> None:
    torch.set_num_threads(trainer.training.threads)  # OpenMP counts for each thread that calls it
    try:
        for row, images_per_second in epochs:
            heard.put(Epoch(trainer, row, images_per_second))
        heard.put(_End(trainer))
    except Stopped:
        heard.put(_End(trainer))
    except BaseException as error:
        heard.put(_End(trainer, error))
