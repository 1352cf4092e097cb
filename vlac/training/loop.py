"""The training loop: one model, one seed, a fixed number of epochs, the last weights kept."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from vlac.errors import DivergedError, VlacError
from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.models.spec import Spec
from vlac.params.schema import Objective, Training
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import Device, settle_device, settle_precision
from vlac.training.record import EpochRecord
from vlac.training.schedule import weights_at

NOISE = 0x5BD1E995
"""Sets the seed of shuffling and noise apart from the weights', in the low 32 bits that a CPU generator keeps."""

CHECKPOINT_SECONDS = 10.0
"""Least time between two checkpoints, so that short epochs of a large model are not spent on writing."""


class Trainer:
    """Trains one seed of one model.

    Args:
        spec: what to build.
        images: uint8 (N, 32, 32, 3), on the CPU; kept on the device as they are.
        training, objective: parameters.
        seed: of the weights' initialisation, the shuffling and all noise.
        checkpoint: where the unfinished training is kept.
        identity: hashes that a checkpoint must share to be gone on with.
    """

    def __init__(
        self,
        spec: Spec,
        images: torch.Tensor,
        training: Training,
        objective: Objective,
        seed: int,
        checkpoint: Path,
        identity: dict[str, str],
    ) -> None:
        device = settle_device(training.device, training.threads)
        self.device = Device(device, settle_precision(device, training.precision))
        self.images = images.to(device)
        self.training, self.objective = training, objective
        self.checkpoint, self.identity = checkpoint, identity | {"device or precision": str(self.device)}
        self.steps = len(images) // training.batch
        if self.steps == 0:
            raise VlacError(
                f"training.batch is {training.batch}, but there are only {len(images)} training images.",
                "Use a smaller batch.",
            )
        torch.manual_seed(seed)
        self.model = Ladder(spec).to(device)
        # A stream of its own: with the same seed the noise would repeat the draws of the weights.
        self.generator = torch.Generator(device).manual_seed(seed ^ NOISE)
        priors = list(self.model.priors.parameters())
        weights = [p for name, p in self.model.named_parameters() if not name.startswith("priors.")]
        groups: list[dict[str, Any]] = (
            [{"params": weights}, {"params": priors, "lr": training.lr_prior}] if priors else [{"params": weights}]
        )
        # Fused: one pass over all parameters per update.
        self.optimiser = torch.optim.Adam(groups, lr=training.lr, fused=True)
        self.history: list[dict[str, float]] = []

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one.

        Raises:
            VlacError: it is damaged, or of another training.
        """
        for leftover in self.checkpoint.parent.glob(f".{self.checkpoint.name}.*.tmp"):
            leftover.unlink(missing_ok=True)  # half a checkpoint, of a process killed while it wrote
        checkpoint = Checkpoint.load(self.checkpoint, self.identity)
        if checkpoint:
            self.model.load_state_dict(checkpoint.model)
            self.optimiser.load_state_dict(checkpoint.optimiser)
            self.generator.set_state(checkpoint.generator)
            self.history = checkpoint.history

    def epochs(self, checkpoint_seconds: float = CHECKPOINT_SECONDS) -> Iterator[tuple[dict[str, float], float]]:
        """Train to the last epoch, and yield each epoch's row of the history and its images per second.

        The checkpoint of the finished training stays: whoever has written the result deletes it.

        Raises:
            DivergedError: the loss is no longer finite; the checkpoint keeps an earlier epoch.
        """
        saved = time.monotonic()
        while len(self.history) < self.training.epochs:
            started = time.monotonic()
            row = self._epoch(len(self.history))
            self._refuse_non_finite(row)
            self.history.append(row)
            rate = self.steps * self.training.batch / (time.monotonic() - started)
            finished = len(self.history) == self.training.epochs
            if finished or time.monotonic() - saved >= checkpoint_seconds:
                self._save()
                saved = time.monotonic()
            yield row, rate

    def _epoch(self, epoch: int) -> dict[str, float]:
        """Make one pass over the shuffled images; the last, partial batch is left out, another one each time."""
        self.model.train()
        record = EpochRecord(self.model, self.device.torch)
        order = torch.randperm(len(self.images), generator=self.generator, device=self.device.torch)
        batch, total = self.training.batch, self.steps * self.training.epochs
        for step in range(self.steps):
            weights = weights_at((epoch * self.steps + step) / total, self.objective)
            x = to_input(self.images[order[step * batch : (step + 1) * batch]])
            with self.device.autocast():
                terms = bound(self.model, x, weights.temperature, self.objective.kl_z, self.generator)
            loss = -terms.weighted(weights.kl_z, weights.kl_y).mean()
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            record.add(terms)
        return {"epoch": epoch + 1, "temperature": weights.temperature} | record.row()

    def _save(self) -> None:
        Checkpoint(
            identity=self.identity,
            epoch=len(self.history),
            model=self.model.state_dict(),
            optimiser=self.optimiser.state_dict(),
            generator=self.generator.get_state(),
            history=self.history,
        ).save(self.checkpoint)

    def _refuse_non_finite(self, row: dict[str, float]) -> None:
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        # separation is infinite for no rung that has a mixture, so any infinity is a fault.
        weights_finite = all(bool(torch.isfinite(p).all()) for p in self.model.parameters())
        if bad or not weights_finite:
            epoch = int(row["epoch"])
            kept = f"{self.checkpoint} keeps an earlier epoch" if self.checkpoint.exists() else "no epoch was kept"
            raise DivergedError(
                f"Training became NaN or infinite in epoch {epoch} ({', '.join(bad) or 'weights'}); {kept}.",
                "Lower training.lr or raise likelihood.scale in params.yaml, delete the checkpoint and run again.",
            )
