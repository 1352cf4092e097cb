"""What changes over training: the temperature of Gumbel-softmax and the weights of the divergences."""

from dataclasses import dataclass

from vlac.params.schema import Objective


@dataclass(frozen=True)
class Weights:
    """Temperature, KL weight by rung and KL_y weight at one update."""

    temperature: float
    kl_z: dict[int, float]
    kl_y: float


def weights_at(progress: float, objective: Objective) -> Weights:
    """Return the settings at `progress`, the share of all updates done, 0 to 1.

    The temperature falls in a straight line to its end; the KL weights rise in a straight line from 0.
    """
    fallen = _ramp(progress, objective.temperature_until)
    start, end = objective.temperature_start, objective.temperature_end
    warm_z = _ramp(progress, objective.kl_z_warmup)
    return Weights(
        temperature=start + (end - start) * fallen,
        kl_z={rung: warm_z * weight for rung, weight in enumerate(objective.kl_z_weight, start=1)},
        kl_y=_ramp(progress, objective.kl_y_warmup) * objective.kl_y_weight,
    )


def _ramp(progress: float, length: float) -> float:
    return min(1.0, progress / length) if length > 0 else 1.0
