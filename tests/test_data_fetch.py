"""Fetching one file: broken connections, servers with and without ranges, and a part from an earlier run."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from loopback import Server, serving

from vlac.data import fetch
from vlac.errors import VlacError

CONTENT = np.random.default_rng(0).bytes(60_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(fetch, "PAUSES", (0.0, 0.0, 0.0))
    with serving() as state:
        state.files["file"] = CONTENT
        yield state


def test_goes_on_where_the_connection_broke_off(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "new_folder" / "file.part"
    server.drop_after = [10_000, 0, 0, 20_000, 0, 0]  # more breaks in all than one place is tried, but it moves
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [None, *["bytes=10000-"] * 3, *["bytes=30000-"] * 3]


def test_gives_up_where_nothing_moves_and_keeps_the_part(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "file.part"
    server.drop_after = [1000, 0, 0, 0]
    with pytest.raises(VlacError, match=r"the connection broke off after 1000 of 60000 bytes\. Run the same command"):
        fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT[:1000]
    server.asked.clear()
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == ["bytes=1000-"]


@pytest.mark.parametrize("says_total", [True, False])
def test_a_whole_part_needs_no_bytes(server: Server, tmp_path: Path, says_total: bool) -> None:
    part = tmp_path / "file.part"
    part.write_bytes(CONTENT)
    server.says_total = says_total
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == ["bytes=60000-"] + ([] if says_total else [None])


def test_a_part_longer_than_the_file_is_dropped(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "file.part"
    part.write_bytes(CONTENT + b"more")
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "file.part"
    server.knows_ranges = False
    server.drop_after = [5000, 3000]
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=5000-", "bytes=3000-"]


def test_a_server_that_always_breaks_off_is_given_up(server: Server, tmp_path: Path) -> None:
    server.knows_ranges = False
    server.drop_after = [5000] * 50
    with pytest.raises(VlacError, match="broke off after 5000"):
        fetch.fetch(f"{server.url}/file", tmp_path / "file.part")
    assert len(server.asked) == 4


def test_a_wrong_range_is_not_appended(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "file.part"
    server.shift = 7
    server.drop_after = [5000]
    fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT
    assert server.asked == [None, "bytes=5000-", None]


def test_busy_servers_are_asked_again_and_others_are_not(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 500, 429]
    fetch.fetch(f"{server.url}/file", tmp_path / "file.part")
    assert len(server.asked) == 4
    server.statuses, server.asked = [403], []
    with pytest.raises(VlacError, match="answered 403 Forbidden"):
        fetch.fetch(f"{server.url}/file", tmp_path / "other.part")
    assert len(server.asked) == 1


def test_a_web_page_is_refused_and_what_has_arrived_is_kept(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "file.part"
    part.write_bytes(CONTENT[:5000])
    server.knows_ranges, server.kind = False, "text/html; charset=utf-8"
    with pytest.raises(VlacError, match="the server sent a web page instead of the file"):
        fetch.fetch(f"{server.url}/file", part)
    assert part.read_bytes() == CONTENT[:5000]


def test_a_crawling_server_is_given_up_and_every_byte_kept(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", 1.0)
    monkeypatch.setattr(fetch, "PAUSES", (0.0,))
    server.pause = 0.01
    with pytest.raises(VlacError, match=r"could not be fetched: only \d+ bytes came in \d seconds"):
        fetch.fetch(f"{server.url}/file", tmp_path / "file.part")
    assert len(server.asked) == 2
    found = (tmp_path / "file.part").read_bytes()
    assert len(found) > 8
    assert found == CONTENT[: len(found)]


def test_redirections_in_a_circle_are_given_up_in_one_sentence(server: Server, tmp_path: Path) -> None:
    server.moved = True
    with pytest.raises(VlacError, match=r"file could not be fetched: .* to no file, the server answered 302 Found\.$"):
        fetch.fetch(f"{server.url}/file", tmp_path / "file.part")


def test_no_server_and_no_address(tmp_path: Path, server: Server) -> None:
    with pytest.raises(VlacError, match="could not be fetched: connection refused"):
        fetch.fetch("http://127.0.0.1:1/file", tmp_path / "file.part")
    for wrong in ("http://[half/file", "http://two words/file"):
        with pytest.raises(VlacError, match="is no address"):
            fetch.fetch(wrong, tmp_path / "file.part")


def test_a_part_that_cannot_be_written(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a_file").touch()
    with pytest.raises(VlacError, match="could not be written"):
        fetch.fetch(f"{server.url}/file", tmp_path / "a_file" / "file.part")


def test_a_full_disk_is_named(server: Server, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    (tmp_path / "file.part").symlink_to("/dev/full")
    with pytest.raises(VlacError, match=r"file\.part could not be written: the disk is full"):
        fetch.fetch(f"{server.url}/file", tmp_path / "file.part")


def test_a_server_may_send_us_on_within_itself(server: Server, tmp_path: Path) -> None:
    server.sends_on["old"] = "/file"
    fetch.fetch(f"{server.url}/old", tmp_path / "file.part")
    assert (tmp_path / "file.part").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "place", ["http://localhost:{port}/file", "ftp://127.0.0.1/file", "file:///etc/passwd", "//[x/"]
)
def test_nobody_is_followed_to_another_place(place: str, server: Server, tmp_path: Path) -> None:
    server.sends_on["old"] = place.format(port=server.url.rpartition(":")[2])
    with pytest.raises(VlacError, match=r"sends us on to|302 Found|is no address"):
        fetch.fetch(f"{server.url}/old", tmp_path / "file.part")
    assert len(server.asked) == 1
    assert not (tmp_path / "file.part").exists()
