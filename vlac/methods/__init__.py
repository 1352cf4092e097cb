"""The methods, one module or package each, found by `kind`."""

import importlib
import pkgutil
from functools import cache

from vlac.methods.base import Method


@cache
def kinds() -> dict[str, type[Method]]:
    """Return every method's class by its kind: the name of its module in this folder."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]
    return {name: importlib.import_module(f"{__name__}.{name}").Method for name in sorted(names)}
