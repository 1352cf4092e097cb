"""Where the SVHN files come from: the official page, a mirror or a folder, checked before anything reads them."""

import hashlib
import http.client
import os
import time
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pooch
import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from vlac.data.mat import LAYOUT, OFFICIAL, file_name, read_mat
from vlac.errors import VlacError, one_line
from vlac.files import reason

PAGE = "http://ufldl.stanford.edu/housenumbers"
CORRECT = "Correct data.path in params.yaml, or the environment variable VLAC_DATA."
OFFLINE = (
    "Without network, set data.path in params.yaml, or the environment variable VLAC_DATA, to a folder with "
    "train_32x32.mat and test_32x32.mat, or set data.source to digits."
)

TIMEOUT = 10.0  # seconds without an answer, or with fewer than LEAST bytes
LEAST = 10_000  # bytes: what comes more slowly would take days, and counts as nothing
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further attempt


def locate(source: str | None, splits: list[str], raw: Path) -> dict[str, Path]:
    """Return the digit file of each split, downloading what is not yet there.

    Args:
        source: None for the official page; http:// or https:// for a mirror, the folder's address without the file
            name; anything else is a local folder, whose files are used in place.
        splits: of "train", "test", "extra".
        raw: folder that keeps downloads, in a folder of its own for each source.

    Raises:
        VlacError: a file cannot be downloaded, fails its checksum (official page) or its content check (mirror), or is
            missing from the folder.
    """
    if source is None:
        return {split: _download(split, PAGE, raw / "svhn", OFFICIAL[split]) for split in splits}
    if "://" in source:
        if not source.startswith(("http://", "https://")) or not source.isprintable():
            raise VlacError(one_line(f"{source} is neither an http(s) address nor a folder."), CORRECT)
        address = source.rstrip("/")
        # Files of two mirrors share their names, not their content.
        folder = raw / f"mirror-{hashlib.sha256(address.encode()).hexdigest()[:12]}"
        return {split: _download(split, address, folder, None) for split in splits}
    folder = Path(os.path.expanduser(source))
    try:
        if not folder.is_dir():
            wrong = "is a file, no folder" if folder.exists() else "does not exist"
            raise VlacError(one_line(f"The data folder {folder} {wrong}."), CORRECT)
        for name in map(file_name, splits):
            if not (folder / name).is_file():
                raise VlacError(one_line(f"{folder} holds no {name}."), f"Put the file there. {LAYOUT}")
    except OSError as error:
        raise VlacError(one_line(f"The data folder {folder} cannot be read: {error.strerror}."), CORRECT) from None
    return {split: folder / file_name(split) for split in splits}


def _download(split: str, address: str, folder: Path, md5: str | None) -> Path:
    """Return the file of a split in `folder`, downloaded unless it is there with its checksum, where it has one."""
    name = file_name(split)
    store = pooch.Pooch(folder, f"{address}/", {name: md5 and f"md5:{md5}"})
    try:
        store.fetch(name, downloader=_resume)
    except VlacError as error:
        raise VlacError(one_line(error.message), f"{error.hint} {OFFLINE}".strip()) from None
    except ValueError:
        raise VlacError(
            f"{name} arrived with another MD5 checksum than the official {md5}, and was deleted.",
            f"Run the same command again. {OFFLINE}",
        ) from None
    except OSError as error:
        raise VlacError(
            f"{folder / name} could not be written: {reason(error)}.",
            "Correct that and run the same command again; it goes on from where it broke off.",
        ) from None
    return folder / name


def _resume(url: str, output: str, store: pooch.Pooch) -> None:
    """Download `url` for pooch, which checks and renames `output`; what has arrived is kept beside it after a failure.

    Raises:
        VlacError: no connection after all attempts, the server refuses or sends something else than the file.
        OSError: a file cannot be written.
    """
    os.remove(output)  # it is empty, and would stay if this process were killed
    name = url.rpartition("/")[2]
    part = Path(store.path, f"{name}.part")
    failures, most = 0, _size(part)
    while True:
        try:
            _attempt(url, part)
            break
        except ValueError as error:
            raise VlacError(f"{url} is no address ({error}).", "Correct it.") from None
        except (requests.RequestException, HTTPError) as error:
            if _size(part) >= most + LEAST:  # it moves: this failure is the first again
                failures, most = 0, _size(part)
            if failures == len(PAUSES):
                raise VlacError(
                    f"{url} could not be fetched: {_network_reason(error)}.",
                    "Run the same command again to go on from where it broke off.",
                ) from None
            time.sleep(PAUSES[failures])
            failures += 1
    if store.registry[name] is None:  # a mirror's bytes may be its own, but they must be digits
        try:
            read_mat(part)
        except VlacError as error:
            part.unlink()
            raise VlacError(
                f"{url} is no digit file and was deleted: {error.message}", "Check the mirror's address."
            ) from None
    part.replace(output)


def _attempt(url: str, part: Path) -> None:
    """Ask for the bytes that `part` lacks and append them; requests' exceptions say that another attempt may help."""
    start = _size(part)
    headers = {"User-Agent": "vlac", "Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with _SameHost() as session, session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        status, ranges = answer.status_code, answer.headers.get("Content-Range", "")
        if status == 416 and ranges == f"bytes */{start}":
            return  # nothing lies past `start`: the file is complete
        if status == 416 or (status == 206 and not ranges.startswith(f"bytes {start}-")):
            part.unlink(missing_ok=True)
            raise requests.ConnectionError("the server sent another part of the file than asked for")
        if status in (408, 429) or status >= 500:  # these pass by themselves
            raise requests.ConnectionError(f"the server answered {status} {answer.reason}")
        if status not in (200, 206):
            raise VlacError(f"{url} could not be fetched: the server answered {status} {answer.reason}.")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise VlacError(
                f"{url} could not be fetched: the server sent a web page instead of the file.",
                "Look at the address in a browser: a network may want a login first.",
            )
        start = start if status == 206 else 0  # a server without ranges sends the file from its first byte
        length = answer.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else None
        bar = tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, disable=None)
        with part.open("ab" if start else "wb") as file, bar:
            since, arrived = time.monotonic(), 0
            while chunk := answer.raw.read1(1 << 18):  # what is there: an interruption loses nothing that has arrived
                file.write(chunk)
                bar.update(len(chunk))
                arrived += len(chunk)
                if (seconds := time.monotonic() - since) >= TIMEOUT:
                    if arrived < LEAST:
                        raise requests.ConnectionError(f"only {arrived} bytes came in {seconds:.0f} seconds")
                    since, arrived = time.monotonic(), 0


class _SameHost(requests.Session):
    """Follows a server to another place of its own, and to nobody else: the user has named that server and no other."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where an answer sends us on to, if it does.

        Raises:
            VlacError: it is another server's, or less safe than the address asked for.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            here, there = urlsplit(resp.url), urlsplit(urljoin(resp.url, target))
            if there.hostname != here.hostname or there.scheme not in ("https", here.scheme):
                raise VlacError(
                    f"{resp.url} could not be fetched: the server sends us on to {target}.",
                    "Name that place in data.path or VLAC_DATA if you trust it; it may be the login page of a network.",
                )
        return target


def _network_reason(error: BaseException) -> str:
    """Return in a few words what is behind an exception of requests."""
    while error.__context__:
        error = error.__context__
    if isinstance(error, TimeoutError):
        return "no answer from the server"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, OSError):
        return "the server does not speak HTTP"
    text = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
    return text[0].lower() + text[1:]


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
