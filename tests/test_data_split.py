"""Prepared splits: what goes in comes out, in stable bytes, and damage is named."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from vlac.data.split import Split
from vlac.errors import VlacError


def make_split(count: int = 12, seed: int = 0) -> Split:
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 10).astype(np.uint8)
    images = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    factors = {"polarity": rng.integers(2, size=count).astype(np.uint8), "digit": labels}
    return Split(images, factors, {"polarity": ("dark", "light"), "digit": tuple("0123456789")})


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    split = make_split()
    split.save(tmp_path / "new_folder" / "split.npz")
    np.testing.assert_equal(vars(Split.load(tmp_path / "new_folder" / "split.npz")), vars(split))


def test_equal_content_gives_equal_bytes_without_a_date(tmp_path: Path) -> None:
    split = make_split()
    turned = Split(split.images, dict(reversed(split.factors.items())), split.factor_values)
    split.save(tmp_path / "a.npz")
    turned.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match=r"none\.npz is missing"):
        Split.load(tmp_path / "none.npz")
    path = tmp_path / "split.npz"
    make_split().save(path)
    intact = path.read_bytes()
    flipped = bytearray(intact)
    flipped[len(intact) // 3] ^= 1
    for content in (b"", b"no archive", intact[: len(intact) // 2], intact[:-1], bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(VlacError, match="damaged"):
            Split.load(path)
    np.savez(tmp_path / "other.npz", images=np.zeros((2, 32, 32, 3), np.uint8))
    np.save(tmp_path / "array.npy", np.zeros(3))
    for name in ("other.npz", "array.npy"):
        with pytest.raises(VlacError, match="damaged"):
            Split.load(tmp_path / name)


def test_inconsistent_splits_are_refused() -> None:
    split = make_split()
    digit, values = {"digit": split.labels}, {"digit": tuple("0123456789")}
    wrong = [
        (split.images.astype(np.float32), digit, values, "uint8"),
        (split.images[:, :16], digit, values, "32, 32, 3"),
        (split.images, {}, {}, '"class" must be there'),
        (split.images, digit, {}, "must have names"),
        (split.images, digit, {"digit": ("0", "1")}, "each below 2"),
        (split.images[:3], digit, values, r"uint8 of shape \(3,\)"),
    ]
    for *arguments, message in wrong:
        with pytest.raises(VlacError, match=message):
            Split(*arguments)
