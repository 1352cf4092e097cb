"""Wrong result files: manifests, scores, arrays, weights and checkpoints of a small project, met by their readers."""

import io
import json
import shutil
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from vlac.errors import VlacError
from vlac.files import json_bytes, sha256
from vlac.params.load import load_params
from vlac.stages import jobs
from vlac.stages.manifest import read_manifest, sealed

from .damage import damaged
from .judge import note
from .params import VALUES, places
from .project import MODEL, READ_BY, READERS, project
from .words import SPRUNG


class Trap:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (SPRUNG, "w")


@dataclass(frozen=True)
class Given:
    """A file of the project with other bytes, who reads it, and whether the manifests are made to fit."""

    pattern: str
    path: str
    content: bytes
    reader: str
    fits: bool


@st.composite
def files(draw: st.DrawFn) -> Given:
    """Return a wrong file of the project."""
    pattern = draw(st.sampled_from(sorted(READ_BY)))
    path = draw(st.sampled_from(sorted(project().glob(pattern)) or [None]))
    assert path is not None, pattern
    content = path.read_bytes()
    if draw(st.booleans()):
        other = draw(st.one_of(damaged(content), damaged(content), st.sampled_from([b"", b"\0" * 99, b"[" * 99_999])))
    else:
        other = {".json": _json, ".csv": _csv, ".npz": _npz, ".pt": _pt}[path.suffix](draw, content)
    reader = draw(st.sampled_from(READ_BY[pattern]))
    fits = draw(st.sampled_from([True, True, False]))
    return Given(pattern, path.relative_to(project()).as_posix(), other, reader, fits)


def read(given: Given) -> None:
    """Put the file into a copy of the project, and run what reads it.

    Raises:
        VlacError: it says what is wrong.
    """
    shutil.rmtree("project", ignore_errors=True)
    shutil.copytree(project(), "project", symlinks=True)
    with chdir("project"):
        Path(given.path).write_bytes(given.content)
        root = Path("pack" if given.path.startswith("pack/") else ".")
        name = given.path.removeprefix("pack/")
        if given.fits:
            make_fit(root, name)
        note(given.pattern)
        if vouched_for(root, name):
            note(f"{given.pattern}, vouched for by manifests")
        if given.reader == "unpack":  # what is here already is not fetched
            shutil.rmtree("results/train", ignore_errors=True)
            shutil.rmtree("checkpoints", ignore_errors=True)
        if given.path.startswith("checkpoints"):
            shutil.rmtree(f"results/train/{MODEL}")
        READERS[given.reader]()


def make_fit(root: Path, name: str) -> None:
    """Have the manifests under `root` vouch for the bytes of a file as they are now, and for each other as well."""
    changed = [name]
    while changed:
        named = changed.pop()
        for path in (*root.glob("results/**/manifest.json"), *root.glob("data/**/manifest.json")):
            if path == root / name:
                continue  # it has what was drawn for it
            manifest = json.loads(path.read_text())
            parts = [manifest[part] for part in ("inputs", "outputs") if named in manifest[part]]
            if parts:
                for part in parts:
                    part[named] = sha256(root / named)
                del manifest["seal"]
                path.write_bytes(json_bytes(sealed(manifest)))
                changed.append(path.relative_to(root).as_posix())


def vouched_for(root: Path, name: str) -> bool:
    """Return whether manifests under `root` name the file, and all that do, name its bytes as they are now."""
    params = load_params()
    with chdir(root):
        try:
            manifests = [read_manifest(job) for job in jobs(params) if job.manifest.exists()]
        except VlacError:
            return False
        named = [part[name] for each in manifests for part in (each.inputs, each.outputs) if name in part]
        return bool(named) and set(named) == {sha256(Path(name))}


def _changed(draw: st.DrawFn, content: Any, values: st.SearchStrategy[Any]) -> Any:
    """Return nested lists and mappings with another value somewhere, or none, or something else altogether."""
    found = list(places(content))
    if not found or draw(st.integers(0, 9)) == 0:
        return draw(values)
    *above, last = draw(st.sampled_from(found))
    section = content
    for part in above:
        section = section[part]
    if draw(st.integers(0, 3)):
        section[last] = draw(values)
    else:
        del section[last]
    return content


def _json(draw: st.DrawFn, content: bytes) -> bytes:
    """Return other JSON; a manifest has a right seal half of the time."""
    found = json.loads(content)
    seal = found.pop("seal", None) if isinstance(found, dict) and draw(st.booleans()) else None
    other = _changed(draw, found, VALUES)
    if seal and isinstance(other, dict):
        try:
            return json_bytes(sealed(other))
        except ValueError:  # it has a number that JSON does not know
            pass
    return json.dumps(other).encode()


CELLS = [
    "",
    "nan",
    "inf",
    "-1",
    "0",
    "1",
    "5",
    "1e999",
    "x",
    "9" * 400,
    '"',
    "1,2",
    "\0",
    "1.5",
    "True",
    "\n",
    "ü",
    "-",
]


def _csv(draw: st.DrawFn, content: bytes) -> bytes:
    rows = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        row, column = draw(st.integers(0, len(rows) - 1)), draw(st.integers(0, max(0, len(rows[0]) - 1)))
        match draw(st.sampled_from(["cell", "cell", "cell", "column", "row", "head", "values"])):
            case "cell" if column < len(rows[row]):
                rows[row][column] = draw(st.sampled_from(CELLS))
            case "column":
                for cells in rows:
                    del cells[column : column + 1]
            case "row" if len(rows) > 1:
                del rows[row]
            case "head":
                del rows[1:]
            case "values":
                for cells in rows[1:]:
                    cells[column : column + 1] = [draw(st.sampled_from(CELLS))]
    return "\n".join(",".join(cells) for cells in rows).encode() + b"\n"


def _npz(draw: st.DrawFn, content: bytes) -> bytes:
    with np.load(io.BytesIO(content)) as archive:
        arrays: dict[str, Any] = dict(archive)
    name = draw(st.sampled_from(sorted(arrays)))
    array = arrays[name]
    match draw(st.sampled_from(["drop", "rename", "type", "shape", "values", "code", "empty", "add"])):
        case "drop":
            del arrays[name]
        case "rename":
            arrays[draw(st.sampled_from(["images", "factor_digit", "factor_", "values_x", "x", "../x"]))] = arrays.pop(
                name
            )
        case "type" if array.dtype != np.dtype("U"):
            arrays[name] = np.zeros(array.shape, draw(st.sampled_from(["f8", "i8", "u2", "bool", "U3", "S2", "c16"])))
        case "shape":
            arrays[name] = array.reshape(draw(st.sampled_from([(-1,), (1, *array.shape), (*array.shape, 1)])))
        case "values":
            arrays[name] = np.full_like(array, draw(st.integers(0, 255)))
        case "code":
            arrays[name] = np.array([Trap()], object)
        case "empty":
            arrays[name] = array[:0]
        case "add":
            arrays[draw(st.sampled_from(["factor_new", "values_new", "more"]))] = array
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


TENSORS = st.sampled_from(
    [torch.zeros(()), torch.zeros(3, 3), torch.full((4,), float("nan")), torch.zeros(2, dtype=torch.int64)]
)


def _pt(draw: st.DrawFn, content: bytes) -> bytes:
    unpacked = torch.load(io.BytesIO(content), weights_only=True)
    values = st.one_of(VALUES, TENSORS, st.sampled_from([10**9, 10**6, -1]), st.builds(Trap))
    buffer = io.BytesIO()
    torch.save(_changed(draw, unpacked, values), buffer)
    return buffer.getvalue()
