"""Images of a .npy or .npz file, as those of a folder: the middle square of each in RGB, named by its index."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlac.data.pictures import BATCH, SIDE, Part, Pictures, fitted, joined, parts_of_folder
from vlac.errors import VlacError

SUFFIXES = (".npy", ".npz")


def read(path: Path, side: int = SIDE) -> Pictures:
    """Return all images of a folder, or of a file of an array, side x side; raise VlacError if there are none."""
    return joined(parts_of(path, side), path)


def parts_of(path: Path, side: int) -> list[Part]:
    """Return the images of a folder, or of a file of an array, in parts; of a .npz file all are in memory.

    Raises:
        VlacError: it is neither, or holds no images.
    """
    if not path.is_file() or path.suffix.lower() not in SUFFIXES:
        return parts_of_folder(path, side)
    array = _array(path)
    names = [str(index) for index in range(len(array))]
    starts = range(0, len(array), BATCH)
    return [Part(names[at : at + BATCH], partial(_fit, array, names[at : at + BATCH], side)) for at in starts]


def _fit(array: NDArray[np.uint8], names: Sequence[str], side: int) -> Pictures:
    return Pictures(list(names), np.stack([fitted(Image.fromarray(array[int(name)]), side) for name in names]))


def _array(path: Path) -> NDArray[np.uint8]:
    """Return the array of a file: the one called images, or the only one."""
    try:
        content = np.load(path, mmap_mode="r", allow_pickle=False)
        arrays = {"it": content} if isinstance(content, np.ndarray) else content
        names = [name for name in arrays if name == "images"] or list(arrays)
        array = arrays[names[0]]
    except Exception:  # a damaged file makes numpy and zipfile raise nearly anything
        raise VlacError(f"{path} is damaged, or holds no plain array.", "Write it by numpy.save or savez.") from None
    if len(names) > 1:
        raise VlacError(f"{path} has {len(names)} arrays.", "Call the one that is meant images.")
    # A last axis of 3 or 4 is the colours of one image.
    of_pictures = (array.ndim == 3 and array.shape[2] > 4) or (array.ndim == 4 and array.shape[3] == 3)
    if array.dtype != np.uint8 or not of_pictures or not array.size:
        raise VlacError(
            f"{path}: {names[0]} is {array.dtype} {array.shape}.",
            "Images are uint8 (N, H, W, 3), or (N, H, W) if grey; one image is image[None].",
        )
    return array
