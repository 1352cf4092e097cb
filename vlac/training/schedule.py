"""What changes over a training: temperature, weights, and the rungs that enter one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlac.params.schema import Objective

if TYPE_CHECKING:
    from vlac.models.networks.layers import Scalar  # of torch, which the table's notes do without


@dataclass(frozen=True)
class Weights:
    """The settings of one update: numbers, or scalars on the device."""

    temperature: Scalar  # of Gumbel-softmax
    kl_z: dict[int, Scalar]  # weight of KL_z by rung
    kl_y: dict[int, Scalar]  # weight of KL_y by rung
    fade: dict[int, Scalar]  # how far each rung has entered the decoder, 0 to 1


class Schedule:
    """The settings of every update of a ladder with the given rungs.

    A rung enters at the epoch that `objective.enter` names, counted from the first rung of this ladder that enters.
    Over `objective.fade` updates its KL weights rise from 0 in a straight line, and so does what it adds to decoder and
    trunk; the rungs that enter first are complete there at once. The temperature falls in a straight line.

    Attributes:
        enter: epoch, from 0, at whose start each rung enters.
    """

    def __init__(self, objective: Objective, rungs: tuple[int, ...], updates: int, epochs: int) -> None:
        self.objective, self.updates, self.total = objective, updates, updates * epochs
        self.enter = entries(objective, rungs)

    def at(self, update: int) -> Weights:
        """Return the settings of an update, counted from 0."""
        objective = self.objective
        start, end, until = objective.temperature_start, objective.temperature_end, objective.temperature_until
        fallen = min(1.0, update / (self.total * until)) if until > 0 else 1.0
        since = {rung: update - epoch * self.updates for rung, epoch in self.enter.items()}
        grown = {rung: min(1.0, max(0, count + 1) / objective.fade) for rung, count in since.items()}
        return Weights(
            temperature=start + (end - start) * fallen,
            kl_z={rung: objective.kl_z_weight[rung - 1] * share for rung, share in grown.items()},
            kl_y={rung: objective.kl_y_weight * share for rung, share in grown.items()},
            fade={rung: 1.0 if self.enter[rung] == 0 else share for rung, share in grown.items()},
        )


def entries(objective: Objective, rungs: Iterable[int]) -> dict[int, int]:
    """Return the epoch after which each of a ladder's rungs enters, counted from the first of them that does."""
    epochs = {rung: objective.enter[rung - 1] for rung in rungs}
    return {rung: epoch - min(epochs.values()) for rung, epoch in epochs.items()}
