"""What a method may see of an image in the place of its pixels: features that are computed, not learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

Sees = Literal["pixels", "gist"]
"""The features by name, for the settings of a method."""

SIZE: dict[Sees, int] = {"pixels": 32 * 32 * 3, "gist": 960}
"""Numbers of an image."""

TITLE: dict[Sees, str] = {"pixels": "pixels", "gist": "GIST"}
"""What a label calls them."""

DESCRIPTION: dict[Sees, str] = {
    "pixels": "pixels in [0, 1]",
    "gist": (
        "colour GIST of 960 numbers (Oliva and Torralba, 2001; as lear_gist: 3 scales of 8, 8 and 4 orientations, "
        "4 x 4 blocks, 3 channels)"
    ),
}
"""What they are, for the table's notes."""


def compute(images: np.ndarray, sees: Sees) -> np.ndarray:
    """Return the features, float32 (N, SIZE), of images, uint8 (N, 32, 32, 3); pixels in [0, 1]."""
    if sees == "pixels":
        return images.reshape(len(images), -1).astype("float32") / 255
    from vlac.features.gist import gist

    return gist(images)
