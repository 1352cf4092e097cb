"""Servers and networks that fail while the digit files are fetched: made-up ones, in the place of the official page."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import yaml
from scipy.io import savemat

from tests.faults import answers
from tests.faults.bench import Bench, Case
from tests.faults.checkout import Checkout, small_params
from tests.faults.mounts import small_disk
from tests.faults.page import Answer, Page, free_port, honest, serving
from tests.faults.processes import kill_group, wait_for
from tests.faults.sentence import error_sentence, warnings
from vlac.data.download import file_name
from vlac.files import json_bytes

COUNTS = {"train": 60, "test": 20}
RAW = Path("data/raw")
WAYS = {
    "vlac": ("vlac", "download"),
    "a mirror": ("vlac", "download"),
    "snakemake": ("snakemake", "--cores", "2", "data/source.json"),
    "dvc": ("dvc", "repro", "download"),
}
"""The commands by which files are fetched; for "a mirror" VLAC_DATA names the server."""


@dataclass(frozen=True)
class Fault:
    """A way to fail.

    Attributes:
        name: for people.
        answer: makes the server's answers, anew for each case.
        says: pattern of what the error sentence must say; "" where the command must get over it by itself.
        way: one of WAYS.
        keeps: bytes of the first file that must be on disk after the failure, from which the next command goes on.
    """

    name: str
    answer: Callable[[], Answer]
    says: str = ""
    way: str = "vlac"
    keeps: int | None = None


HALF = 90_000  # bytes of the first file
BROKEN = f"the connection broke off after {HALF} of "
ANOTHER_SIZE = r"the server's file has \d+ bytes instead of \d+\."
FAULTS = (
    Fault("the connection breaks off again and again", lambda: answers.breaks_off(40_000)),
    Fault("a login page comes, with status 200", lambda: answers.web_page, "a web page instead of the file", keeps=0),
    Fault(
        "a login page comes after half of the file",
        lambda: answers.in_turn(answers.breaks_off(HALF), answers.web_page),
        "a web page instead of the file",
        keeps=HALF,
    ),
    Fault("the connection is reset again and again", lambda: answers.resets(40_000)),
    Fault("the connection never gets past one byte", lambda: answers.never_past(HALF), BROKEN, keeps=HALF),
    Fault("the announced length is too long", lambda: answers.claims(1000), ANOTHER_SIZE, keeps=0),
    Fault("the announced length is too short", lambda: answers.claims(-1000), ANOTHER_SIZE, keeps=0),
    Fault(
        "a mirror's announced length is too long",
        lambda: answers.claims(1000),
        "the connection broke off after",
        "a mirror",
    ),
    Fault(
        "a mirror's announced length is too short",
        lambda: answers.claims(-1000),
        "is no digit file and was deleted: .* truncated",
        "a mirror",
        keeps=0,
    ),
    Fault(
        "no length is announced, and the connection breaks off",
        lambda: answers.in_turn(answers.no_length(HALF), honest),
    ),
    Fault(
        "Range is ignored, and the connection breaks off",
        lambda: answers.in_turn(*(answers.ignores_range(after) for after in (HALF, HALF // 2, None))),
    ),
    Fault(
        "another range comes than was asked for",
        lambda: answers.in_turn(answers.breaks_off(HALF), answers.another_range, honest),
    ),
    Fault("the address redirects to itself", lambda: answers.to_itself, "from one address to the next", keeps=0),
    Fault(
        "the address redirects to another place of the server, which breaks off",
        lambda: answers.to_another_place(answers.in_turn(answers.breaks_off(HALF), honest)),
    ),
    Fault("the address redirects to another host", lambda: answers.to_another_host, "sends us on to", keeps=0),
    Fault("the address redirects to nobody", lambda: answers.to_nobody, "connection refused", keeps=0),
    Fault("the bytes are wrong", lambda: answers.wrong_bytes, r"MD5 checksum \w{32} instead of \w{32}", keeps=0),
    Fault("five bytes come each second", lambda: answers.crawls, r"only \d+ bytes came in 1\d seconds"),
    Fault("nothing comes after half of the file, twice", lambda: answers.stalls(HALF)),
    Fault(
        "nothing ever comes after half of the file",
        lambda: answers.in_turn(answers.stalls(HALF), answers.silent),
        "no answer from the server",
        keeps=HALF,
    ),
    Fault("no answer comes at all", lambda: answers.silent, "no answer from the server", keeps=0),
    Fault("the server hangs up without a word", lambda: answers.hangs_up, "could not be fetched: ", keeps=0),
    Fault("no web server listens there", lambda: answers.no_http, "does not speak HTTP", keeps=0),
    *(
        Fault(f"the server answers {number}", lambda number=number: answers.status(number), f"{number} [A-Z]", keeps=0)
        for number in (403, 404, 503)
    ),
    Fault("the server answers 503 twice", lambda: answers.in_turn(*[answers.status(503)] * 2, honest)),
    Fault("snakemake: the server is down", lambda: answers.status(503), "503 Service", "snakemake", keeps=0),
    Fault("dvc: a login page comes", lambda: answers.web_page, "a web page instead of the file", "dvc", keeps=0),
)


def cases(bench: Bench, share: float) -> Iterator[Case]:
    """Yield them, quick ones first."""
    every = [
        *(_case(fault) for fault in FAULTS),
        Case("downloads", "nobody listens, and the server comes back", 1, _nobody),
        Case("downloads", "the command is killed in mid-file", 1, _killed),
        Case("downloads", "the disk is full in mid-file", 1, _full_disk),
    ]
    yield from every[: max(1, round(share * len(every)))]


def _case(fault: Fault) -> Case:
    return Case("downloads", fault.name, 1, lambda bench: _strike(bench, fault))


def _strike(bench: Bench, fault: Fault) -> tuple[int, str]:
    with serving(made_up(), fault.answer()) as page:
        checkout = _checkout(bench, page)
        more = {"VLAC_DATA": page.url} if fault.way == "a mirror" else {}
        said = _fetch(checkout, fault.way, fails=bool(fault.says), **more)
        seen = f"went on by itself, in {len(page.asked)} requests"
        if fault.says:
            seen = _sentence(said, fault.says)
            kept = _check_parts(checkout, page)
            assert fault.keeps in (None, kept), f"{kept} bytes are kept, not {fault.keeps}"
            page.answer, page.asked = honest, []
            _fetch(checkout, fault.way, **more)
            first = page.asked[0]
            assert first[1] == (f"bytes={kept}-" if kept else None), first
        _check_right(checkout, page)
        assert page.wrong, "no answer was wrong"
        return page.wrong, seen


def _nobody(bench: Bench) -> tuple[int, str]:
    port = free_port()
    checkout = _checkout(bench, Page(made_up(), url=f"http://127.0.0.1:{port}"))
    said = _fetch(checkout, "vlac", fails=True)
    seen = _sentence(said, "connection refused")
    refused = len(warnings(said, "onnection refused"))  # each attempt tells of it
    with serving(made_up(), port=port) as page:
        _fetch(checkout, "vlac")
        _check_right(checkout, page)
    return refused, seen


def _killed(bench: Bench) -> str:
    with serving(made_up(), answers.stalls(HALF)) as page:
        checkout = _checkout(bench, page)
        part = checkout.folder / RAW / "svhn" / f"{file_name('train')}.part"
        with checkout.running(*WAYS["vlac"], no_proxy="*") as process:
            wait_for(lambda: part.exists() and part.stat().st_size > 0)
            assert process.poll() is None, "it ended before it was killed"
            kill_group(process)
        kept = _check_parts(checkout, page)
        page.answer, page.asked = honest, []
        _fetch(checkout, "vlac")
        assert page.asked[0][1] == f"bytes={kept}-", page.asked
        _check_right(checkout, page)
        return f"the next command went on from byte {kept}"


def _full_disk(bench: Bench) -> str:
    with serving(made_up()) as page:
        checkout = _checkout(bench, page)
        with small_disk(checkout.folder / RAW) as disk:
            disk.fill(leave=HALF)
            said = _fetch(checkout, "vlac", fails=True)
            seen = _sentence(said, r"32x32\.mat\.part could not be written: the disk is full", offline=False)
            kept = _check_parts(checkout, page)
            assert kept > 0
            disk.free()
            page.asked = []
            _fetch(checkout, "vlac")
            assert page.asked[0][1] == f"bytes={kept}-", page.asked
        _check_right(checkout, page)
        return seen


def made_up() -> dict[str, bytes]:
    """Return small digit files of random pixels by their official names, the same ones each time."""
    random = np.random.default_rng(0)
    files = {}
    for split, count in COUNTS.items():
        buffer = BytesIO()
        X = random.integers(256, size=(32, 32, 3, count), dtype=np.uint8)
        y = (np.arange(count, dtype=np.uint8) % 10 + 1)[:, None]
        savemat(buffer, {"X": X, "y": y})
        # SciPy writes the time into the free text at the start.
        files[file_name(split)] = b"MATLAB 5.0 MAT-file, made up".ljust(116) + buffer.getvalue()[116:]
    return files


def _checkout(bench: Bench, page: Page) -> Checkout:
    """Return a new checkout that wants SVHN and takes the page for the official one."""
    checkout = bench.fresh()
    params = small_params()
    params["data"]["source"] = "svhn"
    (checkout.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    module = checkout.folder / "vlac" / "data" / "download.py"
    text = re.sub(r"^PAGE = .*$", f'PAGE = "{page.url}"', module.read_text(), flags=re.MULTILINE)
    for split in COUNTS:
        content = page.files[file_name(split)]
        entry = f'"{split}": Official("{hashlib.md5(content).hexdigest()}", {len(content)}),'
        text, times = re.subn(rf'"{split}": Official\(.*\),', entry, text)
        assert times == 1
    assert page.url in text
    module.write_text(text)
    return checkout


def _fetch(checkout: Checkout, way: str, fails: bool = False, **environment: str) -> str:
    return checkout.run(*WAYS[way], fails=fails, no_proxy="*", **environment)


def _sentence(said: str, pattern: str, offline: bool = True) -> str:
    """Return the error sentence, which must say what the pattern asks for, name the file and the ways without it."""
    return error_sentence(said, pattern, r"32x32\.mat", *(["VLAC_DATA", r"data\.path"] if offline else []))


def _check_parts(checkout: Checkout, page: Page) -> int:
    """Check that nothing unfinished passes for finished, and return how many bytes of the first file are there."""
    assert not (checkout.folder / "data/source.json").exists()
    whole = [path.name for path in (checkout.folder / RAW).rglob("*.mat")]
    assert not whole, f"{whole} passes for whole"
    parts = list((checkout.folder / RAW).rglob("*.part"))
    assert len(parts) <= 1, parts
    content = parts[0].read_bytes() if parts else b""
    assert page.files[file_name("train")].startswith(content), "what has arrived is not the file's beginning"
    return len(content)


def _check_right(checkout: Checkout, page: Page) -> None:
    """Check that the files are there whole, and are described as they are."""
    files = {path.name: path.read_bytes() for path in (checkout.folder / RAW).rglob("*") if path.is_file()}
    assert files == page.files, sorted(files)
    expected = [
        {
            "split": split,
            "name": file_name(split),
            "bytes": len(content := page.files[file_name(split)]),
            "sha256": hashlib.sha256(content).hexdigest(),
            "count": count,
            "official": True,
        }
        for split, count in COUNTS.items()
    ]
    source = (checkout.folder / "data/source.json").read_bytes()
    assert source == json_bytes({"source": "svhn", "files": expected}), json.loads(source)
