"""A web server on this machine that goes wrong in the ways that servers and networks do, one way at a time."""

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request, and the parts of which right and wrong answers to it are made."""

    page: "Page"

    def do_GET(self) -> None:
        """Answer as the page does at present."""
        self.page.asked.append((self.name, self.headers["Range"]))
        with suppress(ConnectionError):  # of a client that has had enough
            self.page.answer(self)

    do_POST = do_GET

    @property
    def name(self) -> str:
        return self.path.rsplit("/")[-1]

    @property
    def content(self) -> bytes:
        return self.page.files[self.name]

    @property
    def start(self) -> int:
        """The first byte asked for."""
        match = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        return int(match[1]) if match else 0

    def say(self, status: int, **headers: object) -> None:
        """Send status and headers; `content_length=3` becomes Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.title().replace("_", "-"), str(value))
        self.end_headers()

    def say_right(self, start: int | None = None) -> bytes:
        """Send status and headers as an honest server does, and return the bytes that belong after them."""
        start, total = self.start if start is None else start, len(self.content)
        if start >= total:
            self.say(416, content_range=f"bytes */{total}")
            return b""
        if start:
            self.say(206, content_length=total - start, content_range=f"bytes {start}-{total - 1}/{total}")
        else:
            self.say(200, content_length=total)
        return self.content[start:]

    def reset(self) -> None:
        """Break the connection off as a machine does that has crashed: with a reset, not an end."""
        self.wfile.flush()
        time.sleep(0.2)  # so that what was sent is read before the reset throws it away
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def honest(request: Request) -> None:
    """Send what was asked for."""
    request.wfile.write(request.say_right())


@dataclass
class Page:
    """What a server has, does, and has done.

    Attributes:
        files: by their names.
        answer: how it answers at present.
        asked: the names and Range headers of all requests.
        wrong: how many of its answers were wrong.
    """

    files: dict[str, bytes]
    answer: Answer = honest
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    wrong: int = 0
    url: str = ""


@contextmanager
def serving(files: dict[str, bytes], answer: Answer = honest, port: int = 0) -> Iterator[Page]:
    """Run a server on a port of this machine, 0 for a free one, for the length of a `with` block."""
    page = Page(files, answer)
    handler = type("Handler", (Request,), {"page": page})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        page.url = f"http://127.0.0.1:{http.server_port}"
        yield page
        http.shutdown()


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
