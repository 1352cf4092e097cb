"""Typed parameters: the schema of params.yaml and the loader that explains what is wrong with a file."""

from vlac.params.load import load_params
from vlac.params.schema import Params

__all__ = ["Params", "load_params"]
