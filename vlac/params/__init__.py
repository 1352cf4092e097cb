"""Typed parameters: the schema of params.yaml and the loader that explains what is wrong with a file."""

from vlac.params.load import load_params
from vlac.params.schema import GmDgm, Params, Vlac, VlacPlus

__all__ = ["GmDgm", "Params", "Vlac", "VlacPlus", "load_params"]
