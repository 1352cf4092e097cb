"""A file server on this machine that misbehaves on request, for the tests of fetching."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """What the server has and how it behaves, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    drop_after: list[int] = field(default_factory=list)  # bytes sent before each of the next answers breaks off
    statuses: list[int] = field(default_factory=list)  # errors that the next answers are
    knows_ranges: bool = True
    says_total: bool = True  # whether 416 comes with the size
    sends_on: dict[str, str] = field(default_factory=dict)  # file -> the address that it is said to have now
    shift: int = 0  # error of the range that it sends
    kind: str | None = None  # the Content-Type
    pause: float = 0.0  # seconds after each byte
    moved: bool = False  # redirects every request to itself
    asked: list[str | None] = field(default_factory=list)  # the Range header of each request
    url: str = ""


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server on a free port; what it does follows the fields of the yielded state, at any time."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.headers["Range"])
            if self.path.lstrip("/") in state.sends_on:
                self.send_response(302)
                self.send_header("Location", state.sends_on[self.path.lstrip("/")])
                self.end_headers()
                return
            content = state.files.get(self.path.lstrip("/"))
            if state.statuses or content is None:
                self.send_error(state.statuses.pop(0) if state.statuses else 404)
                return
            if state.moved:
                self.send_response(302, "Found")
                self.send_header("Location", self.path)
                self.end_headers()
                return
            start = 0
            if self.headers["Range"] and state.knows_ranges:
                start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) + state.shift
                if start >= len(content):
                    self.send_response(416)
                    if state.says_total:
                        self.send_header("Content-Range", f"bytes */{len(content)}")
                    self.end_headers()
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            if state.kind:
                self.send_header("Content-Type", state.kind)
            self.end_headers()
            length = state.drop_after.pop(0) if state.drop_after else len(content)
            with suppress(ConnectionError):  # of a client that waited long enough
                for at in range(start, start + length) if state.pause else ():
                    self.wfile.write(content[at : at + 1])
                    time.sleep(state.pause)
                if not state.pause:
                    self.wfile.write(content[start : start + length])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        state.url = f"http://127.0.0.1:{http.server_port}"
        yield state
        http.shutdown()
