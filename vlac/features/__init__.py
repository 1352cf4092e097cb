"""What a method may see of an image in the place of its pixels: features that are computed, not learnt."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlac.files import atomic, locked, parsed, remove_leftovers

if TYPE_CHECKING:
    import numpy as np

Sees = Literal["pixels", "gist"]
"""The features by name, for the settings of a method."""

SIZE: dict[Sees, int] = {"pixels": 32 * 32 * 3, "gist": 960}
"""Numbers of an image."""

FOLDER = Path("checkpoints/features")
"""Features of many images, named after what they depend on: jobs share them."""

KEPT_FROM = 1000
"""Images from which on it takes longer to compute their features than to read them."""


def compute(images: np.ndarray, sees: Sees) -> np.ndarray:
    """Return the features, float32 (N, SIZE), of images, uint8 (N, 32, 32, 3); pixels in [0, 1]."""
    if sees == "pixels":
        pixels = images.reshape(len(images), -1).astype("float32")
        pixels /= 255  # in place, as of all SVHN they take a gigabyte
        return pixels
    import numpy as np

    from vlac.features import gist

    if len(images) < KEPT_FROM:
        return gist.gist(images)
    of = hashlib.sha256(Path(gist.__file__).read_bytes())
    of.update(np.ascontiguousarray(images).data)
    path = FOLDER / f"{sees}-{of.hexdigest()[:20]}.npz"  # a zip file has checksums
    with locked(path.with_suffix(".lock")):
        if not path.exists():
            remove_leftovers(path)
            with atomic(path) as file:
                np.savez(file, features=gist.gist(images))

    def features() -> np.ndarray:
        with np.load(path) as kept:
            found: np.ndarray = kept["features"]
        return found

    return parsed(path, features)
