"""The SVHN files: from the official page, a mirror or a folder, checked before anything reads them, and what they hold.

Such a file is a MATLAB 5 file with X, uint8 (32, 32, 3, N), and y, uint8 (N, 1), in which the digit 0 is stored as 10.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError, one_line
from vlac.files import reason

if TYPE_CHECKING:
    import pooch

PAGE = "http://ufldl.stanford.edu/housenumbers"
CORRECT = "Correct data.path in params.yaml, or the environment variable VLAC_DATA."
OFFLINE = (
    "Without network, set data.path in params.yaml, or the environment variable VLAC_DATA, to a folder with the .mat "
    "files, such as train_32x32.mat and test_32x32.mat, or set data.source to digits."
)

TIMEOUT = 10.0  # seconds without an answer, or without a byte
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further attempt

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


def locate(source: str | None, splits: list[str], raw: Path) -> dict[str, Path]:
    """Return the digit file of each split, "train", "test" or "extra", downloading what is not yet there.

    Args:
        source: None for the official page; http(s):// for a mirror, without the file name; else a folder to use as is.
        raw: folder that keeps downloads; those of a mirror in a folder of their own.

    Raises VlacError if a file cannot be had, or fails its checksum (official page) or its content check (mirror).
    """
    if source is None:
        return {split: _download(split, PAGE, raw, OFFICIAL[split]) for split in splits}
    if "://" in source:
        if not source.startswith(("http://", "https://")) or not source.isprintable():
            raise VlacError(one_line(f"{source} is neither an http(s) address nor a folder."), CORRECT)
        address = source.rstrip("/")
        # Files of two mirrors share their names, not their content.
        folder = raw / f"mirror-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
        return {split: _download(split, address, folder, None) for split in splits}
    folder = Path(os.path.expanduser(source))
    try:
        held = os.listdir(folder)
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        why = getattr(error, "strerror", error)
        raise VlacError(one_line(f"The data folder {folder} cannot be read: {why}."), CORRECT) from None
    if missing := [name for name in map(file_name, splits) if name not in held]:
        raise VlacError(one_line(f"{folder} holds no {missing[0]}."), f"Put the file there. {LAYOUT}")
    return {split: folder / file_name(split) for split in splits}


def _download(split: str, address: str, folder: Path, md5: str | None) -> Path:
    """Return the file of a split in `folder`, downloaded unless it is there with its checksum, where it has one."""
    import pooch  # where the files are in a folder, a machine may lack it

    name = file_name(split)
    store = pooch.Pooch(folder, f"{address}/", {name: md5 and f"md5:{md5}"})
    try:
        store.fetch(name, downloader=_resume)
    except VlacError as error:
        raise VlacError(one_line(error.message), f"{error.hint} {OFFLINE}".strip()) from None
    except ValueError:
        said = f"{name} arrived with another MD5 checksum than the official {md5}, and was deleted."
        raise VlacError(said, f"Run the same command again. {OFFLINE}") from None
    except OSError as error:
        raise VlacError(f"{folder / name} could not be written: {reason(error)}.", "Run again; it resumes.") from None
    return folder / name


def _resume(url: str, output: str, store: pooch.Pooch) -> None:
    """Download `url` for pooch, which checks and renames `output`; what has arrived is kept beside it after a failure.

    Raises VlacError after all attempts, or if the server refuses or sends something else than the file.
    """
    os.remove(output)  # it is empty, and would stay if this process were killed
    name = url.rpartition("/")[2]
    part = Path(store.path, f"{name}.part")
    failures = 0
    while True:
        before = _size(part)
        try:
            _attempt(url, part)
            break
        except (requests.RequestException, HTTPError) as error:
            failures = 0 if _size(part) > before else failures + 1  # while it moves, patience does not end
            if failures > len(PAUSES):
                said = f"{url} could not be fetched: {_reason(error)}."
                raise VlacError(said, "Run the same command again to resume.") from None
            time.sleep(PAUSES[failures - 1] if failures else 0)
    if store.registry[name] is None:  # a mirror's bytes may be its own, but they must be digits
        try:
            read_mat(part)
        except VlacError as error:
            part.unlink()
            raise VlacError(f"{url} is no digit file and was deleted: {error.message}", CORRECT) from None
    part.replace(output)


def _attempt(url: str, part: Path) -> None:
    """Ask for the bytes that `part` lacks and append them; requests' exceptions say that another attempt may help."""
    start = _size(part)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        status, ranges = answer.status_code, answer.headers.get("Content-Range", "")
        if status == 416 and ranges == f"bytes */{start}":
            return  # nothing lies past `start`: the file is complete
        if status == 416 or (status == 206 and not ranges.startswith(f"bytes {start}-")):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part of the file than asked for")
        if status in (408, 429) or status >= 500:  # these pass by themselves
            raise requests.ConnectionError(f"the server answered {status} {answer.reason}")
        if status not in (200, 206) or answer.headers.get("Content-Type", "").startswith("text/html"):
            what = f"answered {status} {answer.reason}" if status not in (200, 206) else "sent a web page"
            raise VlacError(f"{url} could not be fetched: the server {what}.", "Look at the address in a browser.")
        start = start if status == 206 else 0  # a server without ranges sends the file from its first byte
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        bar = tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, disable=None)
        with part.open("ab" if start else "wb") as file, bar:
            while chunk := answer.raw.read1(1 << 18):  # what is there: an interruption loses nothing that has arrived
                bar.update(file.write(chunk))


def _reason(error: BaseException) -> str:
    """Return in a few words what is behind an exception of requests, which wraps others."""
    while error.__context__:
        error = error.__context__
    return "no answer from the server" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
