"""Atomic, reproducible files: a reader sees the old bytes or the new bytes, and equal content has equal bytes.

A file that cannot be written or read, is missing or damaged raises VlacError, which names it and says what to do.
"""

import errno
import glob
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from filelock import FileLock

from vlac.errors import VlacError, one_line

Content = TypeVar("Content")


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for binary writing, and rename it to `path` once it is complete."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise VlacError(f"{path} could not be written: {reason(error)}.", "Correct that and run again.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_leftovers(path: Path, older: float = 0.0) -> None:
    """Delete what processes that were killed while they wrote `path` have left beside it, if so many seconds ago.

    Nobody else may be writing `path`, or not for so long.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime >= older:
                left.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file for the length of a `with` block, once nobody else holds it."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise VlacError(f"{path} could not be written: {reason(error)}.", "Correct that and run again.") from None
    try:
        yield
    finally:
        lock.release()


def reason(error: OSError) -> str:
    """Return in a few words why a file could not be written."""
    return "the disk is full" if error.errno == errno.ENOSPC else (error.strerror or str(error))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic(path) as file:
        file.write(content)


def write_text(path: Path, content: str) -> None:
    """Write `content` as UTF-8 with line ends as they stand, atomically."""
    write_bytes(path, content.encode())


def json_bytes(content: Any) -> bytes:
    """Return `content` as JSON with sorted keys and two-space indent, in UTF-8; NaN and infinity are refused."""
    return (json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def write_json(path: Path, content: Any) -> None:
    """Write `json_bytes(content)` atomically."""
    write_bytes(path, json_bytes(content))


def read_json(path: Path) -> Any:
    """Return the content of a JSON file."""
    return parsed(path, lambda: json.loads(path.read_text()))


def parsed(path: Path, parse: Callable[[], Content]) -> Content:
    """Return what `parse` makes of the file at `path`."""
    try:
        return parse()
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", "Run its stage: `python -m vlac plan` lists them.") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise VlacError(one_line(f"{path} is damaged ({error})."), "Delete it and run its stage again.") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the names and bytes of a folder's files, in hexadecimal.

    Hidden files of a folder do not count: Snakemake leaves one there.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
        return hashlib.sha256("\n".join(f"{file.name} {sha256(file)}" for file in files).encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VlacError(f"{path} cannot be read: {error.strerror}.", "Run the stage that makes it.") from None
