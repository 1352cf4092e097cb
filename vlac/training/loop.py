"""The training loop: one model, one seed, a fixed number of epochs, the last weights kept."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from vlac.errors import DivergedError, VlacError
from vlac.files import remove_leftovers
from vlac.models.ladder import Ladder
from vlac.models.spec import Spec
from vlac.params.schema import Objective, Training
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import settle
from vlac.training.graph import captured
from vlac.training.guide import Guide
from vlac.training.step import Step

NOISE = 0x5BD1E995
"""Sets the seed of shuffling and noise apart from the weights', in the low 32 bits that a CPU generator keeps."""

CHECKPOINT_SECONDS = 30.0
"""Least time between two checkpoints, so that short epochs of a large model are not spent on writing."""


class Stopped(Exception):
    """`Trainer.stop` was called."""


class Trainer:
    """Trains one seed of one model.

    On CUDA the updates of an epoch are replays of one captured graph, on a stream of the trainer's own, so that
    trainers in several threads share the device. That has not been run yet, for want of a device.

    Args:
        spec: what to build.
        images: uint8 (N, 32, 32, 3); brought to the device as they are, unless they are there already.
        training, objective: parameters.
        seed: of the weights' initialisation, the shuffling and all noise.
        checkpoint: where the unfinished training is kept.
        identity: hashes that a checkpoint must share to be gone on with.
        guide: of VLAC+; None for the paper's models.
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
        guide: Guide | None = None,
    ) -> None:
        self.device = settle(training)
        device = self.device.torch
        self.training, self.seed = training, seed
        self.checkpoint, self.identity = checkpoint, identity | {"device or precision": str(self.device)}
        if len(images) < training.batch:
            raise VlacError(
                f"training.batch is {training.batch}, but there are only {len(images)} training images.",
                "Use a smaller batch.",
            )
        torch.manual_seed(seed)
        self.model = Ladder(spec).to(device).train()
        if guide:
            self.model.adopt(guide.pretext)
            self.identity["pretext"] = guide.signature
        elif spec.pretext:
            raise ValueError("VLAC+ is trained with a guide, whose pretext network it takes over")
        # A stream of its own: with the same seed the noise would repeat the draws of the weights.
        self.generator = torch.Generator(device).manual_seed(seed ^ NOISE)
        priors = list(self.model.priors.parameters())
        named = ((name, p) for name, p in self.model.named_parameters() if not name.startswith("priors."))
        weights = [p for _, p in named if p.requires_grad]
        groups: list[dict[str, Any]] = (
            [{"params": weights}, {"params": priors, "lr": training.lr_prior}] if priors else [{"params": weights}]
        )
        # Fused: one pass over all parameters per update. Capturable: it counts its updates on the device.
        self.optimiser = torch.optim.Adam(groups, lr=training.lr, fused=True, capturable=device.type == "cuda")
        self.step = Step(
            self.model, self.optimiser, images.to(device), self.generator, self.device, training, objective, guide
        )
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self.history: list[dict[str, float]] = []
        self._stopped = False

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done."""
        return len(self.history) >= self.training.epochs

    def stop(self) -> None:
        """Make the training end with `Stopped` before its next update; for another thread to call."""
        self._stopped = True

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one.

        Raises:
            VlacError: it is damaged, or of another training.
        """
        remove_leftovers(self.checkpoint)  # of a process killed while it wrote; a finished training writes none again
        checkpoint = Checkpoint.load(self.checkpoint, self.identity)
        if checkpoint:
            checkpoint.restore(self.checkpoint, self.model, self.optimiser, self.generator)
            self.history = checkpoint.history

    def epochs(self, checkpoint_seconds: float = CHECKPOINT_SECONDS) -> Iterator[tuple[dict[str, float], float]]:
        """Train to the last epoch, and yield each epoch's row of the history and its images per second.

        The checkpoint of the finished training stays: whoever has written the result deletes it. The call itself
        captures the CUDA graph, for which no other thread may use the device; iterating does the rest.

        Raises:
            DivergedError: the loss is no longer finite; the checkpoint keeps an earlier epoch.
            Stopped: `stop` was called.
        """
        return self._train(captured(self.step, self.stream) if self.stream else self.step, checkpoint_seconds)

    def _train(self, update: Callable[[], None], checkpoint_seconds: float) -> Iterator[tuple[dict[str, float], float]]:
        saved = time.monotonic()
        while not self.finished:
            started = time.monotonic()
            with torch.cuda.stream(self.stream):  # of no effect without CUDA
                row = self._epoch(len(self.history), update)
                self._refuse_non_finite(row)
                self.history.append(row)
                rate = self.step.order.numel() / (time.monotonic() - started)
                if self.finished or time.monotonic() - saved >= checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
            yield row, rate

    def _epoch(self, epoch: int, update: Callable[[], None]) -> dict[str, float]:
        last = self.step.begin(epoch)
        for _ in range(self.step.count):
            if self._stopped:
                raise Stopped
            update()
        return {"epoch": epoch + 1, "temperature": last.temperature} | self.step.record.row()

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
        weights_finite = torch.stack([torch.isfinite(p).all() for p in self.model.parameters()]).all()
        if bad or not bool(weights_finite):
            epoch = int(row["epoch"])
            kept = f"{self.checkpoint} keeps an earlier epoch" if self.checkpoint.exists() else "no epoch was kept"
            raise DivergedError(
                f"Seed {self.seed} became NaN or infinite in epoch {epoch} ({', '.join(bad) or 'weights'}); {kept}.",
                "Lower training.lr or raise likelihood.scale in params.yaml, delete the checkpoint and run again.",
            )
