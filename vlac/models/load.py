"""Trained methods on disk, with their settings."""

from pathlib import Path
from typing import Any

from vlac.archive import read_archive, write_archive
from vlac.errors import VlacError
from vlac.methods import kinds
from vlac.methods.base import Method


def save_method(path: Path, method: Method) -> None:
    """Write a trained method with its settings, atomically; equal states give equal bytes."""
    settings = method.settings.model_dump(mode="json")
    write_archive(path, {"kind": settings["kind"], "settings": settings, "state": method.state()})


def load_method(path: Path, params: Any) -> Method:
    """Return the method of a file; `params` are those that its functions read later.

    Raises:
        VlacError: the file is missing, damaged or of another kind.
    """
    try:
        content = read_archive(path)
        Kind = kinds()[content["kind"]]
        method = Kind(Kind.Settings.model_validate(content["settings"]), params)
        method.load_state(content["state"])
        return method
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", f"Train it first: `snakemake --cores 4 {path}`.") from None
    except Exception:  # a damaged file makes zipfile and torch raise nearly anything
        raise VlacError(f"{path} is damaged or is no model of this package.", "Delete it and train again.") from None
