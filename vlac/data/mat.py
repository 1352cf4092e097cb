"""Digit files in the layout of the official SVHN download (format 2, cropped digits), read and written.

Such a file is a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), in which the digit 0 is stored as 10.
Source: http://ufldl.stanford.edu/housenumbers/.
"""

from itertools import islice
from pathlib import Path

import numpy as np
from scipy.io import savemat

from vlac.data.matlab import read_arrays
from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError
from vlac.files import atomic

LAYOUT = "A digit file holds X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), as the official train_32x32.mat does."
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".ppm", ".gif", ".tif", ".tiff"}

HEADER = b"MATLAB 5.0 MAT-file, digits in the SVHN layout".ljust(116)
LIMIT = 2**32  # bytes: a MATLAB 5 array is smaller


def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a digit file.

    Returns:
        images, uint8 (N, 32, 32, 3), and labels, uint8 (N,), digits 0..9; N >= 1.

    Raises:
        VlacError: the file is missing, a folder, truncated, no MATLAB 5 file, or its content has another layout.
    """
    _refuse_what_is_no_file(path)
    try:
        arrays = read_arrays(path, ("X", "y"))
    except MemoryError:
        raise VlacError(f"There is not enough memory to read {path}.", "Free some, or use a smaller file.") from None
    except (ValueError, OSError) as error:
        raise VlacError(
            f"{path} is truncated, damaged or no .mat file ({error}).", "Delete it and download or copy it again."
        ) from None
    for name in ("X", "y"):
        if name not in arrays:
            raise VlacError(f"{path} has no {name}.", LAYOUT)
    X, y = arrays["X"].values, arrays["y"].values
    if X is None or X.ndim != 4 or X.shape[:3] != IMAGE_SHAPE:
        raise VlacError(f"{path} has an X that is {arrays['X']}, not uint8 (32, 32, 3, N).", LAYOUT)
    if y is None or y.ndim != 2 or y.shape[1] != 1:
        raise VlacError(f"{path} has a y that is {arrays['y']}, not uint8 (N, 1).", LAYOUT)
    if X.shape[3] == 0:
        raise VlacError(f"{path} holds no images.", LAYOUT)
    if X.shape[3] != len(y):
        raise VlacError(f"{path} holds {X.shape[3]} images but {len(y)} labels.", LAYOUT)
    outside = y[(y < 1) | (y > 10)]
    if outside.size:
        raise VlacError(
            f"{path} holds the label {outside[0]}, but labels run from 1 to 10.",
            "The digit 0 is stored as 10; correct the file's y.",
        )
    return np.ascontiguousarray(X.transpose(3, 0, 1, 2)), y[:, 0] % 10


def write_mat(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a digit file, atomically; equal content gives equal bytes.

    Args:
        path: where to write it.
        images: uint8 (N, 32, 32, 3).
        labels: uint8 (N,), digits 0..9.

    Raises:
        VlacError: the file cannot be written, or has no room for so many images.
    """
    if images.nbytes >= LIMIT:
        raise VlacError(f"{path} has no room for {len(images)} images.", f"Ask for at most {LIMIT // 3072 - 1}.")
    y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    with atomic(path) as file:
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": y})
        # SciPy writes the date and the platform into the free text at the start.
        file.seek(0)
        file.write(HEADER)


def folder_without(folder: Path, name: str) -> VlacError:
    """Return the error for a folder that lacks the digit file `name`, and say so if it holds pictures instead."""
    # A look at the first entries: the folder may be a whole disk.
    if any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in islice(folder.rglob("*"), 10_000)):
        return VlacError(
            f"{folder} holds pictures, and folders of pictures are not read.",
            f"Put {name} there, in the official SVHN layout: X, uint8 (32, 32, 3, N), and y, uint8 (N, 1).",
        )
    return VlacError(f"{folder} holds no {name}.", f"Put the file there. {LAYOUT}")


def _refuse_what_is_no_file(path: Path) -> None:
    """Raise for a missing path, a folder, and HDF5 files, which the MATLAB 5 reader would call damaged."""
    if path.is_dir():
        raise folder_without(path, "train_32x32.mat")
    try:
        with path.open("rb") as file:
            start = file.read(1024)
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", LAYOUT) from None
    except OSError as error:
        raise VlacError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from None
    if not start:
        raise VlacError(f"{path} is empty.", "Delete it and download or copy it again.")
    if start.startswith((b"MATLAB 7.3", b"\x89HDF\r\n\x1a\n")):
        raise _hdf5(path)
    if start.lstrip()[:1] == b"<":
        raise VlacError(f"{path} is a web page, no .mat file.", "Delete it and check the address it came from.")


def _hdf5(path: Path) -> VlacError:
    return VlacError(
        f"{path} is a MATLAB 7.3 (HDF5) file, which the official SVHN files are not.",
        "Save it with `save(..., '-v7')` in MATLAB, or use the official file.",
    )
