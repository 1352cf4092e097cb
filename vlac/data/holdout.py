"""The labelled hold-out of the training split, the same images for whoever asks for so many."""

import numpy as np

from vlac.errors import VlacError

SEED = 0
"""Of the permutation that chooses the hold-out; fixed, so that every model and seed is judged on the same images."""


def hold_out(count: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of `count` held-out images and those of the others, both int64, of `images` in all.

    Raises:
        VlacError: the hold-out is not smaller than the split.
    """
    if count >= images:
        raise VlacError(f"The hold-out is {count} images, but there are only {images} training images.", "Lower it.")
    order = np.random.default_rng(SEED).permutation(images)
    return order[:count], order[count:]
