"""Images of a .npy or .npz file, as those of a folder: the middle square of each in RGB, named by its index."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlac.data.pictures import BATCH, SIDE, Pictures, files_of, fitted, joined, read_in_parts
from vlac.errors import VlacError

SUFFIXES = (".npy", ".npz")


def read(path: Path, side: int = SIDE) -> Pictures:
    """Return all images of a folder, or of a file of an array, side x side; raise VlacError if there are none."""
    return joined(list(parts_of(path, side)), path)


def parts_of(path: Path, side: int) -> Iterator[Pictures]:
    """Yield the images of a folder, or of a file of an array, some at a time; of a .npz file all are in memory.

    Raises:
        VlacError: it is neither, or holds no images.
    """
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        array = _array(path)
        for start in range(0, len(array), BATCH):
            part = array[start : start + BATCH]
            images = np.stack([fitted(Image.fromarray(image), side) for image in part])
            yield Pictures([str(index) for index in range(start, start + len(part))], images)
    else:
        yield from read_in_parts(files_of(path), path, side)


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
