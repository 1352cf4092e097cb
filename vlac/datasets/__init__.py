"""The data sets, one module each, found by `data.source`."""

import importlib
import pkgutil
from functools import cache

from vlac.datasets.base import Dataset


@cache
def datasets() -> dict[str, type[Dataset]]:
    """Return every data set's class by its name: that of its module in this folder."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name != "base"]
    return {name: importlib.import_module(f"{__name__}.{name}").Dataset for name in sorted(names)}
