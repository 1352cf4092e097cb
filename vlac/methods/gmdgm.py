"""The equivalent GM-DGM, the paper's baseline: one rung alone, made of the ladder's sub-networks."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vlac.methods import base
from vlac.models.method import LadderMethod
from vlac.params.section import LARGEST, Positive


class Settings(base.Settings):
    """K clusters, and z of the given size."""

    kind: Literal["gmdgm"]
    K: Annotated[int, Field(ge=2, le=LARGEST)]
    """Clusters."""
    z: Positive
    """Size of z."""


class Method(LadderMethod):
    """The GM-DGM: `rung` alone is active, so that trunk, head and decoder are those that it needs."""

    Settings: ClassVar[type[base.Settings]] = Settings

    @property
    def K(self) -> dict[int, int]:
        return {self.rung: self.settings.K}

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        return self.K, {self.rung: self.settings.z}

    def label(self) -> str:
        return f"GM-DGM, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        built = f"The sub-networks of rung {self.rung} alone, with a z of size {self.settings.z}."
        return [*super().protocol(), built]
