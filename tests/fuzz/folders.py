"""Wrong data folders: what `data.path` or VLAC_DATA may name, and what may lie there."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import yaml
from hypothesis import strategies as st

from vlac.data import svhn
from vlac.data.mat import write_mat

from .damage import damaged
from .judge import Failure, command
from .params import PARAMS, shipped

ROOT = "mine"
FILES = ("train_32x32.mat", "test_32x32.mat", "extra_32x32.mat")


def _right(seed: int) -> bytes:
    """Return the bytes of a digit file."""
    images = np.random.default_rng(seed).integers(256, size=(6, 32, 32, 3), dtype=np.uint8)
    with TemporaryDirectory() as folder:
        write_mat(path := Path(folder, "right.mat"), images, np.arange(6, dtype=np.uint8))
        return path.read_bytes()


RIGHT = {name: _right(seed) for seed, name in enumerate(FILES)}

ELSEWHERE = [
    *("", " ", ".", "..", "/", "~", "~nobody/x", "missing", "mine/train_32x32.mat", "x" * 300, "a/" * 3000, "ünï"),
    *("ftp://host/x", "file:///etc", "s3://bucket/x", "://", "http://", "https://", "http:///x", "http://[half"),
    *("http://two words/", "http://127.0.0.1:1/", "http://127.0.0.1:99999/", "http://127.0.0.1:x/", "http://user@/"),
    *("http://\udcff/", "\udcff", "a\nb", "\x1b[31mred", "/dev/null", "/dev/zero/x", "http://localhost\n.evil/", "-"),
    *("http://127.0.0.1:1/%00", "http://127.0.0.1:1/?a=b#c", "HTTP://127.0.0.1:1/", "http://xn--/", "http://a..b/"),
]
"""Places that are no folder of files, or that nobody can be asked for."""


@dataclass(frozen=True)
class Given:
    """A folder and how it is named: the kind of thing in each place with its bytes, and the name of the folder."""

    things: tuple[tuple[str, str, bytes], ...]
    name: str
    by_variable: bool
    train_split: str


KINDS = ("right", "missing", "damaged", "wrong", "folder", "loop", "nowhere", "pipe", "other")


@st.composite
def folders(draw: st.DrawFn) -> Given:
    """Return a folder, mostly of wrong things."""
    things = []
    for name in FILES:
        kind = draw(st.sampled_from(["right", *KINDS]))
        content = b""
        if kind == "damaged":
            content = draw(damaged(RIGHT[name]))
        elif kind == "wrong":
            content = draw(st.sampled_from([b"", b"\n<!DOCTYPE html>", b"MATLAB 7.3 MAT-file"])) + draw(st.binary())
        things.append((name, kind, content))
    more = st.sampled_from(["0001.png", "3/0001.JPG", "train_32x32.mat.part", "TRAIN_32x32.MAT", "deep/" * 60 + "x"])
    things += [(name, "wrong", b"?") for name in draw(st.lists(more, unique=True, max_size=2))]
    by_variable = draw(st.booleans())
    name = draw(st.one_of(st.just(ROOT), st.just(ROOT), st.sampled_from(ELSEWHERE), st.text(max_size=12)))
    if by_variable:  # what an environment variable cannot hold
        name = name.replace("\0", "").encode("utf-8", "ignore").decode() if "\udcff" not in name else name
    split = draw(st.sampled_from(["train", "train", "extra", "train+extra"]))
    return Given(tuple(things), name, by_variable, split)


def download(given: Given) -> None:
    """Run `python -m vlac download` on such a folder, and `prepare` if that took it.

    Raises:
        VlacError: one of them says what is wrong.
        Failure: neither does, though `download` has refused nothing.
    """
    for path in sorted(Path().rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, kind, content in given.things:
        _make(Path(ROOT, name), kind, content)
    content: dict[str, Any] = shipped(PARAMS[0]) | {"preset": "fuzz"}
    content["data"] = content["data"] | {
        "source": "svhn",
        "train_split": given.train_split,
        "path": None if given.by_variable else given.name.replace("\udcff", "?"),
    }
    Path("params.yaml").write_text(yaml.safe_dump(content))
    environment = {"VLAC_DATA": given.name} if given.by_variable else {"VLAC_DATA": ""}
    # Nobody is waited for, and the official page is not asked.
    with (
        patch.dict(os.environ, environment),
        patch.object(svhn, "PAUSES", ()),
        patch.object(svhn, "PAGE", "http://127.0.0.1:1"),
    ):
        command("download")
        command("prepare")
    if not Path("data/train.npz").exists():
        raise Failure("prepare has made nothing")


def _make(path: Path, kind: str, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match kind:
        case "right":
            path.write_bytes(RIGHT[path.name])
        case "damaged" | "wrong":
            path.write_bytes(content)
        case "folder":
            path.mkdir()
        case "loop":
            path.symlink_to(path.name)
        case "nowhere":
            path.symlink_to("nowhere")
        case "pipe":
            os.mkfifo(path)
        case "other":  # the same bytes as another split's
            path.write_bytes(RIGHT[FILES[0]])
