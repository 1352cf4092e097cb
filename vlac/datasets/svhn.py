"""SVHN, the cropped digits (Netzer et al., 2011), in the files of its page.

Such a file is a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), in which the digit 0 is stored as 10.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vlac.datasets import base
from vlac.errors import VlacError, one_line

if TYPE_CHECKING:
    import numpy as np

    from vlac.data.split import Split

PAGE = "http://ufldl.stanford.edu/housenumbers"
OFFLINE = (
    "Without network, set data.path in params.yaml, or the environment variable VLAC_DATA, to a folder with "
    "train_32x32.mat and test_32x32.mat, or set data.source to digits."
)

TIMEOUT = 30.0  # seconds without an answer, or without a byte
RETRIES = 3

OFFICIAL = {
    "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test": "eb5a983be6a315427106f1b164d9cef3",
    "extra": "a93ce644f1a588dc4d68dda5feec44a7",
}
"""MD5 checksums of the official files."""

LAYOUT = "A digit file holds X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), as the official train_32x32.mat does."


class Dataset(base.Dataset):
    """`data.train_split` says which files to train on, `data.path` where they are if not on the official page."""

    title = "SVHN, cropped digits"
    published = True

    def fetch(self) -> list[base.File]:
        """Download or find the files of all splits."""
        splits = [*self.data.train_split.split("+"), "test"]
        paths = locate(os.environ.get(base.ENVIRONMENT) or self.data.path, splits, self.folder)
        return [
            base.File.of(split, path, len(read_mat(path)[1]), _md5(path) == OFFICIAL[split])
            for split, path in paths.items()
        ]

    def read(self, file: base.File) -> Split:
        """Return a split, whose one known factor is the digit."""
        from vlac.data.split import from_labels

        return from_labels(*read_mat(Path(file.path)))

    def describe(self, files: list[base.File]) -> str:
        """Return whether the files are the official ones."""
        official = "the official files" if all(file.official for file in files) else "not the official bytes"
        return f"SVHN cropped digits (Netzer et al., 2011), {official}."


def read_mat(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and labels of a digit file.

    Returns:
        images, uint8 (N, 32, 32, 3), and labels, uint8 (N,), digits 0..9; N >= 1.

    Raises:
        VlacError: the file is missing, damaged, no MATLAB 5 file, or its content has another layout.
    """
    import numpy as np
    from scipy.io import loadmat

    from vlac.data.split import IMAGE_SHAPE

    if not path.is_file():
        raise VlacError(f"{path} is missing or no file.", LAYOUT)
    try:
        found = loadmat(path, appendmat=False, variable_names=["X", "y"])
    except Exception as error:  # of nearly any kind
        raise VlacError(
            one_line(f"{path} is truncated, damaged or no .mat file ({error})."),
            "Delete the file and download or copy it again.",
        ) from None
    arrays = {name: found[name] for name in ("X", "y") if name in found}
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


def locate(source: str | None, splits: list[str], raw: Path) -> dict[str, Path]:
    """Return the digit file of each split, "train", "test" or "extra", downloading what is not yet there.

    Args:
        source: None for the official page; http(s):// for a mirror, without the file name; else a folder to use as is.
        raw: folder that keeps downloads; those of a mirror in a folder of their own.

    Raises VlacError if a file cannot be had, or is not the official one where the source is the official page.
    """
    names = {split: f"{split}_32x32.mat" for split in splits}
    if source is None:
        return {split: _download(name, PAGE, raw, f"md5:{OFFICIAL[split]}") for split, name in names.items()}
    if source.startswith(("http://", "https://")):
        address = source.rstrip("/")
        # Files of two mirrors share their names, not their content.
        folder = raw / f"mirror-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
        return {split: _download(name, address, folder, None) for split, name in names.items()}
    folder = Path(os.path.expanduser(source))
    if missing := [name for name in names.values() if not os.path.isfile(folder / name)]:
        raise VlacError(
            one_line(f"{folder} holds no {missing[0]}."),
            f"Put the file there, or correct data.path in params.yaml, or the environment variable VLAC_DATA. {LAYOUT}",
        )
    return {split: folder / name for split, name in names.items()}


def _download(name: str, address: str, folder: Path, checksum: str | None) -> Path:
    """Return a file in `folder`, downloaded unless it is there with its checksum, where it has one."""
    import pooch  # where the files are in a folder, a machine may lack it

    store = pooch.Pooch(folder, f"{address}/", {name: checksum}, retry_if_failed=RETRIES)
    try:
        store.fetch(name, downloader=pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT))
    except (OSError, ValueError) as error:  # those of requests are OSErrors, a wrong checksum is a ValueError
        behind: BaseException = error
        while behind.__context__:  # requests wraps others
            behind = behind.__context__
        raise VlacError(
            one_line(f"{address}/{name} could not be fetched: {behind}."), f"Run the same command again. {OFFLINE}"
        ) from None
    return folder / name


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
