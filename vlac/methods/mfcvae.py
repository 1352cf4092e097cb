"""The closest successor: two facets, each a mixture of its own, learnt one after the other (Falck et al., 2021)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from vlac.errors import VlacError
from vlac.methods import base
from vlac.models.method import LadderMethod
from vlac.params.section import LARGEST, Positive

TOP = 4
"""The rung of the deep facet, the topmost one."""

Clusters = Annotated[int, Field(ge=2, le=LARGEST)]


class Settings(base.Settings):
    """Two facets, the shallow one first."""

    kind: Literal["mfcvae"]
    K: Annotated[list[Clusters], Field(min_length=2, max_length=2)]
    """Clusters of the shallow and the deep facet; published for SVHN: 200 and 50."""
    z: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Sizes of z of both; published for SVHN: 22 and 7."""

    @model_validator(mode="after")
    def _shallow_is_larger(self) -> "Settings":
        if self.K[0] <= self.K[1]:
            raise ValueError("the first entry of K, the shallow facet's, must be the larger one: it is scored")
        return self


class Method(LadderMethod):
    """A ladder of two rungs: the digit rung with the shallow facet, the topmost one with the deep facet."""

    Settings: ClassVar[type[base.Settings]] = Settings

    @property
    def K(self) -> dict[int, int]:
        return self._by_rung(self.settings.K)

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        if self.rung == TOP:
            raise VlacError(f"The digit's rung is {TOP}, MFCVAE's deep facet.", "Set digit_rung to 1, 2 or 3.")
        return self.K, self._by_rung(self.settings.z)

    def _by_rung(self, values: list[int]) -> dict[int, int]:
        return {self.rung: values[0], TOP: values[1]}

    def label(self) -> str:
        return f"MFCVAE, K = ({', '.join(map(str, self.settings.K))})"

    def protocol(self) -> list[str]:
        shallow, deep = self.settings.z
        built = f"MFCVAE: rungs {self.rung} and {TOP} alone, with z of size {shallow} and {deep}, trained as VLAC is."
        return [*super().protocol(), built]
