"""VLAC, the paper's method: the ladder with a mixture of K_l clusters on some rungs."""

from typing import Any, ClassVar, Literal

from pydantic import model_validator

from vlac.methods import base
from vlac.models.method import LadderMethod
from vlac.params.section import PerRung


class Settings(base.Settings):
    """A ladder with K_l clusters on rung l; 1 = no mixture."""

    kind: Literal["vlac"]
    K: PerRung
    """Clusters by rung; 1: no mixture."""

    @model_validator(mode="after")
    def _has_mixture(self) -> "Settings":
        if max(self.K) == 1:
            raise ValueError("K needs one entry above 1: with none the model is the VLAE, which the probe trains")
        if self.K.count(max(self.K)) > 1:
            raise ValueError("the largest entry of K must be unique: it marks the rung that is scored")
        return self


class Method(LadderMethod):
    """VLAC with its largest mixture on `rung`: that entry of K changes places with the one that stands there."""

    Settings: ClassVar[type[base.Settings]] = Settings

    @classmethod
    def rung_of(cls, settings: Any) -> int:
        K: list[int] = settings.K
        return K.index(max(K)) + 1

    @property
    def K(self) -> dict[int, int]:
        K = dict(enumerate(self.settings.K, start=1))
        largest = self.rung_of(self.settings)
        rung = self.rung or largest
        K[largest], K[rung] = K[rung], K[largest]
        return {rung: clusters for rung, clusters in K.items() if clusters > 1}

    @property
    def sizes(self) -> list[int]:
        """Sizes of z_l, by rung from the first."""
        z: list[int] = self.params.network.z
        return z

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        z = dict(enumerate(self.sizes, start=1))
        return dict.fromkeys(z, 1) | self.K, z

    def label(self) -> str:
        return f"VLAC, K = ({', '.join(str(self.K.get(rung, 1)) for rung in range(1, len(self.settings.K) + 1))})"

    def protocol(self) -> list[str]:
        return [*super().protocol(), f"Sizes of z_1 to z_4: {', '.join(map(str, self.sizes))}."]
