"""Epoch after epoch: the loop of all networks, resumed from a checkpoint to the same bytes."""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import nn

from vlac.errors import DivergedError
from vlac.methods.base import Job, Row
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import Device
from vlac.training.progress import Progress

CHECKPOINT_SECONDS = 30.0
"""Least time between two checkpoints, so that short epochs of a large model are not spent on writing."""


def seed_dropout(generator: torch.Generator) -> None:
    """Seed torch's own generator, from which dropout draws and whose state no checkpoint keeps, by another one."""
    torch.manual_seed(int(torch.randint(2**31, (), generator=generator, device=generator.device)))


@dataclass
class Epochs:
    """So many epochs of one seed."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator  # of all that is drawn: with network and optimiser, what an epoch starts from
    device: Device
    seed: int
    job: Job  # where the unfinished training is kept, and who is told of its epochs
    epochs: int
    images: int  # seen in an epoch
    advice: str  # what to do about a training that became NaN
    enough: Callable[[Row], bool] = lambda row: False  # whether an epoch is the last one, before all are done

    def run(self, learn: Callable[[int], Row]) -> list[Row]:
        """Train to the last epoch, or to one that is `enough`, and return the rows of all; resumed where possible.

        Args:
            learn: trains the given epoch, counted from 0, and returns its metrics.

        Raises:
            VlacError: the checkpoint is damaged.
            DivergedError: a metric or a weight is no longer finite; the checkpoint keeps an earlier epoch.
        """
        history: list[Row] = []
        identity = self.job.identity | {"device or precision": str(self.device)}
        if checkpoint := Checkpoint.load(self.job.checkpoint, identity):
            checkpoint.restore(self.job.checkpoint, self.network, self.optimiser, self.generator)
            history = checkpoint.history
        self.job.resumed(list(history))
        saved = time.monotonic()
        unsaved: Checkpoint | None = None
        done = len(history) == self.epochs or (bool(history) and self.enough(history[-1]))
        try:
            with (
                self.device.stream(),
                Progress(f"{self.job.name} seed {self.seed}", self.epochs, len(history)) as progress,
            ):
                while not done:
                    started = time.monotonic()
                    row = {"epoch": len(history) + 1} | learn(len(history))
                    self._refuse_non_finite(row)
                    history.append(row)
                    done = len(history) == self.epochs or self.enough(row)
                    finished = time.monotonic()
                    states = self.network.state_dict(), self.optimiser.state_dict(), self.generator.get_state()
                    unsaved = Checkpoint(identity, len(history), *deepcopy(states), list(history))
                    if done or finished - saved >= CHECKPOINT_SECONDS:
                        unsaved.save(self.job.checkpoint)
                        unsaved, saved = None, time.monotonic()
                    progress.show(row, self.images, finished - started, done)
                    self.job.epoch(row)
        except BaseException as stop:
            if unsaved and not isinstance(stop, Exception):  # an interruption
                unsaved.save(self.job.checkpoint)
            raise
        return history

    def _refuse_non_finite(self, row: Row) -> None:
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        weights_finite = torch.stack([torch.isfinite(p).all() for p in self.network.parameters()]).all()
        if bad or not bool(weights_finite):
            path = self.job.checkpoint
            kept = f"{path} keeps an earlier epoch" if path.exists() else "no epoch was kept"
            raise DivergedError(
                f"Seed {self.seed} became NaN or infinite in epoch {row['epoch']:.0f} "
                f"({', '.join(bad) or 'weights'}); {kept}.",
                f"{self.advice} and run again.",
            )
