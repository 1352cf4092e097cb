"""Atomic, reproducible files: a reader sees the old bytes or the new bytes, and equal content has equal bytes."""

import csv
import errno
import glob
import hashlib
import io
import json
import math
import numbers
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from vlac.errors import VlacError, one_line

if TYPE_CHECKING:
    import pandas as pd  # costs half a second, which every call of an engine would pay

Content = TypeVar("Content")


@contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path` for binary writing, and rename it to `path` once it is complete.

    Raises:
        VlacError: the file cannot be written (disk full, read-only folder); `path` is left as it was.
    """
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


def remove_leftovers(path: Path) -> None:
    """Delete what processes that were killed while they wrote `path` have left beside it; nobody may be writing it."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError):
            left.unlink()


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


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Collection[str] = ()) -> None:
    """Write rows as CSV, atomically: floats with six significant digits, None and NaN empty, `\\n` line ends.

    Args:
        path: the file.
        rows: values by column; a row may lack some.
        columns: the columns in order; without them, those of the rows in the order of their first appearance.
    """
    rows = list(rows)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = columns or dict.fromkeys(name for row in rows for name in row)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    write_text(path, buffer.getvalue())


def _cell(value: Any) -> Any:
    if not isinstance(value, numbers.Real) or isinstance(value, numbers.Integral):
        return value
    return "" if value != value else f"{value:.6g}"


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        VlacError: the file is missing, unreadable or no JSON.
    """
    return _read(path, lambda: json.loads(path.read_text()))


def read_csv(path: Path, text: Collection[str] = ()) -> "pd.DataFrame":
    """Return the content of a CSV file that holds numbers, but for the columns named in `text`.

    Raises:
        VlacError: the file is missing, unreadable or no CSV, or a number is none.
    """
    import pandas as pd

    table = _read(path, lambda: pd.read_csv(path))
    for name, column in table.items():
        if name not in text and not pd.api.types.is_numeric_dtype(column) and len(column):
            raise VlacError(f"{path} is damaged (its column {name} is no numbers).", "Delete it and rerun its stage.")
    return table


def read_rows(path: Path, text: Collection[str] = ()) -> list[dict[str, Any]]:
    """Return the rows of a CSV file as `read_csv`, by column, an empty number as NaN; without pandas' half a second.

    Raises:
        VlacError: the file is missing, unreadable or no CSV, or a number is none.
    """

    def parse() -> list[dict[str, Any]]:
        header, *lines = csv.reader(path.read_text().splitlines())
        return [
            {name: cell if name in text else float(cell or math.nan) for name, cell in zip(header, line, strict=True)}
            for line in lines
        ]

    return _read(path, parse)


def _read(path: Path, parse: Callable[[], Content]) -> Content:
    try:
        return parse()
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", "Run its stage: `python -m vlac plan` lists them.") from None
    except (OSError, ValueError, RecursionError, csv.Error) as error:
        raise VlacError(one_line(f"{path} is damaged ({error})."), "Delete it and run its stage again.") from None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, or of the names and bytes of a folder's files, in hexadecimal.

    Hidden files of a folder do not count: Snakemake leaves one there.

    Raises:
        VlacError: the file is missing or unreadable.
    """
    if path.is_dir():
        files = [file for file in sorted(path.iterdir()) if not file.name.startswith(".")]
        return hashlib.sha256("\n".join(f"{file.name} {sha256(file)}" for file in files).encode()).hexdigest()
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VlacError(f"{path} cannot be read: {error.strerror}.", "Run the stage that makes it.") from None
