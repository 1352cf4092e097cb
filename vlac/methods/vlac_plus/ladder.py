"""The ladder of VLAC+: the clusters of its main rung come from a guide, not from the rung's own features."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vlac.methods.vlac_plus.student import Student
from vlac.models.ladder import Head, Ladder, Posterior, Spec
from vlac.models.networks.layers import Scalar


@dataclass(frozen=True)
class PlusSpec(Spec):
    """A ladder's shape, and that of the student: see `PretextSettings`."""

    guide_channels: list[int]
    guide_hidden: int
    polarity: bool  # whether the student sees a picture's negative, too


class PlusLadder(Ladder):
    """A ladder with a fixed student, which says q(y_l given x) of the main rung."""

    spec: PlusSpec

    def __init__(self, spec: PlusSpec) -> None:
        super().__init__(spec)
        K = spec.K[spec.main_rung]
        self.student = Student(spec.guide_channels, spec.guide_hidden, K, spec.polarity).requires_grad_(False)

    def make_head(self, rung: int, features: int) -> Head:
        """Return a new head; that of the main rung has no clusters of its own."""
        if rung != self.main_rung:
            return super().make_head(rung, features)
        return Head(features, self.spec.K[rung], self.spec.z[rung], None, z_given_y=True)

    def train(self, mode: bool = True) -> "PlusLadder":
        """Set the mode of all but the student, whose batch normalisation stays as it was learnt."""
        super().train(mode)
        self.student.eval()
        return self

    def clusters_by_mixture(self, rung: int) -> bool:
        """Return whether q(y_l given x) of a rung is read off its mixture: not where the guide clusters."""
        return rung != self.main_rung and super().clusters_by_mixture(rung)

    def encode(
        self,
        x: Tensor,
        temperature: Scalar | None = None,
        generator: torch.Generator | None = None,
        log_q: Mapping[int, Tensor] | None = None,
        fade: Mapping[int, Scalar] | None = None,
    ) -> dict[int, Posterior]:
        """Return q(y, z given x) rung by rung, as `Ladder.encode`; the student is asked if `log_q` is not given."""
        return super().encode(x, temperature, generator, log_q or {self.main_rung: self.student.look(x)[0]}, fade)
