"""SVHN, the cropped digits (Netzer et al., 2011), in the files of its page."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from vlac.datasets import base

if TYPE_CHECKING:
    from vlac.data.split import Split


class Dataset(base.Dataset):
    """`data.train_split` says which files to train on, `data.path` where they are if not on the official page."""

    title = "SVHN, cropped digits"
    published = True

    def fetch(self) -> list[base.File]:
        """Download or find the files of all splits."""
        from vlac.data.svhn import OFFICIAL, locate, read_mat

        splits = [*self.data.train_split.split("+"), "test"]
        paths = locate(os.environ.get(base.ENVIRONMENT) or self.data.path, splits, self.folder)
        return [
            base.File.of(split, path, len(read_mat(path)[1]), _md5(path) == OFFICIAL[split])
            for split, path in paths.items()
        ]

    def read(self, file: base.File) -> Split:
        """Return a split, whose one known factor is the digit."""
        from vlac.data.split import from_labels
        from vlac.data.svhn import read_mat

        return from_labels(*read_mat(Path(file.path)))

    def describe(self, files: list[base.File]) -> str:
        """Return the names of the files, and whether they are the official ones."""
        names = (
            f"{file.name} ({'the official file' if file.official else 'not the official bytes'}, "
            f"sha256 {file.sha256[:12]})"
            for file in files
        )
        return f"SVHN cropped digits (Netzer et al., 2011): {', '.join(names)}."


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
