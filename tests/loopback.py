"""A web server on this machine that misbehaves on request: an answer is a function of the request."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request, which the server's page answers."""

    page: "Page"

    def do_GET(self) -> None:
        """Answer as the page does at present."""
        self.page.asked.append(self.headers["Range"])
        with suppress(ConnectionError):  # of a client that has had enough
            self.page.answer(self)

    do_POST = do_GET

    def say(self, status: int, **headers: object) -> None:
        """Send status and headers; `content_length=3` becomes Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def sends(after: int | None = None, ranges: bool = True, shift: int = 0, hold: float = 0) -> Answer:
    """Send the file as it was asked for.

    Args:
        after: bytes after which the answer ends too early.
        ranges: whether the server knows ranges.
        shift: error of the range that it sends.
        hold: seconds for which the connection stays open after the last byte.
    """

    def answer(request: Request) -> None:
        content = request.page.files.get(request.path.rpartition("/")[2])
        if content is None:
            request.send_error(404)
            return
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers["Range"] or "")
        start, total = int(asked[1]) + shift if asked and ranges else 0, len(content)
        if start >= total:
            request.say(416, content_range=f"bytes */{total}")
        elif start:
            request.say(206, content_length=total - start, content_range=f"bytes {start}-{total - 1}/{total}")
        else:
            request.say(200, content_length=total)
        request.wfile.write(content[start:][:after])
        time.sleep(hold)

    return answer


def says(status: int, text: bytes = b"", **headers: object) -> Answer:
    """Send this, whatever was asked for."""

    def answer(request: Request) -> None:
        request.say(status, content_length=len(text), **headers)
        request.wfile.write(text)

    return answer


honest = sends()
web_page = says(200, b"<!DOCTYPE html><html><body>Please log in.</body></html>", content_type="text/html")


def silent(_: Request) -> None:
    """Take the request, and never answer."""
    time.sleep(60)


def in_turn(*answers: Answer) -> Answer:
    """Give one answer after the other, and the last for ever."""
    waiting = iter(answers[:-1])
    return lambda request: next(waiting, answers[-1])(request)


@dataclass
class Page:
    """What a server has by name, how it answers at present, and the Range header of each request that came."""

    files: dict[str, bytes]
    answer: Answer = honest
    asked: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(files: dict[str, bytes], answer: Answer = honest) -> Iterator[Page]:
    """Run a server on a free port of this machine for the length of a `with` block."""
    page = Page(files, answer)
    handler = type("Handler", (Request,), {"page": page})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads, http.block_on_close = True, False
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        page.url = f"http://127.0.0.1:{http.server_port}"
        yield page
        http.shutdown()
