"""The wrong answers of a web server to a request for a file, which count themselves; the right one is page.py's.

An answer counts where it is wrong: one that would break off later than the file ends does not.
"""

import time
from collections.abc import Iterator

from tests.faults.page import Answer, Request, free_port


def in_turn(*answers: Answer) -> Answer:
    """One after the other, and the last for ever."""
    waiting: Iterator[Answer] = iter(answers[:-1])
    return lambda request: next(waiting, answers[-1])(request)


def breaks_off(after: int) -> Answer:
    """Each answer ends too early, but goes on from where the last one ended."""
    return lambda request: _begin(request, request.say_right(), after)


def resets(after: int) -> Answer:
    """The same, and each connection ends with a reset."""

    def answer(request: Request) -> None:
        _begin(request, request.say_right(), after)
        request.reset()

    return answer


def never_past(byte: int) -> Answer:
    """All answers end at the same byte of the file."""
    return lambda request: _begin(request, request.say_right(), max(0, byte - request.start))


def stalls(after: int) -> Answer:
    """The first bytes come, and then nothing, with the connection open."""

    def answer(request: Request) -> None:
        _begin(request, request.say_right(), after)
        time.sleep(60)

    return answer


def ignores_range(after: int | None = None) -> Answer:
    """The file is always sent from its first byte."""

    def answer(request: Request) -> None:
        content = request.say_right(start=0)
        if request.start and after is None:
            _count(request)
        _begin(request, content, len(content) if after is None else after)

    return answer


def another_range(request: Request) -> None:
    """Another part than was asked for comes, with an honest header."""
    _count(request)
    request.wfile.write(request.say_right(start=request.start + 7))


def no_length(after: int) -> Answer:
    """The length is not announced, so that the end of the connection looks like the end of the file."""

    def answer(request: Request) -> None:
        request.say(200)
        _begin(request, request.content, after)

    return answer


def claims(change: int) -> Answer:
    """The announced length is wrong by so many bytes, and the file ends where it ends."""

    def answer(request: Request) -> None:
        _count(request)
        total = len(request.content) + change
        if request.start:
            where = f"bytes {request.start}-{total - 1}/{total}"
            request.say(206, content_length=total - request.start, content_range=where)
        else:
            request.say(200, content_length=total)
        request.wfile.write(request.content[request.start :])

    return answer


def web_page(request: Request) -> None:
    """A network's login page stands in for every address."""
    _count(request)
    text = b"<!DOCTYPE html><html><body>Please log in.</body></html>"
    request.say(200, content_type="text/html; charset=utf-8", content_length=len(text))
    request.wfile.write(text)


def wrong_bytes(request: Request) -> None:
    """The last byte is another one."""
    _count(request)
    request.wfile.write(request.say_right()[:-1] + bytes([request.content[-1] ^ 1]))


def crawls(request: Request) -> None:
    """Five bytes come each second."""
    _count(request)
    content = request.say_right()
    for at in range(0, len(content), 5):
        request.wfile.write(content[at : at + 5])
        time.sleep(1)


def silent(request: Request) -> None:
    """The request is taken, and never answered."""
    _count(request)
    time.sleep(60)


def hangs_up(request: Request) -> None:
    """The connection ends without a word."""
    _count(request)


def no_http(request: Request) -> None:
    """Something else than a web server listens there."""
    _count(request)
    request.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\x00\xff\xfe\r\n")


def status(number: int) -> Answer:
    """An error, for ever."""

    def answer(request: Request) -> None:
        _count(request)
        request.send_error(number)

    return answer


def to_itself(request: Request) -> None:
    """The file has moved, to where it was."""
    _count(request)
    request.say(302, location=request.path)


def to_another_place(then: Answer) -> Answer:
    """The file has moved to another place of the same server, which answers with `then`; no fault in itself."""

    def answer(request: Request) -> None:
        if request.path.startswith("/moved/"):
            then(request)
        else:
            request.say(301, location=f"/moved/{request.name}")

    return answer


def to_another_host(request: Request) -> None:
    """The file has moved to a host of another name."""
    _count(request)
    request.say(301, location=f"http://localhost:{request.server.server_address[1]}/{request.name}")


def to_nobody(request: Request) -> None:
    """The file has moved to an address at which nobody listens."""
    _count(request)
    request.say(302, location=f"http://127.0.0.1:{free_port()}/{request.name}")


def _begin(request: Request, content: bytes, length: int) -> None:
    """Send the first bytes of what belongs there; it is wrong unless they are all."""
    if length < len(content):
        _count(request)
    request.wfile.write(content[:length])


def _count(request: Request) -> None:
    """Count a wrong answer, before a client that has had enough of it can go away."""
    request.page.wrong += 1
