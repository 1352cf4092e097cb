"""Trained methods on disk: reproducible files, whose damage is noticed and in which no code is run."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from vlac.errors import VlacError
from vlac.files import write_bytes
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


def write_archive(path: Path, content: dict[str, Any]) -> None:
    """Write tensors and plain types with torch.save, atomically; equal content gives equal bytes."""
    buffer = io.BytesIO()
    # Saved through a file object: a path would put its own name into the archive, and so into the bytes.
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def read_archive(path: Path) -> dict[str, Any]:
    """Return what `write_archive` wrote, tensors on the CPU; no code in the file is run.

    Raises:
        FileNotFoundError: there is no such file.
        Exception: of nearly any kind, if the file is damaged; a single wrong bit in a tensor is noticed.
    """
    with zipfile.ZipFile(path) as archive:
        # torch.load leaves the checksums of the members unread.
        if damaged := archive.testzip():
            raise ValueError(f"{damaged} does not match its checksum")
    content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return content
