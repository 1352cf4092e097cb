"""Learns the pretext network of VLAC+: the task, then the features, then clusters of neighbours."""

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from vlac.errors import DivergedError, VlacError
from vlac.files import remove_leftovers
from vlac.methods.vlac_plus import PretextSettings
from vlac.methods.vlac_plus.neighbours import Pairs, learn_clusters
from vlac.methods.vlac_plus.pretext import Pretext
from vlac.models.dihedral import normalise, turn
from vlac.models.ladder import to_input
from vlac.training.checkpoint import Checkpoint
from vlac.training.device import Device

log = logging.getLogger(__name__)

FOLDER = Path("checkpoints/pretext")
"""Finished and unfinished networks, named after all that they depend on, so that models can share them."""

FIT = 20_000
"""Most images that the projection is fitted on."""

ROWS = 500

HOUR = 3600.0
"""Seconds after which nobody writes a temporary file any more: other trainings may share the network."""


class PretextTrainer:
    """Trains the network of one seed, epoch by epoch, with a checkpoint after each.

    Args:
        images: uint8 (N, 32, 32, 3); on the device.
        K: clusters to learn from the features.
        seed: of weights, shuffling and draws.
        identity: hashes of all that the result depends on beside the settings, K and seed.
    """

    def __init__(
        self, images: Tensor, settings: PretextSettings, K: int, seed: int, device: Device, identity: dict[str, str]
    ) -> None:
        self.images, self.settings, self.seed, self.device = images, settings, seed, device
        # The weight of the mutual information belongs to the ladder's training, which comes after.
        of = {"settings": settings.model_dump(exclude={"weight"}), "K": K, "seed": seed, "device": str(device)}
        of["images"] = hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()  # a search leaves some out
        key = hashlib.sha256(json.dumps(of | identity, sort_keys=True).encode()).hexdigest()
        self.path, self.identity = FOLDER / f"{key[:20]}.pt", {"key": key}
        self.history: list[dict[str, float]] = []  # a row per epoch, and one more for the clusters at the end
        torch.manual_seed(seed)
        c1, c2, c3 = settings.channels
        self.network = Pretext((c1, c2, c3), settings.hidden, settings.size, K).to(device.torch)
        self.generator = torch.Generator(device.torch).manual_seed(seed)
        learning = [*self.network.trunk.parameters(), *self.network.answer.parameters()]
        self.optimiser = torch.optim.Adam(learning, lr=settings.lr, fused=True)
        self.steps = len(images) // settings.batch
        if self.steps == 0:
            raise VlacError(
                f"pretext.batch is {settings.batch}, but there are only {len(images)} training images.",
                "Use a smaller batch.",
            )

    def run(self) -> Pretext:
        """Return the trained network, resumed where an earlier run left it; raise DivergedError if it became NaN."""
        remove_leftovers(self.path, older=HOUR)
        if checkpoint := Checkpoint.load(self.path, self.identity):
            checkpoint.restore(self.path, self.network, self.optimiser, self.generator)
            self.history = checkpoint.history
        if len(self.history) > self.settings.epochs:
            log.info("pretext seed %d: taken from %s", self.seed, self.path)
            return self.network.eval()
        for epoch in range(len(self.history), self.settings.epochs):
            started = time.monotonic()
            loss = self._epoch(epoch)
            if not math.isfinite(loss):
                raise DivergedError(
                    f"The pretext of seed {self.seed} became NaN or infinite in epoch {epoch + 1}.",
                    "Lower the model's pretext.lr in params.yaml and run again.",
                )
            rate = self.steps * self.settings.batch / (time.monotonic() - started)
            log.info("pretext seed %d, epoch %d: cross-entropy %.3f, %.0f images/s", self.seed, epoch + 1, loss, rate)
            self._save(loss=loss)
        self.network.eval()
        chosen = torch.randperm(len(self.images), generator=self.generator, device=self.device.torch)[:FIT]
        orbits = [self.network.orbit(x) for x in self._inputs(self.images[chosen])]
        self.network.fit_projection(torch.cat(orbits))
        information = learn_clusters(self.network.clusters, self.pairs, self.settings.cluster_epochs, self.generator)
        log.info("pretext seed %d: neighbours share %.2f nats about their cluster", self.seed, information)
        self._save(information=information)
        return self.network.eval()

    @cached_property
    def pairs(self) -> Pairs:
        """Neighbours among the features of all training images, of the trained network."""
        # Without autocast, because a trained model is evaluated without it: the same picture, the same features.
        features = torch.cat([self.network.features(x) for x in self._inputs(self.images)])
        return Pairs(features, self.settings.neighbours)

    def _epoch(self, epoch: int) -> float:
        self.network.train()
        batch, total = self.settings.batch, self.steps * self.settings.epochs
        order = torch.randperm(len(self.images), generator=self.generator, device=self.device.torch)
        loss_sum = torch.zeros((), device=self.device.torch)
        for step in range(self.steps):
            for group in self.optimiser.param_groups:
                group["lr"] = self.settings.lr * _cosine((epoch * self.steps + step) / total)
            x = self._vary(normalise(to_input(self.images[order[step * batch : (step + 1) * batch]])))
            turned, transform = turn(x)
            with self.device.autocast():
                answer = self.network(turned)
            loss = F.cross_entropy(answer.float(), transform)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            self.optimiser.step()
            loss_sum += loss.detach()
        return float(loss_sum) / self.steps

    def _vary(self, x: Tensor) -> Tensor:
        """Return normalised images moved by up to `shift` pixels, and, with `polarity`, half of them as negatives."""
        if self.settings.polarity:
            sign = torch.randint(2, (len(x), 1, 1, 1), generator=self.generator, device=x.device) * 2 - 1
            x = x * sign
        if self.settings.shift:
            move = torch.rand(len(x), 2, generator=self.generator, device=x.device) * 2 - 1
            still = torch.eye(2, device=x.device).expand(len(x), 2, 2)
            # grid_sample measures from -1 to 1 across the picture.
            affine = torch.cat([still, (move * self.settings.shift * 2 / x.shape[-1])[:, :, None]], 2)
            grid = F.affine_grid(affine, list(x.shape), align_corners=False)
            x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        return x

    def _inputs(self, images: Tensor) -> Iterator[Tensor]:
        for start in range(0, len(images), ROWS):
            yield to_input(images[start : start + ROWS])

    def _save(self, **told: float) -> None:
        self.history.append({"epoch": len(self.history) + 1, **told})
        states = self.network.state_dict(), self.optimiser.state_dict(), self.generator.get_state()
        Checkpoint(self.identity, len(self.history), *states, self.history).save(self.path)


def _cosine(progress: float) -> float:
    """Return the learning rate's factor: from 1 to 0.05 along half a cosine."""
    return 0.525 + 0.475 * math.cos(math.pi * progress)
