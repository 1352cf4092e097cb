"""Digit files: where they come from, what servers may get wrong, what is read of damaged ones, and stable bytes."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from loopback import Answer, Page, honest, in_turn, says, sends, serving, silent
from scipy.io import savemat

from vlac.datasets import svhn
from vlac.datasets.svhn import Dataset, locate, read_mat
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
    monkeypatch.setattr(svhn, "RETRIES", 1)
    monkeypatch.setattr(svhn, "TIMEOUT", 0.5)
    monkeypatch.setitem(svhn.OFFICIAL, "test", hashlib.md5(content).hexdigest())
    with serving({NAME: content}) as page:
        monkeypatch.setattr(svhn, "PAGE", page.url)
        yield page


OVERCOME = {
    "nothing": [],
    "breaks off": [sends(after=40_000)],
    "stalls": [sends(after=40_000, hold=2)],
    "is busy": [says(503)],
}


@pytest.mark.parametrize("answers", OVERCOME.values(), ids=OVERCOME)
def test_a_server_that_misbehaves_for_a_while(page: Page, content: bytes, tmp_path: Path, answers: list) -> None:
    page.answer = in_turn(*answers, honest)
    path = locate(None, ["test"], tmp_path)["test"]
    assert locate(None, ["test"], tmp_path) == {"test": path}  # without another request
    assert len(page.asked) == len(answers) + 1
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


REFUSED: dict[str, tuple[Answer, str]] = {
    "breaks off": (sends(after=40_000), "IncompleteRead"),
    "falls silent": (silent, "timed out"),
    "has no such file": (says(404), "404 Client Error: Not Found"),
    "hangs up": (lambda _: None, "Remote end closed connection"),
    "redirects to itself": (says(302, location=f"/{NAME}"), "Exceeded 30 redirects"),
    "has other bytes": (says(200, b"MATLAB 5.0 of somebody else"), "does not match the known hash"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_server_that_stays_so_is_one_sentence(page: Page, tmp_path: Path, case: tuple) -> None:
    page.answer, said = case
    with pytest.raises(VlacError, match=f"{said}(.*set data.path in params.yaml)") as caught:
        locate(None, ["test"], tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_checked(page: Page, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(content[:-1])
    (file,) = Dataset(SimpleNamespace(train_split="test", path=None), tmp_path).fetch()
    assert path.read_bytes() == content
    assert (file.path, file.count, file.official) == (str(path), 25, True)


def test_a_mirror_may_hold_other_bytes(page: Page, content: bytes, tmp_path: Path) -> None:
    page.files |= {"extra_32x32.mat": content[:-1] + b"?"}
    path = locate(f"{page.url}/", ["extra"], tmp_path)["extra"]
    assert locate(page.url, ["extra"], tmp_path) == {"extra": path}
    assert len(page.asked) == 1


def test_places_that_cannot_be_reached(page: Page, tmp_path: Path) -> None:
    for place, said in {"ftp://host/": "holds no", "http://127.0.0.1:1": "refused", "http://a\nb/": "fetched"}.items():
        with pytest.raises(VlacError, match=said):
            locate(place, ["test"], tmp_path)


def test_a_folder_is_read_in_place(content: bytes, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(content)
    assert locate(str(tmp_path), ["test"], tmp_path / "raw") == {"test": tmp_path / NAME}
    assert not (tmp_path / "raw").exists()
    for place, said in {"": r"holds no train_32x32\.mat", "none": "holds no test_", NAME: "holds no test_"}.items():
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
        ({"X": {"field": 1}, "y": y}, r"holds X, \[.*and y"),
    ],
)
def test_other_content_is_named(tmp_path: Path, other: dict, said: str) -> None:
    savemat(tmp_path / NAME, other)
    with pytest.raises(VlacError, match=rf"test_32x32\.mat .*{said}"):
        read_mat(tmp_path / NAME)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda content: content[:-9],
    "cut in the head": lambda content: content[:150],
    "empty": lambda _: b"",
    "a web page": lambda _: b"<html>" * 99,
    "HDF5": lambda _: b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_one_sentence(content: bytes, tmp_path: Path, damage: str) -> None:
    (tmp_path / NAME).write_bytes(DAMAGES[damage](content))
    with pytest.raises(VlacError, match=r"test_32x32\.mat is truncated, damaged or no \.mat file \(") as caught:
        read_mat(tmp_path / NAME)
    assert "\n" not in str(caught.value)
