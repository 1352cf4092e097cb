"""Digit files in the layout of the official SVHN download (cropped digits): read, written, described.

Such a file is a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), in which the digit 0 is stored as 10.
Source: http://ufldl.stanford.edu/housenumbers/.
"""

import hashlib
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy.io import savemat

from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError, one_line
from vlac.files import atomic, read_json, sha256

OFFICIAL = {
    "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test": "eb5a983be6a315427106f1b164d9cef3",
    "extra": "a93ce644f1a588dc4d68dda5feec44a7",
}
"""MD5 checksums of the official files."""

LAYOUT = "A digit file holds X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), as the official train_32x32.mat does."
HEADER = b"MATLAB 5.0 MAT-file, digits in the SVHN layout".ljust(116)

# A damaged file can end the process that SciPy reads it in, so that is another one, which hands over what it found.
READER = """
import sys, numpy, scipy.io
found = scipy.io.loadmat(sys.argv[1], appendmat=False, variable_names=["X", "y"])
arrays = {name: numpy.asarray(found[name]) for name in ("X", "y") if name in found}
numpy.savez(sys.stdout.buffer, allow_pickle=False, **arrays)
"""


class File(BaseModel):
    """A digit file: split, name, size, hash in hexadecimal, number of images, and whether it is the official one."""

    model_config = ConfigDict(strict=True)

    split: Literal["train", "extra", "test"]
    name: str
    bytes: int
    sha256: str
    count: int
    official: bool


class Source(BaseModel):
    """What data/source.json says: which digit files the arrays were made of."""

    model_config = ConfigDict(strict=True)

    source: Literal["digits", "svhn"]
    files: list[File]


def read_source(path: Path) -> dict[str, Any]:
    """Return the content of data/source.json.

    Raises:
        VlacError: the file is missing, damaged or something else.
    """
    try:
        return Source.model_validate(read_json(path)).model_dump()
    except ValidationError:
        raise VlacError(f"{path} is damaged.", "Delete it and run the stage download again.") from None


def file_name(split: str) -> str:
    """Return the official file name of a split: "train" -> "train_32x32.mat"."""
    return f"{split}_32x32.mat"


def describe(split: str, path: Path) -> dict[str, str | int | bool]:
    """Check the content of a split's digit file and return the fields of `File` but for `split`.

    Raises:
        VlacError: the file is no digit file; `read_mat` says why.
    """
    _, labels = read_mat(path)
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "count": len(labels),
        "official": md5 == OFFICIAL[split],
    }


def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a digit file.

    Returns:
        images, uint8 (N, 32, 32, 3), and labels, uint8 (N,), digits 0..9; N >= 1.

    Raises:
        VlacError: the file is missing, damaged, no MATLAB 5 file, or its content has another layout.
    """
    if not path.is_file():
        raise VlacError(f"{path} is missing or no file.", LAYOUT)
    arrays = _arrays(path)
    X, y = arrays.get("X", np.empty(0)), arrays.get("y", np.empty(0))
    N = X.shape[-1] if X.ndim else 0
    if X.dtype != np.uint8 or y.dtype != np.uint8 or X.shape != (*IMAGE_SHAPE, N) or y.shape != (N, 1) or N == 0:
        holds = " and ".join(f"{name}, {array.dtype} {array.shape}" for name, array in arrays.items())
        raise VlacError(f"{path} holds {holds or 'neither X nor y'}.", LAYOUT)
    outside = y[(y < 1) | (y > 10)]
    if outside.size:
        raise VlacError(
            f"{path} holds the label {outside[0]}, but labels run from 1 to 10.",
            "The digit 0 is stored as 10; correct the file's y.",
        )
    return np.ascontiguousarray(X.transpose(3, 0, 1, 2)), y[:, 0] % 10


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Return X and y of a .mat file as they are, as far as it has them."""
    try:
        with tempfile.TemporaryFile() as file:
            command = [sys.executable, "-c", READER, str(path)]
            done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, errors="replace")
            if done.returncode == 0:
                file.seek(0)
                with np.load(file, allow_pickle=False) as archive:
                    return dict(archive)
    except OSError as error:
        raise VlacError(f"{path} could not be read: {error.strerror}.", "Make room for temporary files.") from None
    code, said = done.returncode, done.stderr.strip().splitlines() or ["no reason given"]
    why = said[-1] if code > 0 else f"its reader ended: {signal.strsignal(-code)}"
    raise VlacError(
        one_line(f"{path} is truncated, damaged or no .mat file ({why})."),
        "Free memory if it was short; otherwise delete the file and download or copy it again.",
    )


def write_mat(path: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """Write a digit file, atomically; equal content gives equal bytes.

    Args:
        path: where to write it.
        images: uint8 (N, 32, 32, 3).
        labels: uint8 (N,), digits 0..9.

    Raises:
        VlacError: the file cannot be written.
    """
    y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
    with atomic(path) as file:
        savemat(file, {"X": images.transpose(1, 2, 3, 0), "y": y})
        # SciPy writes the date and the platform into the free text at the start.
        file.seek(0)
        file.write(HEADER)
