"""The models of the paper: the ladder that is VLAE and VLAC, and the GM-DGM built from the same sub-networks."""

from vlac.models.ladder import Ladder
from vlac.models.spec import Spec

__all__ = ["Ladder", "Spec"]
