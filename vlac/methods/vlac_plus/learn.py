"""Learns the guide of VLAC+: the pretext task, clusters of neighbours among its features, and students of these."""

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.errors import VlacError, refuse_fewer
from vlac.files import locked, remove_leftovers
from vlac.methods.base import Job, Row
from vlac.methods.vlac_plus import PretextSettings, Settings, StudentSettings
from vlac.methods.vlac_plus.join import join
from vlac.methods.vlac_plus.neighbours import Pairs, learn_clusters, nearest
from vlac.methods.vlac_plus.pretext import Pretext
from vlac.methods.vlac_plus.student import Student
from vlac.methods.vlac_plus.vary import Variation
from vlac.models.dihedral import normalise, turn
from vlac.models.ladder import to_input, to_inputs
from vlac.training.device import Device
from vlac.training.epochs import Epochs

FIT = 20_000
"""Most images that the projection is fitted on."""

VARIATION = Variation(shift=3.0, turn=0.2, stretch=0.15, colour=0.2, noise=0.1)
"""Of the pictures that a student sees."""

SMOOTHING = 0.1
"""Probability that a student's target gives to all clusters alike."""

CERTAIN = 14.0
"""Nats between the log-probability of an image's cluster and that of any other: one in a million."""

NEIGHBOURS = 20
"""Nearest neighbours among a student's features that name an image's cluster for the next one."""

CLUSTER_LR = 1e-3

HOUR = 3600.0
"""Seconds after which nobody writes a temporary file any more: other trainings may share the network."""

ADVICE = "Lower the lr of pretext or students"

Loss = Callable[[Tensor, torch.Generator], Tensor]
"""From the indices of a batch, int64 (B,), and the source of all noise to what an update minimises, a scalar."""

Epoch = Callable[[int, torch.optim.Optimizer, torch.Generator], Row]
"""One epoch, given its number from 0."""


class GuideTrainer:
    """Trains the networks of one seed one after the other, epoch by epoch, each with a checkpoint of its own.

    Args:
        images: uint8 (N, H, H, 3); on the device.
        K: clusters that the last student has.
        seed: of weights, shuffling and draws.
        identity: hashes of all that the result depends on beside the settings, K and seed.
        folder: of the networks, named after all that they depend on, so that models can share them.

    Attributes:
        pretext: the network, with features and clusters, once `run` was called.
        students: as many as there were rounds, and one more where clusters are joined.
        key: the hash of all that they depend on.
    """

    def __init__(
        self,
        images: Tensor,
        settings: Settings,
        K: int,
        seed: int,
        device: Device,
        identity: dict[str, str],
        folder: Path,
    ) -> None:
        self.images, self.settings, self.K, self.seed, self.device = images, settings, K, seed, device
        self.folder = folder
        of = settings.model_dump(include={"pretext": True, "students": True}, exclude={"students": {"rounds"}})
        of |= {"seed": seed, "device": str(device)}
        of["images"] = hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()  # a search leaves some out
        self.key = hashlib.sha256(json.dumps(of | identity, sort_keys=True).encode()).hexdigest()
        if settings.pretext.neighbours >= len(images):
            raise VlacError(
                f"pretext.neighbours is {settings.pretext.neighbours}, but an image has {len(images) - 1} others.",
                "Use fewer neighbours.",
            )
        refuse_fewer(len(images), settings.pretext.batch, "pretext.batch")
        refuse_fewer(len(images), settings.students.batch, "students.batch")

    def run(self) -> None:
        """Train all networks, resumed where an earlier run left them; raise DivergedError if one became NaN."""
        self.students: list[Student] = []
        clusters = self.settings.students.clusters
        with locked(self.folder / f"{self.key[:20]}.lock"):  # a model that shares them waits and finds them
            self.pretext = self._learn_pretext()
            self._learn_clusters()
            for number in range(1, self.settings.students.rounds + 1):
                self.students.append(self._learn_student(f"student-{number}", clusters))
        if clusters > self.K:
            name = f"student-{len(self.students)}-joined-{self.K}"
            with locked(self.folder / f"{self.key[:20]}-{name}.lock"):
                self.students.append(self._learn_student(name, self.K))

    def log_q(self) -> Tensor:
        """Return log q(y given x) of the training images, float (N, K): all but certain of the last student's cluster.

        The student's own probabilities have learnt `SMOOTHING`: by them a component would owe as much of its shape to
        images of other clusters, and its samples would be pale.
        """
        y = torch.cat([self.students[-1].look(x)[0].argmax(1) for x in to_inputs(self.images)])
        return F.log_softmax(CERTAIN * F.one_hot(y, self.K).float(), 1)

    @cached_property
    def pairs(self) -> Pairs:
        """Neighbours among the pretext features of all training images."""
        # Without autocast, because a trained model is evaluated without it: the same picture, the same features.
        features = torch.cat([self.pretext.features(x) for x in to_inputs(self.images)])
        return Pairs(features, self.settings.pretext.neighbours)

    def _learn_pretext(self) -> Pretext:
        settings = self.settings.pretext
        torch.manual_seed(self.seed)
        network = Pretext(settings.channels, settings.hidden, settings.size, self.settings.students.clusters).to(
            self.device.torch
        )
        everything = torch.arange(len(self.images), device=self.device.torch)
        variation = Variation(settings.shift, settings.polarity)

        def loss(chosen: Tensor, generator: torch.Generator) -> Tensor:
            turned, transform = turn(variation(normalise(to_input(self.images[chosen])), generator))
            with self.device.autocast():
                answer = network(turned)
            return F.cross_entropy(answer.float(), transform)

        def epoch(number: int, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> Row:
            return _pass(number, settings, everything, loss, optimiser, generator)

        learning = [*network.trunk.parameters(), *network.answer.parameters()]
        self._train("pretext", network.train(), learning, settings.lr, settings.epochs, epoch)
        return network.eval()

    def _learn_clusters(self) -> None:
        """Fit the projection to features, and train clusters until neighbours share them."""
        network = self.pretext

        def epoch(number: int, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> Row:
            if number == 0:
                chosen = torch.randperm(len(self.images), generator=generator, device=self.device.torch)[:FIT]
                network.fit_projection(torch.cat([network.orbit(x) for x in to_inputs(self.images[chosen])]))
            network.clusters.train()
            return {"information": learn_clusters(network.clusters, self.pairs, optimiser, generator)}

        learning = list(network.clusters.parameters())
        self._train("clusters", network, learning, CLUSTER_LR, self.settings.pretext.cluster_epochs, epoch)
        network.eval()

    def _learn_student(self, name: str, K: int) -> Student:
        """Train a fresh network of K clusters on what the network before it says, where neighbours agree."""
        of, settings = self.settings.pretext, self.settings.students
        torch.manual_seed(self._seed_of(f"weights of {name}"))
        network = Student(of.channels, of.hidden, K, of.polarity).to(self.device.torch)
        variation = replace(VARIATION, polarity=of.polarity)
        lesson = cache(lambda: self._lesson(K))  # made when it is needed, which it is not by a student that is found

        def loss(chosen: Tensor, generator: torch.Generator) -> Tensor:
            x = variation(normalise(to_input(self.images[chosen])), generator)
            with self.device.autocast():
                said = network(x)
            return F.cross_entropy(said.float(), lesson()[0][chosen], label_smoothing=SMOOTHING)

        def epoch(number: int, optimiser: torch.optim.Optimizer, generator: torch.Generator) -> Row:
            return _pass(number, settings, lesson()[1], loss, optimiser, generator)

        self._train(name, network.train(), list(network.parameters()), settings.lr, settings.epochs, epoch)
        return network.eval()

    def _lesson(self, K: int) -> tuple[Tensor, Tensor]:
        """Return which of K clusters every training image is in, int64 (N,), and the indices of those to be learnt.

        It is the most probable one of its neighbours together, by clusters and features of the network before, and
        learnt where their mean probability reaches `agreement`. More than K are joined.
        """
        if not self.students:
            log_q, neighbours = F.log_softmax(self.pretext.clusters(self.pairs.features), -1), self.pairs.neighbours
        else:
            said = [self.students[-1].look(x) for x in to_inputs(self.images)]
            log_q, features = (torch.cat(parts) for parts in zip(*said, strict=True))
            count = min(NEIGHBOURS, len(features) - 1)
            neighbours = nearest(F.normalize(features - features.mean(0), dim=1), count)
        q = log_q.detach().exp()
        if q.shape[1] > K:
            ties = (q.T @ q[neighbours].mean(1)).double().cpu().numpy()
            groups = torch.from_numpy(join(ties + ties.T, K, self.seed)).to(q.device)
            q = q @ F.one_hot(groups, K).to(q.dtype)
        share, y = q[neighbours].mean(1).max(1)
        agreed = torch.nonzero(share >= self.settings.students.agreement)[:, 0]
        if len(agreed) < self.settings.students.batch:
            raise VlacError(
                f"Neighbours agree about {len(agreed)} images, fewer than students.batch.",
                "Lower students.agreement or students.batch.",
            )
        return y, agreed

    def _train(
        self, name: str, network: nn.Module, learning: list[nn.Parameter], lr: float, epochs: int, epoch: Epoch
    ) -> None:
        """Train a network to its last epoch, resumed from its checkpoint if there is one; the checkpoint stays."""
        path = self.folder / f"{self.key[:20]}-{name}.pt"
        remove_leftovers(path, older=HOUR)
        optimiser = torch.optim.Adam(learning, lr=lr, fused=True)
        generator = torch.Generator(self.device.torch).manual_seed(self._seed_of(name))
        job = Job(name, path, {"key": self.key})
        of = network, optimiser, generator, self.device, self.seed, job, epochs, len(self.images), ADVICE
        Epochs(*of).run(lambda number: epoch(number, optimiser, generator))

    def _seed_of(self, name: str) -> int:
        """Return a seed of its own for each network and purpose, so that none repeats the draws of another."""
        return int.from_bytes(hashlib.sha256(f"{self.seed} {name}".encode()).digest()[:4])


def _pass(
    number: int,
    settings: PretextSettings | StudentSettings,
    images: Tensor,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    generator: torch.Generator,
) -> Row:
    """Train on each of `images`, given by their indices, once; the learning rate falls along half a cosine."""
    steps = len(images) // settings.batch
    order = images[torch.randperm(len(images), generator=generator, device=images.device)]
    total = torch.zeros((), device=images.device)
    for step in range(steps):
        progress = (number * steps + step) / (settings.epochs * steps)
        for group in optimiser.param_groups:
            group["lr"] = settings.lr * (0.525 + 0.475 * math.cos(math.pi * progress))
        value = loss(order[step * settings.batch : (step + 1) * settings.batch], generator)
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step()
        total += value.detach()
    return {"cross_entropy": float(total) / steps}
