"""The uint8 arrays of a MATLAB 5 file, read without trusting a byte of it.

SciPy's reader is not used here: a damaged file can crash the interpreter in it, or make it ask for any amount of
memory. This one reads what digit files need, and takes no more memory than the bytes in the file give.
Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf.
"""

import io
import math
import struct
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

HEAD = 128
"""Bytes of text, version and byte order at the start of a file."""

UINT32, INT32, INT8, UINT8, MATRIX, COMPRESSED = 6, 5, 1, 2, 14, 15
"""Types of data elements."""

CLASSES = dict(
    enumerate(
        (
            *("cell", "struct", "object", "char", "sparse", "float64", "float32", "int8", "uint8", "int16", "uint16"),
            *("int32", "uint32", "int64", "uint64", "function", "opaque"),
        ),
        start=1,
    )
)
OPAQUE = 17  # such an array has no shape, and another head
COMPLEX, LOGICAL = 0x800, 0x200

MOST_ARRAYS = 1000
MOST_DIMENSIONS = 32
LONGEST_NAME = 256
CHUNK = 1 << 16
DENSEST = 1040
"""No zlib stream holds more bytes than so many times its own."""


@dataclass(frozen=True)
class Array:
    """An array of a file.

    Attributes:
        kind: its class, "uint8" for a real one of such numbers.
        shape: its dimensions.
        values: uint8, of that shape, where `kind` is "uint8"; None otherwise.
    """

    kind: str
    shape: tuple[int, ...]
    values: np.ndarray | None

    def __str__(self) -> str:
        return f"{self.kind} {self.shape}"


def read_arrays(path: Path, names: Collection[str]) -> dict[str, Array]:
    """Return the first array of each of the `names`, as far as the file has them; what lies behind is not read.

    Raises:
        ValueError: the file is truncated, damaged or no MATLAB 5 file.
        MemoryError: there is no room for an array.
        OSError: the file cannot be read.
    """
    found: dict[str, Array] = {}
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        order = _byte_order(file)
        for _ in range(MOST_ARRAYS):
            begin = file.tell()
            if begin == size or len(found) == len(names):
                return found
            kind, length = struct.unpack(f"{order}II", _exactly(file, 8))
            if not 0 < length <= size - begin - 8:
                raise ValueError(f"the file ends within the element at byte {begin}")
            if kind == COMPRESSED:
                with io.BufferedReader(_Inflated(file, length), CHUNK) as stream:
                    if struct.unpack(f"{order}II", _exactly(stream, 8))[0] != MATRIX:
                        raise ValueError(f"the element at byte {begin} holds no array")
                    name, array = _read_array(stream, order, length * DENSEST, names)
                    if name in names and len(stream.read(9)) > 8:  # to the end, where the checksum is
                        raise ValueError(f"{name} is longer than its shape")
            elif kind == MATRIX:
                name, array = _read_array(file, order, length, names)
            else:
                raise ValueError(f"the element at byte {begin} is no array")
            if array and name not in found:
                found[name] = array
            file.seek(begin + 8 + length)
    raise ValueError(f"the file holds more than {MOST_ARRAYS} arrays")


class _Inflated(io.RawIOBase):
    """The decompressed bytes of the next `length` bytes of a file."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        self.file, self.left = file, length
        self.engine, self.waiting = zlib.decompressobj(), b""

    def readable(self) -> bool:
        """Return that this can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill part of `buffer`, and return how much; 0 at the end.

        Raises:
            ValueError: the bytes are damaged, or end before the stream does.
        """
        while not self.engine.eof:
            if not self.waiting:
                self.waiting = _exactly(self.file, min(CHUNK, self.left))
                self.left -= len(self.waiting)
            given = len(self.waiting)
            try:
                content = self.engine.decompress(self.waiting, len(buffer))
            except zlib.error as error:
                raise ValueError(str(error)) from None
            self.waiting = self.engine.unconsumed_tail
            if content:
                buffer[: len(content)] = content
                return len(content)
            if not given and not self.engine.eof:
                raise ValueError("a compressed array ends too early")
        return 0


def _byte_order(file: IO[bytes]) -> str:
    """Return "<" or ">", and leave the file behind its head."""
    file.seek(HEAD - 4)
    end = _exactly(file, 4)
    order = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}.get(end)
    if order is None:
        raise ValueError("the head is not that of a MATLAB 5 file")
    return order


def _read_array(stream: IO[bytes], order: str, room: int, names: Collection[str]) -> tuple[str, Array | None]:
    """Return the name of the array that begins here, and the array itself if it is one of `names`.

    Args:
        stream: stands behind the array's own tag.
        order: "<" or ">".
        room: how many bytes the array can have at most.
        names: of the arrays to be read.
    """
    flags = struct.unpack(f"{order}II", _element(stream, order, UINT32, 8, 8))[0]
    if flags & 0xFF == OPAQUE:
        return "", None
    dimensions = _element(stream, order, INT32, 8, 4 * MOST_DIMENSIONS)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions[: len(dimensions) // 4 * 4])
    name = _element(stream, order, INT8, 0, LONGEST_NAME).decode("latin-1")
    if name not in names:
        return name, None
    if min(shape) < 0:
        raise ValueError(f"{name} has a negative dimension")
    kind = CLASSES.get(flags & 0xFF, "unknown")
    kind = f"complex {kind}" if flags & COMPLEX else "logical" if flags & LOGICAL else kind
    if kind != "uint8":
        return name, Array(kind, shape, None)
    type_, length, inside = _tag(stream, order)
    if type_ != UINT8 or length != math.prod(shape) or length > room:
        raise ValueError(f"{name} has not as many bytes as its shape says")
    if inside is not None:
        return name, Array(kind, shape, np.frombuffer(inside, np.uint8).reshape(shape, order="F"))
    # Pages that no byte arrives for are never touched, so a shape that lies costs nothing.
    values = np.empty(length, np.uint8)
    if length and stream.readinto(values.data) != length:  # type: ignore[attr-defined]
        raise ValueError(f"the file ends within {name}")
    stream.read(-length % 8)
    return name, Array(kind, shape, values.reshape(shape, order="F"))


def _element(stream: IO[bytes], order: str, kind: int, least: int, most: int) -> bytes:
    """Return the bytes of a short element of the given type."""
    type_, length, inside = _tag(stream, order)
    if type_ != kind or not least <= length <= most:
        raise ValueError("the head of an array is damaged")
    return _exactly(stream, length + -length % 8)[:length] if inside is None else inside


def _tag(stream: IO[bytes], order: str) -> tuple[int, int, bytes | None]:
    """Return type and length of the element that begins here, and its bytes if they lie within the tag."""
    tag = _exactly(stream, 8)
    first, second = struct.unpack(f"{order}II", tag)
    if length := first >> 16:
        if length > 4:
            raise ValueError("an element is longer than its place")
        return first & 0xFFFF, length, tag[4 : 4 + length]
    return first, second, None


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise ValueError("the file ends too early")
    return content
