"""Pictures of one's own: FOLDER/train/CLASS/... and FOLDER/test/CLASS/..., the classes for scoring alone."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path
from typing import Any

from vlac.datasets import base
from vlac.errors import VlacError

log = logging.getLogger(__name__)

MOST_CLASSES = 256

ADVICE = (
    f"Sort all pictures into train/CLASS/ and test/CLASS/, of the same 2 to {MOST_CLASSES} classes; without classes, "
    "use `vlac cluster`."
)


class Dataset(base.Dataset):
    """`data.path` is the folder."""

    title = "pictures of a folder"

    @classmethod
    def check(cls, data: Any) -> None:
        """Raise ValueError if no folder is named, or another split than `train`."""
        if data.path is None and not os.environ.get(base.ENVIRONMENT):
            raise ValueError(
                f"path, or {base.ENVIRONMENT}, must be a folder of pictures in train/CLASS/ and test/CLASS/"
            )
        if data.train_split != "train":
            raise ValueError("train_split must be train: a folder of pictures has no other")

    def fetch(self) -> list[base.File]:
        """Read all pictures, as 32 x 32 RGB; name those that cannot be read."""
        import numpy as np

        from vlac.data.pictures import read_folder
        from vlac.data.split import from_labels

        path = os.path.expanduser(os.environ.get(base.ENVIRONMENT) or self.data.path)
        key = hashlib.sha256(path.encode()).hexdigest()[:12]
        classes: list[str] = []
        files = []
        for name in ("train", "test"):
            if not Path(path, name).is_dir():
                raise VlacError(f"{path}/{name} is no folder.", f"{ADVICE} {base.ENVIRONMENT} overrides data.path.")
            pictures = read_folder(Path(path, name))
            for broken, why in pictures.broken.items():
                log.warning("Left out: %s/%s: %s.", name, broken, why)
            of = [Path(picture).parts[0] for picture in pictures.names]  # the file itself where there is no class
            classes = classes or sorted(set(of))
            odd = sorted({*of} - {*classes} | {*of} & {*pictures.names})
            if odd or not 2 <= len(classes) <= MOST_CLASSES:
                what = f"{odd[0]}, which is no class of train" if odd else f"{len(classes)} class(es)"
                raise VlacError(f"{path}/{name} has {what}.", ADVICE)
            labels = np.array([classes.index(label) for label in of], np.uint8)
            to = self.folder / f"{name}_{key}.npz"
            from_labels(pictures.images, labels, "class", tuple(classes)).save(to)
            files.append(base.File.of(name, to, len(labels)))
        return files

    def describe(self, files: list[base.File]) -> str:
        """Return what the pictures are."""
        return f"{sum(file.count for file in files):,} pictures, the middle square of each as 32 x 32 RGB."
