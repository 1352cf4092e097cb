"""The promise that the view never stops a stage: whatever fails in it becomes one warning line."""

import logging
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from vlac.errors import VlacError

TRACK = "python -m vlac track"
"""The command that makes the view again from the files."""

log = logging.getLogger(__name__)
_warned = False


@contextmanager
def guarded() -> Iterator[None]:
    """Turn an error inside the `with` block into a warning, the first time in this process, and go on after the block.

    Every kind of error is meant: MLflow is a view of the results, and a bug in it may not cost a training either.
    """
    global _warned
    try:
        yield
    except Exception as error:
        if not _warned:
            log.warning("MLflow does not show this run: %s. No result is lost; `%s` shows it later.", why(error), TRACK)
        log.debug("the view failed", exc_info=error)
        _warned = True


def why(error: BaseException) -> str:
    """Return in a few words what is behind an error of MLflow, which wraps it in several layers."""
    for layer in _layers(error):
        if isinstance(layer, sqlite3.Error):
            return f"its store {location()} cannot be used ({layer})"
        if type(layer).__name__ in ("ConnectionError", "ConnectTimeout", "ReadTimeout"):
            return f"{location()} does not answer"
        if type(layer).__name__ == "ResponseError":
            return f"{location()} answers with errors ({layer})"
    if isinstance(error, VlacError):
        return error.message.rstrip(".")
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    sentence = first.split(". ")[0].rstrip(".")
    return _without_password(sentence if len(sentence) <= 200 else f"{sentence[:200]} ...")


def damaged_store(error: BaseException) -> str | None:
    """Return the project's own sqlite file if the error says that its bytes are damaged, else None."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return None  # somebody's, to be mended with care
    for layer in _layers(error):
        # The other classes of sqlite's errors are about files that are locked, out of reach or on a full disk.
        if type(layer) is sqlite3.DatabaseError or (isinstance(layer, sqlite3.Error) and "no such table" in str(layer)):
            return location()
    return None


def _layers(error: BaseException) -> list[BaseException]:
    layers = [error]
    while (inner := layers[-1].__cause__ or layers[-1].__context__) and inner not in layers:
        layers.append(inner)
    return layers


def location() -> str:
    """Return where the view is kept, fit for printing."""
    return _without_password(os.environ.get("MLFLOW_TRACKING_URI") or "mlflow.db")


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]+@", "//", text)
