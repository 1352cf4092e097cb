"""The VLAE, the ladder without clusters: what the probe measures the rungs of (Eqs. 1 to 5)."""

from typing import ClassVar, Literal

from vlac.methods import base
from vlac.models.method import LadderMethod


class Settings(base.Settings):
    """Nothing beside the kind."""

    kind: Literal["vlae"]


class Method(LadderMethod):
    """The ladder with every rung active and every K_l = 1."""

    Settings: ClassVar[type[base.Settings]] = Settings

    needs_rung = False
    in_table = False

    @property
    def K(self) -> dict[int, int]:
        return {}

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        z = dict(enumerate(self.params.network.z, start=1))
        return dict.fromkeys(z, 1), z

    def label(self) -> str:
        return "VLAE"
