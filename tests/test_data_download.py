"""Where digit files come from: the official page, a mirror, a folder, and what each of them may get wrong."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loopback import Server, serving

from vlac.data import download, fetch
from vlac.data.download import Official, describe, locate
from vlac.data.mat import write_mat
from vlac.errors import VlacError

NAME = "test_32x32.mat"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    with serving() as state:
        yield state


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """The bytes of a small digit file."""
    rng = np.random.default_rng(0)
    path = tmp_path / "made.mat"
    write_mat(path, rng.integers(256, size=(20, 32, 32, 3), dtype=np.uint8), np.arange(20, dtype=np.uint8) % 10)
    return path.read_bytes()


@pytest.fixture
def page(server: Server, content: bytes, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server in the place of the official page, with `content` as the official test file."""
    server.files[NAME] = content
    monkeypatch.setattr(download, "PAGE", server.url)
    monkeypatch.setitem(download.OFFICIAL, "test", Official(hashlib.md5(content).hexdigest(), len(content)))
    return server


def test_fetches_once_and_says_what_it_has(page: Server, content: bytes, tmp_path: Path) -> None:
    path = locate(None, ["test"], tmp_path)["test"]
    assert path == tmp_path / "svhn" / NAME
    assert path.read_bytes() == content
    assert [entry.name for entry in path.parent.iterdir()] == [NAME]
    assert locate(None, ["test"], tmp_path) == {"test": path}
    assert page.asked == [None]
    assert describe("test", path) == {
        "name": NAME,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "count": 20,
        "official": True,
    }


def test_the_official_file_of_another_split_is_not_official(page: Server, tmp_path: Path) -> None:
    path = locate(None, ["test"], tmp_path)["test"]
    assert [describe(split, path)["official"] for split in ("train", "test")] == [False, True]


def test_a_wrong_checksum_deletes_the_part(page: Server, content: bytes, tmp_path: Path) -> None:
    page.files[NAME] = content[:-1] + b"?"
    with pytest.raises(VlacError, match=r"arrived with the MD5 checksum \w{32} instead of \w{32}, and was deleted"):
        locate(None, ["test"], tmp_path)
    assert list((tmp_path / "svhn").iterdir()) == []


def test_a_file_of_another_size_is_refused_and_what_has_arrived_is_kept(
    page: Server, content: bytes, tmp_path: Path
) -> None:
    part = tmp_path / "svhn" / f"{NAME}.part"
    part.parent.mkdir()
    part.write_bytes(content[:9000])
    page.knows_ranges = False
    page.files[NAME] = b"please log in"
    with pytest.raises(VlacError, match=rf"the server's file has 13 bytes instead of {len(content)}\. Without network"):
        locate(None, ["test"], tmp_path)
    assert part.read_bytes() == content[:9000]
    page.knows_ranges, page.files[NAME], page.asked = True, content, []
    assert locate(None, ["test"], tmp_path)["test"].read_bytes() == content
    assert page.asked == ["bytes=9000-"]


def test_a_file_that_is_not_the_official_one_is_replaced(page: Server, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "svhn").mkdir()
    (tmp_path / "svhn" / NAME).write_bytes(content[:-1])
    assert locate(None, ["test"], tmp_path)["test"].read_bytes() == content


def test_a_mirror_may_hold_other_bytes_but_not_other_things(server: Server, content: bytes, tmp_path: Path) -> None:
    server.files[NAME] = content
    path = locate(f"{server.url}/", ["test"], tmp_path)["test"]
    assert path.read_bytes() == content
    assert describe("test", path)["official"] is False
    assert locate(server.url, ["test"], tmp_path) == {"test": path}
    assert len(server.asked) == 1
    for wrong, message in ((b"<html>hello</html>", "web page"), (content[:9000], "truncated")):
        server.files["train_32x32.mat"] = wrong
        with pytest.raises(VlacError, match=f"no digit file and was deleted: .*{message}"):
            locate(server.url, ["train"], tmp_path)
    with pytest.raises(VlacError, match=r"extra_32x32\.mat could not be fetched: the server answered 404 Not Found"):
        locate(server.url, ["extra"], tmp_path)
    assert [entry.name for entry in path.parent.iterdir()] == [NAME]


def test_no_server_names_the_offline_choices(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAGE", "http://127.0.0.1:1")
    with pytest.raises(VlacError, match="could not be fetched: connection refused") as caught:
        locate(None, ["train"], tmp_path)
    assert "data.path in params.yaml" in caught.value.hint
    with pytest.raises(VlacError, match="is no address"):
        locate("http://[half/", ["train"], tmp_path)


def test_a_folder_is_read_in_place(content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    assert locate(str(folder), ["test"], tmp_path / "raw") == {"test": folder / NAME}
    assert not (tmp_path / "raw").exists()
    with pytest.raises(VlacError, match=r"mine holds no train_32x32\.mat"):
        locate(str(folder), ["test", "train"], tmp_path / "raw")
    (folder / "0001.png").touch()
    with pytest.raises(VlacError, match="folders of pictures are not read"):
        locate(str(folder), ["train"], tmp_path / "raw")
    with pytest.raises(VlacError, match="does not exist"):
        locate(str(tmp_path / "none"), ["test"], tmp_path / "raw")
    with pytest.raises(VlacError, match="is a file"):
        locate(str(folder / NAME), ["test"], tmp_path / "raw")
    with pytest.raises(VlacError, match="neither"):
        locate("ftp://host/folder", ["test"], tmp_path / "raw")
