"""Digit files in the layout of the official SVHN download (cropped digits), and how to read them.

Such a file is a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), in which the digit 0 is stored as 10.
Source: http://ufldl.stanford.edu/housenumbers/.
"""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError, one_line

OFFICIAL = {
    "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test": "eb5a983be6a315427106f1b164d9cef3",
    "extra": "a93ce644f1a588dc4d68dda5feec44a7",
}
"""MD5 checksums of the official files."""

LAYOUT = "A digit file holds X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), as the official train_32x32.mat does."

# A damaged file can end the process that SciPy reads it in, so that is another one, which prints what it found.
READER = """
import sys, numpy, scipy.io
found = scipy.io.loadmat(sys.argv[1], appendmat=False, variable_names=["X", "y"])
numpy.savez(sys.stdout.buffer, allow_pickle=False, **{name: found[name] for name in ("X", "y") if name in found})
"""


def file_name(split: str) -> str:
    """Return the official file name of a split: "train" -> "train_32x32.mat"."""
    return f"{split}_32x32.mat"


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
    N = y.size
    if X.dtype != np.uint8 or y.dtype != np.uint8 or X.shape != (*IMAGE_SHAPE, N) or y.shape != (N, 1) or N == 0:
        holds = " and ".join(f"{name}, {array.dtype} {array.shape}" for name, array in arrays.items())
        raise VlacError(f"{path} holds {holds or 'neither X nor y'}.", LAYOUT)
    if (outside := y[(y < 1) | (y > 10)]).size:
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
