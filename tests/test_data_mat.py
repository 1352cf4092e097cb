"""Digit files in the layout of the official download: agreement with SciPy, stable bytes, and every bad file named."""

import errno
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
