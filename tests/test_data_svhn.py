"""Digit files: where they come from, what servers may get wrong, what is read of damaged ones, and stable bytes."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from loopback import Answer, Page, honest, in_turn, says, sends, serving, silent, web_page
from scipy.io import savemat

from vlac.data import svhn
from vlac.data.svhn import locate, read_mat
from vlac.datasets.svhn import Dataset
from vlac.errors import VlacError

NAME = "test_32x32.mat"
IMAGES = np.random.default_rng(0).integers(256, size=(25, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(25, dtype=np.uint8) % 10
X, y = IMAGES.transpose(1, 2, 3, 0), np.where(LABELS == 0, 10, LABELS).astype(np.uint8)[:, None]


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("made") / NAME
    savemat(path, {"X": X, "y": y})
    return path.read_bytes()


@pytest.fixture
def page(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """A server in the place of the official page, with `content` as the official test file."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(svhn, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(svhn, "TIMEOUT", 0.5)
    monkeypatch.setitem(svhn.OFFICIAL, "test", hashlib.md5(content).hexdigest())
    with serving({NAME: content}) as page:
        monkeypatch.setattr(svhn, "PAGE", page.url)
        yield page


HALF = sends(after=40_000)
OVERCOME = {
    "nothing": ([], [None]),
    "breaks off, but moves": (
        [sends(after=20_000), sends(after=0), sends(after=0)] * 2,
        [None, *["bytes=20000-"] * 3, *["bytes=40000-"] * 3],
    ),
    "stalls": ([sends(after=40_000, hold=2)], [None, "bytes=40000-"]),
    "knows no ranges": ([HALF, sends(ranges=False)], [None, "bytes=40000-"]),
    "sends another range": ([HALF, sends(shift=7)], [None, "bytes=40000-", None]),
    "has a shorter file": ([HALF, says(416)], [None, "bytes=40000-", None]),
    "is busy": ([says(503), says(429)], [None] * 3),
}


@pytest.mark.parametrize("case", OVERCOME.values(), ids=OVERCOME)
def test_a_server_that_misbehaves_for_a_while(page: Page, content: bytes, tmp_path: Path, case: tuple) -> None:
    answers, asked = case
    page.answer = in_turn(*answers, honest)
    path = locate(None, ["test"], tmp_path)["test"]
    assert locate(None, ["test"], tmp_path) == {"test": path}  # without another request
    assert page.asked == asked
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


REFUSED: dict[str, tuple[Answer, str, int]] = {
    "never gets past a byte": (in_turn(HALF, sends(after=0)), "IncompleteRead", 40_000),
    "falls silent": (in_turn(HALF, silent), "no answer from the server", 40_000),
    "has a login page": (in_turn(HALF, web_page), "sent a web page", 40_000),
    "has no such file": (says(404), "the server answered 404 Not Found", 0),
    "is broken": (says(500), "the server answered 500 Internal Server Error", 0),
    "hangs up": (lambda _: None, "Remote end closed connection", 0),
    "redirects to itself": (says(302, location=f"/{NAME}"), "Exceeded 30 redirects", 0),
    "has other bytes": (says(200, b"MATLAB 5.0 of somebody else"), "another MD5 checksum .* was deleted", 0),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_server_that_stays_so_is_one_sentence(page: Page, content: bytes, tmp_path: Path, case: tuple) -> None:
    page.answer, said, kept = case
    with pytest.raises(VlacError, match=f"{said}(.*set data.path in params.yaml)") as caught:
        locate(None, ["test"], tmp_path)
    assert "\n" not in str(caught.value)
    parts = [path.read_bytes() for path in tmp_path.iterdir()]
    assert all(content.startswith(part) for part in parts)
    assert kept == sum(map(len, parts))
    page.answer, page.asked = honest, []
    assert locate(None, ["test"], tmp_path)["test"].read_bytes() == content
    assert page.asked == [f"bytes={kept}-" if kept else None]


def test_a_file_that_is_there_is_checked(page: Page, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(content[:-1])
    path.with_name(f"{NAME}.part").write_bytes(content)
    assert locate(None, ["test"], tmp_path)["test"].read_bytes() == content
    assert page.asked == [f"bytes={len(content)}-"]
    (file,) = Dataset(SimpleNamespace(train_split="test", path=None), tmp_path).fetch()
    assert (file.path, file.count, file.official) == (str(path), 25, True)


def test_a_mirror_may_hold_other_bytes_but_not_other_things(page: Page, content: bytes, tmp_path: Path) -> None:
    page.files |= {"train_32x32.mat": content[:9000], "extra_32x32.mat": content[:-1] + b"?"}
    path = locate(f"{page.url}/", ["extra"], tmp_path)["extra"]
    assert locate(page.url, ["extra"], tmp_path) == {"extra": path}
    with pytest.raises(VlacError, match=r"no digit file and was deleted: .* is truncated.*Correct data.path"):
        locate(page.url, ["train"], tmp_path)
    assert [path] == list(path.parent.iterdir())
    assert len(page.asked) == 2


def test_places_that_cannot_be_reached_or_written(page: Page, tmp_path: Path) -> None:
    for place, said in {"ftp://host/": "neither", "http://127.0.0.1:1": "refused", "http://a\nb/": "neither"}.items():
        with pytest.raises(VlacError, match=said):
            locate(place, ["test"], tmp_path)
    (tmp_path / f"{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(VlacError, match=rf"{NAME} could not be written: the disk is full"):
        locate(None, ["test"], tmp_path)


def test_a_folder_is_read_in_place(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert locate(str(tmp_path), ["test"], tmp_path / "raw") == {"test": tmp_path / NAME}
    assert not (tmp_path / "raw").exists()
    for place, said in {"": r"holds no train_32x32\.mat", "none": "No such file", NAME: "Not a directory"}.items():
        with pytest.raises(VlacError, match=said):
            locate(str(tmp_path / place), ["test", "train"], tmp_path / "raw")


def test_files_are_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    savemat(tmp_path / "packed.mat", {"a": {"b": 1.5}, "y": y, "X": X, "z": "text"}, do_compression=True)
    for path in (tmp_path / NAME, tmp_path / "packed.mat"):
        for array, right in zip(read_mat(path), (IMAGES, LABELS), strict=True):
            np.testing.assert_array_equal(array, right)
            assert array.dtype == np.uint8


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"z": y}, "holds neither X nor y"),
        ({"X": X}, r"holds X, uint8 \(32, 32, 3, 25\)\. A digit file"),
        ({"X": X.astype(float), "y": y}, r"holds X, float64 \(32, 32, 3, 25\) and y, uint8 \(25, 1\)"),
        ({"X": X, "y": y[:20]}, r"and y, uint8 \(20, 1\)"),
        ({"X": X[..., :0], "y": y[:0]}, r"\(32, 32, 3, 0\)"),
        ({"X": X, "y": y + np.uint8(1)}, "label 11, but labels run from 1 to 10"),
        ({"X": {"field": 1}, "y": y}, "Object arrays cannot be saved"),
    ],
)
def test_other_content_is_named(tmp_path: Path, other: dict, said: str) -> None:
    savemat(tmp_path / NAME, other)
    with pytest.raises(VlacError, match=rf"test_32x32\.mat .*{said}"):
        read_mat(tmp_path / NAME)


def flipped(content: bytes, bit: int) -> bytes:
    return content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-9],
    "cut in the head": lambda content: content[:150],
    "empty": lambda _: b"",
    "a web page": lambda _: b"<html>" * 99,
    "HDF5": lambda _: b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM",
    "a tag's type": lambda content: flipped(content, 1163),  # SciPy crashes on these two
    "a tag's length": lambda content: flipped(content, 1473),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_sentence(content: bytes, tmp_path: Path, damage: str) -> None:
    (tmp_path / NAME).write_bytes(DAMAGES[damage](content))
    with pytest.raises(VlacError, match=r"test_32x32\.mat is truncated, damaged or no \.mat file \(") as caught:
        read_mat(tmp_path / NAME)
    assert "\n" not in str(caught.value)


def test_a_reader_that_crashes_ends_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(VlacError, match="is missing or no file"):
        read_mat(tmp_path / NAME)
    (tmp_path / NAME).touch()
    monkeypatch.setattr(svhn, "READER", "import os; os.abort()")
    with pytest.raises(VlacError, match="its reader ended: Aborted"):
        read_mat(tmp_path / NAME)
