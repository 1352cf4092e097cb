"""Digit files in the layout of the official download: agreement with SciPy, stable bytes, and every bad file named."""

import errno
import tracemalloc
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from vlac.data.mat import read_mat, write_mat
from vlac.errors import VlacError


def official_layout(count: int = 25, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.integers(256, size=(32, 32, 3, count), dtype=np.uint8)
    return {"X": X, "y": (1 + np.arange(count) % 10).astype(np.uint8)[:, None]}


@pytest.mark.parametrize("compressed", [True, False])
def test_reader_agrees_with_what_scipy_wrote(tmp_path: Path, compressed: bool) -> None:
    content = official_layout()
    savemat(tmp_path / "train_32x32.mat", content, do_compression=compressed)
    images, labels = read_mat(tmp_path / "train_32x32.mat")
    assert images.dtype == labels.dtype == np.uint8
    assert images.shape == (25, 32, 32, 3)
    for n in (0, 9, 24):
        np.testing.assert_array_equal(images[n], content["X"][:, :, :, n])
    assert labels[:11].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_scipy_agrees_with_what_the_writer_wrote(tmp_path: Path) -> None:
    content = official_layout()
    images, labels = content["X"].transpose(3, 0, 1, 2), content["y"][:, 0] % 10
    write_mat(tmp_path / "a.mat", images, labels)
    back = loadmat(tmp_path / "a.mat")
    np.testing.assert_array_equal(back["X"], content["X"])
    np.testing.assert_array_equal(back["y"], content["y"])
    assert back["X"].dtype == back["y"].dtype == np.uint8
    again = read_mat(tmp_path / "a.mat")
    np.testing.assert_array_equal(again[0], images)
    np.testing.assert_array_equal(again[1], labels)


def test_written_bytes_hold_no_date_and_no_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = official_layout()
    images, labels = content["X"].transpose(3, 0, 1, 2), content["y"][:, 0] % 10
    write_mat(tmp_path / "a.mat", images, labels)
    monkeypatch.setattr("time.asctime", lambda *_: "Thu Jan  1 00:00:00 2099")
    monkeypatch.setattr("os.name", "posix-of-another-name")
    write_mat(tmp_path / "b.mat", images, labels)
    assert (tmp_path / "a.mat").read_bytes() == (tmp_path / "b.mat").read_bytes()
    assert b"2099" not in (tmp_path / "b.mat").read_bytes()[:128]


X, y = official_layout().values()
BAD_CONTENT = [
    ({"y": y}, "has no X"),
    ({"X": X}, "has no y"),
    ({"X": X.astype(np.float64), "y": y}, r"X that is float64 \(32, 32, 3, 25\)"),
    ({"X": X[:28, :28], "y": y}, r"X that is uint8 \(28, 28, 3, 25\)"),
    ({"X": X[:, :, 0], "y": y}, r"X that is uint8 \(32, 32, 25\)"),
    ({"X": X.transpose(3, 0, 1, 2), "y": y}, r"X that is uint8 \(25, 32, 32, 3\)"),
    ({"X": {"field": 1}, "y": y}, "X that is"),
    ({"X": X, "y": y.astype(np.int64)}, r"y that is int64 \(25, 1\)"),
    ({"X": X, "y": y.T}, r"y that is uint8 \(1, 25\)"),
    ({"X": X, "y": y[:20]}, "25 images but 20 labels"),
    ({"X": X[..., :0], "y": y[:0]}, "holds no images"),
    ({"X": X, "y": y + np.uint8(1)}, "label 11, but labels run from 1 to 10"),
    ({"X": X, "y": y - np.uint8(1)}, "label 0, but labels run from 1 to 10"),
]


@pytest.mark.parametrize(("content", "message"), BAD_CONTENT)
def test_other_content_is_named(tmp_path: Path, content: dict, message: str) -> None:
    savemat(tmp_path / "train_32x32.mat", content)
    with pytest.raises(VlacError, match=message) as caught:
        read_mat(tmp_path / "train_32x32.mat")
    assert "train_32x32.mat" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("compressed", [True, False])
def test_every_truncation_is_found(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "train_32x32.mat"
    savemat(path, official_layout(4), do_compression=compressed)
    whole = path.read_bytes()
    for length in [0, 1, 100, 127, 128, 130, 136, 150, 200, len(whole) // 2, len(whole) - 9, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(VlacError, match=r"truncated|is empty|has no y|has no X"):
            read_mat(path)


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "train_32x32.mat"
    kinds = {
        b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n": r"7\.3",
        b"\x89HDF\r\n\x1a\n" + bytes(600): r"7\.3",
        b"\n<!DOCTYPE html><html>404</html>" + bytes(200): "web page",
        b"just text, longer than the header of a .mat file " * 20: "no .mat file",
    }
    for content, message in kinds.items():
        path.write_bytes(content)
        with pytest.raises(VlacError, match=message):
            read_mat(path)
    with pytest.raises(VlacError, match="is missing"):
        read_mat(tmp_path / "none.mat")


def test_a_folder_of_pictures_is_no_digit_file(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match="holds no train_32x32"):
        read_mat(tmp_path)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "0001.PNG").touch()
    with pytest.raises(VlacError, match=r"folders of pictures are not read\. Put train_32x32\.mat there"):
        read_mat(tmp_path)


def test_more_images_than_a_file_can_hold(tmp_path: Path) -> None:
    many = np.broadcast_to(np.zeros((1, 32, 32, 3), np.uint8), (1_400_000, 32, 32, 3))
    with pytest.raises(VlacError, match="no room for 1400000 images"):
        write_mat(tmp_path / "a.mat", many, np.zeros(1_400_000, np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = official_layout(3)
    images, labels = content["X"].transpose(3, 0, 1, 2), content["y"][:, 0] % 10
    write_mat(tmp_path / "a.mat", images, labels)

    def full(file: BinaryIO, _: dict) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("vlac.data.mat.savemat", full)
    with pytest.raises(VlacError, match=r"a\.mat could not be written: the disk is full"):
        write_mat(tmp_path / "a.mat", images[:1], labels[:1])
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mat"]
    assert len(read_mat(tmp_path / "a.mat")[1]) == 3


def swapped(content: bytes, arrays: int = 2) -> bytes:
    """Return an uncompressed file of uint8 arrays in the other byte order."""
    parts, at = [content[:124] + b"\x01\x00MI"], 128
    for _ in range(arrays):
        length = int.from_bytes(content[at + 4 : at + 8], "little")
        inside = content[at + 8 : at + 8 + length]
        dimensions = 16 + 8 + int.from_bytes(inside[20:24], "little")
        words = np.frombuffer(inside[: dimensions + 8], "<u4").byteswap().tobytes()
        name = inside[dimensions + 4 : dimensions + 8]  # within its tag, in the order of its letters
        words = words[:-4] + name
        pixels = np.frombuffer(inside[dimensions + 8 : dimensions + 16], "<u4").byteswap().tobytes()
        head = np.frombuffer(content[at : at + 8], "<u4").byteswap().tobytes()
        parts.append(head + words + pixels + inside[dimensions + 16 :])
        at += 8 + length
    return b"".join(parts)


def test_a_file_of_the_other_byte_order_is_read(tmp_path: Path) -> None:
    content = official_layout(24)
    savemat(tmp_path / "a.mat", content)
    (tmp_path / "b.mat").write_bytes(swapped((tmp_path / "a.mat").read_bytes()))
    np.testing.assert_array_equal(loadmat(tmp_path / "b.mat")["X"], content["X"])
    for ours, theirs in zip(read_mat(tmp_path / "b.mat"), read_mat(tmp_path / "a.mat"), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])  # up to four labels lie within a tag
def test_files_of_few_images_among_other_arrays(tmp_path: Path, count: int, compressed: bool) -> None:
    content = official_layout(count)
    others = {"a": "text", "b": {"c": 1.5}, "d": np.array([["cell", 1]], object), "e": np.eye(3), "f": 1j}
    savemat(tmp_path / "a.mat", others | content | {"z": np.eye(2)}, do_compression=compressed)
    images, labels = read_mat(tmp_path / "a.mat")
    np.testing.assert_array_equal(images, content["X"].transpose(3, 0, 1, 2))
    np.testing.assert_array_equal(labels, content["y"][:, 0] % 10)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_wrong_bit_anywhere_in_a_head_crashes_nothing(tmp_path: Path, compressed: bool) -> None:
    """SciPy's reader ends the process on some of these."""
    path = tmp_path / "train_32x32.mat"
    savemat(path, official_layout(2), do_compression=compressed)
    whole, refused = path.read_bytes(), 0
    for bit in range(124 * 8, 260 * 8):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            images, labels = read_mat(path)
        except VlacError:
            refused += 1
        else:
            assert images.shape == (len(labels), 32, 32, 3)
    assert refused > (1000 if compressed else 300)


@pytest.mark.parametrize("compressed", [True, False])
def test_a_size_that_lies_takes_no_memory(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "train_32x32.mat"
    savemat(path, official_layout(2))
    content = bytearray(path.read_bytes())
    # X: tag at 128, flags at 136, shape at 152, name at 176, pixels' tag at 184.
    content[172:176] = (1_000_000).to_bytes(4, "little")
    content[188:192] = (3_072_000_000).to_bytes(4, "little")
    if compressed:
        length = 8 + int.from_bytes(content[132:136], "little")
        inner = zlib.compress(content[128 : 128 + length])
        content[128:] = (15).to_bytes(4, "little") + len(inner).to_bytes(4, "little") + inner
    else:
        content[132:136] = (3_072_000_064).to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(VlacError, match=r"truncated, damaged or no \.mat file"):
        read_mat(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
