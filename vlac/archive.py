"""Tensors and plain types on disk: reproducible files, whose damage is noticed and in which no code is run."""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from vlac.files import write_bytes


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
