"""Fetching one large file over HTTP: resumed where it broke off, retried with growing pauses."""

import contextlib
import http.client
import logging
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from vlac.errors import VlacError, one_line
from vlac.files import reason

logger = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds without an answer, or with fewer than LEAST bytes
LEAST = 10_000  # bytes: what comes more slowly would take days, and counts as nothing
PAUSES = (1.0, 2.0, 4.0)  # seconds before each further attempt; with TIMEOUT, a dead network costs under a minute
CHUNK = 1 << 18  # bytes
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # HTTP states that pass by themselves


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a server to another place of its own, and to nobody else: the user has named that server and no other."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request for `newurl`.

        Raises:
            VlacError: it is another server's, or less safe than the address asked for.
        """
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        schemes = ("https",) if here.scheme == "https" else ("http", "https")
        if there.hostname != here.hostname or there.scheme not in schemes:
            raise VlacError(
                one_line(f"{req.full_url} could not be fetched: the server sends us on to {newurl}."),
                "Name that place in data.path or VLAC_DATA if you trust it; it may be the login page of a network.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Interrupted(Exception):
    """An attempt failed in a way that another attempt may mend."""


def fetch(url: str, part: Path, size: int | None = None) -> None:
    """Fetch `url` into `part`, going on from the bytes that `part` already holds; returns once the file is whole.

    Progress shows on a terminal where tqdm is installed. What has arrived stays in `part` after a failure.

    Args:
        url: the file's address.
        part: where it goes; the caller renames it once it is checked.
        size: of the whole file in bytes, where it is known: a server that announces another one is refused before it
            can spoil `part`.

    Raises:
        VlacError: no connection after all attempts, the server refuses, sends a web page or a file of another size, or
            `part` cannot be written.
    """
    pauses = iter(PAUSES)
    most = _size(part)
    while True:
        try:
            _attempt(url, part, size)
            return
        except _Interrupted as error:
            if _size(part) >= most + LEAST:  # it moves: the next failure is the first again
                most, pauses = _size(part), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None:
                raise VlacError(
                    f"{url} could not be fetched: {error}.",
                    "Run the same command again to go on from where it broke off.",
                ) from None
            logger.info("%s: %s; trying again in %g s.", url, error, pause)
            time.sleep(pause)


def _attempt(url: str, part: Path, size: int | None) -> None:
    """Ask for the bytes that `part` lacks and append them."""
    start = _size(part)
    headers = {"User-Agent": "vlac", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        opener = urllib.request.build_opener(_SameHost)
        response = opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and start:
            # Nothing lies past `start`: the file is whole, unless it shrank or the server does not say.
            if error.headers.get("Content-Range", "").removeprefix("bytes */") == str(start):
                return
            part.unlink()
            raise _Interrupted("the partial file does not fit the server's") from None
        if error.code in TRANSIENT:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from None
        # urllib follows redirections, so one that gets here led in a circle, or out of HTTP.
        circle = "it sends from one address to the next and to no file, " if 300 <= error.code < 400 else ""
        answer = f"{error.code} {http.client.responses.get(error.code, '')}".strip()
        raise VlacError(f"{url} could not be fetched: {circle}the server answered {answer}.") from None
    except (ValueError, http.client.InvalidURL) as error:
        raise VlacError(f"{url} is no address ({error}).", "Correct data.path or VLAC_DATA.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(_network_reason(error)) from None

    with response:
        if response.status == 206:
            begin, total = _content_range(response.headers.get("Content-Range", ""))
            if begin != start:
                part.unlink()
                raise _Interrupted("the server sent another part of the file than asked for")
        else:  # the server knows no ranges and sends the whole file
            start, total = 0, _number(response.headers.get("Content-Length"))
        _refuse_another_file(url, response, total, size)
        with _opened(part, "ab" if start else "wb") as write, _progress(part.stem, start, total) as advance:
            for chunk in _chunks(response):
                write(chunk)
                advance(len(chunk))
    whole = size if total is None else total
    if whole is not None and _size(part) < whole:
        raise _Interrupted(f"the connection broke off after {_size(part)} of {whole} bytes")


def _refuse_another_file(url: str, response: http.client.HTTPResponse, total: int | None, size: int | None) -> None:
    """Raise for what is not the file: the login page of a network, or a file of another size."""
    if response.headers.get_content_type() == "text/html":
        raise VlacError(
            f"{url} could not be fetched: the server sent a web page instead of the file.",
            "Look at the address in a browser: a network may want a login first.",
        )
    if size is not None and total is not None and total != size:
        raise VlacError(f"{url} could not be fetched: the server's file has {total} bytes instead of {size}.")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the bytes as they arrive, as long as they come at a pace that leads to an end."""
    since, arrived = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(CHUNK)  # what is there: an interruption loses nothing that has arrived
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(_network_reason(error)) from None
        if not chunk:
            return
        yield chunk
        arrived += len(chunk)
        if (seconds := time.monotonic() - since) >= TIMEOUT:
            if arrived < LEAST:
                raise _Interrupted(f"only {arrived} bytes came in {seconds:.0f} seconds")
            since, arrived = time.monotonic(), 0


@contextmanager
def _opened(part: Path, mode: str) -> Iterator[Callable[[bytes], int]]:
    """Open `part` and yield its write method; failures to write become VlacError."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open(mode) as file:
            yield file.write
    except OSError as error:
        raise VlacError(
            f"{part} could not be written: {reason(error)}.",
            "Mend that and run the same command again; it goes on from there.",
        ) from error


@contextmanager
def _progress(name: str, start: int, total: int | None) -> Iterator[Callable[[int], object]]:
    """Yield a function that takes the number of bytes just arrived and draws a bar, on a terminal with tqdm."""
    logger.info("Fetching %s%s.", name, f", {total / 1e6:.0f} MB" if total else "")
    with contextlib.ExitStack() as stack:
        try:
            from tqdm import tqdm
        except ImportError:
            yield lambda _: None
            return
        bar = tqdm(desc=name, initial=start, total=total, unit="B", unit_scale=True, disable=None)
        yield stack.enter_context(bar).update


def _content_range(text: str) -> tuple[int, int | None]:
    """Return first byte and total of a Content-Range header; the first byte is -1 where it makes no sense."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip())
    return (int(match[1]), _number(match[2])) if match else (-1, None)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _network_reason(error: Exception) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return "no answer from the server"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror[0].lower() + cause.strerror[1:]
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection broke off"
    if isinstance(cause, http.client.HTTPException) and not isinstance(cause, OSError):
        return f"the server does not speak HTTP ({type(cause).__name__})"
    return str(cause) or type(cause).__name__
