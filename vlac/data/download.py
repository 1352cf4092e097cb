"""Where the SVHN files come from: the official page, a mirror, or a folder, checked before anything reads them."""

import hashlib
import logging
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vlac.data.fetch import fetch
from vlac.data.mat import folder_without, read_mat
from vlac.errors import VlacError, one_line
from vlac.files import sha256

logger = logging.getLogger(__name__)

PAGE = "http://ufldl.stanford.edu/housenumbers"
OFFLINE = (
    "Without network, set data.path in params.yaml, or the environment variable VLAC_DATA, to a folder with "
    "train_32x32.mat and test_32x32.mat, or set data.source to digits."
)

LONGEST = 1000
"""Most characters of a folder's name or an address."""


@dataclass(frozen=True)
class Official:
    """What is known of an official file: MD5 in hexadecimal, and size in bytes where it is published."""

    md5: str
    size: int | None


OFFICIAL = {
    "train": Official("e26dedcc434d2e4c54c9b2d4a06d8373", 182_040_794),
    "test": Official("eb5a983be6a315427106f1b164d9cef3", 64_275_384),
    "extra": Official("a93ce644f1a588dc4d68dda5feec44a7", None),
}


def file_name(split: str) -> str:
    """Return the official file name of a split: "train" -> "train_32x32.mat"."""
    return f"{split}_32x32.mat"


def locate(source: str | None, splits: list[str], raw: Path) -> dict[str, Path]:
    """Return the digit file of each split, downloading what is not yet there.

    Args:
        source: None for the official page; http:// or https:// for a mirror, the folder's address without the file
            name; anything else is a local folder, whose files are used in place.
        splits: of "train", "test", "extra".
        raw: folder that keeps downloads, in a folder of its own for each source.

    Raises:
        VlacError: a file cannot be fetched, fails its checksum (official page) or its content check (mirror), or is
            missing from the folder.
    """
    if source is None:
        return {split: _from_page(split, raw / "svhn" / file_name(split)) for split in splits}
    if len(source) > LONGEST or any(unicodedata.category(char) == "Cc" for char in source):
        raise VlacError(
            one_line(f"{source!r} is the name of no folder and no address."), "Correct data.path or VLAC_DATA."
        )
    if source.startswith(("http://", "https://")):
        # Files of two mirrors share their names, not their content.
        folder = raw / f"mirror-{hashlib.sha256(source.rstrip('/').encode()).hexdigest()[:12]}"
        return {split: _from_mirror(source.rstrip("/"), folder / file_name(split)) for split in splits}
    if "://" in source:
        raise VlacError(f"{source} is neither an http(s) address nor a folder.", "Correct data.path or VLAC_DATA.")
    folder = Path(source)
    with suppress(RuntimeError):  # ~name of nobody stays as it is, and is found missing
        folder = folder.expanduser()
    try:
        return {split: _in_folder(folder, file_name(split)) for split in splits}
    except OSError as error:
        raise VlacError(
            one_line(f"The data folder {folder} cannot be read: {error.strerror}."), "Correct data.path or VLAC_DATA."
        ) from None


def describe(split: str, path: Path) -> dict[str, str | int | bool]:
    """Check the whole content of a split's digit file and say what it is.

    Returns:
        name (without folder), bytes, sha256, count (images), official (whether the bytes are that split's official
        file).

    Raises:
        VlacError: the file is no digit file; `vlac.data.mat.read_mat` says why.
    """
    _, labels = read_mat(path)
    return {
        "name": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
        "count": len(labels),
        "official": _md5(path) == OFFICIAL[split].md5,
    }


def _from_page(split: str, path: Path) -> Path:
    """Return the official file, fetched unless it is there with its checksum."""
    official = OFFICIAL[split]
    if path.exists():
        if _md5(path) == official.md5:
            return path
        logger.warning("%s has another checksum than the official file; it is fetched again.", path)
    part = _part(path)
    if official.size and part.exists() and part.stat().st_size > official.size:
        part.unlink()
    try:
        fetch(f"{PAGE}/{path.name}", part, official.size)
    except VlacError as error:
        raise VlacError(error.message, f"{error.hint} {OFFLINE}".strip()) from None
    found = _md5(part)
    if found != official.md5:
        part.unlink()
        raise VlacError(
            f"{path.name} arrived with the MD5 checksum {found} instead of {official.md5}, and was deleted.",
            f"Run the same command again. {OFFLINE}",
        )
    part.replace(path)
    return path


def _from_mirror(address: str, path: Path) -> Path:
    """Return a mirror's file, fetched unless it is there; its content is checked, for its bytes may be its own."""
    if path.exists():
        return path
    part = _part(path)
    try:
        fetch(f"{address}/{path.name}", part)
    except VlacError as error:
        raise VlacError(error.message, f"{error.hint} {OFFLINE}".strip()) from None
    try:
        read_mat(part)
    except VlacError as error:
        part.unlink()
        raise VlacError(
            f"{address}/{path.name} is no digit file and was deleted: {error.message}",
            f"Check the mirror's address in data.path or VLAC_DATA. {OFFLINE}",
        ) from None
    part.replace(path)
    return path


def _in_folder(folder: Path, name: str) -> Path:
    """Return a file of a local folder, in place."""
    if not folder.exists():
        raise VlacError(
            f"The data folder {folder} does not exist.",
            "Correct data.path in params.yaml, or the environment variable VLAC_DATA.",
        )
    if not folder.is_dir():
        raise VlacError(
            f"{folder} is a file, and data.path (or VLAC_DATA) names a folder.",
            "Name the folder that holds train_32x32.mat and test_32x32.mat.",
        )
    if not (folder / name).is_file():
        raise folder_without(folder, name)
    return folder / name


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
