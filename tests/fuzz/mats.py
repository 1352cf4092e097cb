"""Wrong .mat files: other variables, shapes and types, and damaged bytes in all the layouts there are."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy.io import savemat
from scipy.sparse import csc_matrix

from vlac.data.mat import read_mat

from .damage import damaged
from .judge import Failure

NAME = "train_32x32.mat"
HEAD = 128


def right(count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the content of a right file of `count` images."""
    generator = np.random.default_rng(seed)
    X = generator.integers(256, size=(32, 32, 3, count), dtype=np.uint8)
    return {"X": X, "y": (1 + np.arange(count, dtype=np.uint8) % 10)[:, None]}


def written(content: dict[str, Any], **options: Any) -> bytes:
    """Return what SciPy writes."""
    buffer = io.BytesIO()
    savemat(buffer, content, **options)
    return buffer.getvalue()


DTYPES = ["u1", "i1", "u2", "i4", "i8", "f4", "f8", "c16", "bool", "S3", "U3", "O"]


@st.composite
def arrays(draw: st.DrawFn) -> Any:
    """Return something else than the array that belongs into a file."""
    count = draw(st.integers(0, 4))
    X, y = right(count).values()
    match draw(st.sampled_from(["X", "y", "shape", "type", "labels", "struct", "cell", "sparse", "text", "scalar"])):
        case "X":
            return X
        case "y":
            return y
        case "shape":
            return np.zeros(draw(st.lists(st.sampled_from([0, 1, 2, 3, 32]), max_size=6)), np.uint8)
        case "type":
            array = draw(st.sampled_from([X, y]))
            return array.astype(draw(st.sampled_from(DTYPES)))
        case "labels":
            return draw(st.lists(st.integers(0, 255), max_size=4).map(lambda labels: np.array([labels], np.uint8).T))
        case "struct":
            return {"field": draw(st.sampled_from([X, y, 1, "text"])), "other": {"deeper": 1}}
        case "cell":
            cell = np.empty(2, object)
            cell[:] = [y, "text"]
            return cell
        case "sparse":
            return csc_matrix(np.eye(3))
        case "text":
            return draw(st.text(st.characters(codec="latin-1"), max_size=20))
        case _:
            return draw(st.sampled_from([0, 1.5, True, 1j, [], [[]], [1, 2]]))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Return the bytes of a wrong file; now and then they are right."""
    match draw(st.sampled_from(["content", "content", "bytes", "bytes", "inside", "lie", "other"])):
        case "content":
            names = st.sampled_from(["X", "y", "x", "Y", "images", "a" * 31])
            content = right(draw(st.integers(0, 3))) | draw(st.dictionaries(names, arrays(), max_size=3))
            kept = draw(st.lists(st.sampled_from(sorted(content)), unique=True, min_size=1))
            return _saved(draw, {name: content[name] for name in kept})
        case "bytes":
            content = right(draw(st.integers(1, 3)))
            return draw(damaged(written(content, do_compression=draw(st.booleans()))))
        case "inside":  # of a compressed array, so that its checksum fits
            return _recompressed(draw(damaged(written(right()), heads=300)))
        case "lie":
            return _lying(draw)
        case _:
            text = draw(
                st.sampled_from([b"", b"\n<!DOCTYPE html>", b"MATLAB 7.3 MAT-file", b"\x89HDF\r\n\x1a\n", b"PK\3\4"])
            )
            return text + draw(st.binary(max_size=300)) + bytes(draw(st.sampled_from([0, 128, 4000])))


def _saved(draw: st.DrawFn, content: dict[str, Any]) -> bytes:
    options = draw(st.sampled_from([{}, {"do_compression": True}, {"format": "4"}, {"oned_as": "column"}]))
    try:
        return written(content, **options)
    except (ValueError, TypeError, AttributeError, KeyError):  # what SciPy cannot write in that format
        return written(right())


def _recompressed(content: bytes) -> bytes:
    """Return an uncompressed file with each array compressed, as far as its arrays can be told apart."""
    parts, at = [content[:HEAD]], HEAD
    while at + 8 <= len(content):
        length = 8 + int.from_bytes(content[at + 4 : at + 8], "little")
        inner = zlib.compress(content[at : at + length], 1)
        parts.append(struct.pack("<II", 15, len(inner)) + inner)
        at += length
    return b"".join(parts)


def _lying(draw: st.DrawFn) -> bytes:
    """Return a file whose X or y says that it is larger than it is, in a consistent way."""
    count = draw(st.sampled_from([4, 1000, 100_000, 1_398_000, 2**31 - 1]))
    told = min(32 * 32 * 3 * count, 2**32 - 1)
    dimensions = struct.pack("<II4i", 5, 16, 32, 32, 3, count)
    given = draw(st.sampled_from([0, 3072, 12_288, 3_000_000]))
    array = struct.pack("<IIII", 6, 8, 9, 0) + dimensions + struct.pack("<HHI", 1, 1, ord("X"))
    array += struct.pack("<II", 2, told) + bytes(given)
    element = (
        struct.pack("<II", 14, draw(st.sampled_from([len(array), len(array) - given + told & 0xFFFFFFFF]))) + array
    )
    head = b"MATLAB 5.0 MAT-file".ljust(HEAD - 4) + b"\x00\x01IM"
    y = written({"y": right(4)["y"]})[HEAD:]
    return head + draw(st.sampled_from([element, _recompressed(head + element)[HEAD:]])) + y


def read(content: bytes) -> None:
    """Read the bytes as a digit file, as `download` and `prepare` do.

    Raises:
        VlacError: it says what is wrong.
        Failure: what was read is no images with labels.
    """
    Path(NAME).write_bytes(content)
    images, labels = read_mat(Path(NAME))
    sound = images.dtype == labels.dtype == np.uint8 and images.shape == (len(labels), 32, 32, 3) and len(labels) > 0
    if not sound or labels.max() > 9:
        raise Failure(f"it was read as {images.dtype} {images.shape} and {labels.dtype} {labels.shape}")
