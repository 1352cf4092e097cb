"""Wrong params.yaml and search.yaml files: the shipped ones with other values, other text and other bytes."""

import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import strategies as st

from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.trials import load_search
from vlac.stages import jobs
from vlac.stages.definitions import Job
from vlac.stages.search import search_jobs

from .damage import damaged
from .judge import Failure, command
from .words import NAMES, TEXT

ROOT = Path(__file__).resolve().parents[2]
PARAMS = [ROOT / "params.yaml", *sorted((ROOT / "presets").glob("*.yaml"))]
SEARCHES = [ROOT / "search.yaml", *sorted((ROOT / "presets" / "searches").glob("*.yaml"))]

VALUES = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from([None, True, False, 0, 1, 2, 3, 4, 50, -1, 10**9, 10**9 + 1, 2**31, 2**63, 2**64, 10**40]),
    st.sampled_from([0.0, -0.0, 0.5, 1.0, 1e-300, 1e300, float("inf"), float("-inf"), float("nan")]),
    st.sampled_from([[], {}, [[]], [1, 1, 50, 1], [16, 32, 64], {"kind": "vlac"}, {"kind": "gmdgm", "K": 9, "z": 4}]),
    st.sampled_from(["auto", "svhn", "digits", "extra", "train+extra", "laplace", "sampled", "cuda", "0-4", "3"]),
    st.integers(1, 60),
    st.floats(0, 1),
    st.text(max_size=20),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
        max_leaves=8,
    ),
)


@functools.cache
def shipped(path: Path) -> Any:
    """Return the content of a shipped file."""
    return yaml.safe_load(path.read_text())


@st.composite
def files(draw: st.DrawFn, paths: list[Path]) -> bytes:
    """Return the bytes of a wrong file made of one of the shipped ones; now and then they are right."""
    path = draw(st.sampled_from(paths))
    match draw(st.sampled_from(["values", "values", "values", "text", "bytes", "whole"])):
        case "values":
            text = _other_values(draw, path)
        case "text":
            text = _other_text(draw, path.read_text())
        case "bytes":
            return draw(damaged(path.read_bytes()))
        case _:
            return _something_else(draw, path.read_text())
    return text.encode("utf-8", "surrogatepass")


def places(content: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the keys and indices that lead to each value in nested mappings and lists."""
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in inside:
        yield (*above, key)
        yield from places(value, (*above, key))


def _other_values(draw: st.DrawFn, path: Path) -> str:
    content = copy.deepcopy(shipped(path))
    as_text: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(list(places(content))))
        section = content
        for part in above:
            section = section[part]
        value = copy.deepcopy(draw(VALUES))  # changed below, and some are the same object for every input
        if draw(st.booleans()) and isinstance(section, dict):
            as_text.append(draw(st.sampled_from(TEXT)))
            value = f"AS{len(as_text) - 1}TEXT"
        match draw(st.sampled_from(["set", "set", "set", "set", "delete", "rename", "add", "wrap"])):
            case "set":
                section[last] = value
            case "delete":
                del section[last]
            case "rename" if isinstance(section, dict):
                section[draw(st.sampled_from([*NAMES, "epochs", "K", "true", "1"]))] = section.pop(last)
            case "add" if isinstance(section, dict):
                section[draw(st.one_of(st.sampled_from(NAMES), st.integers(), st.none(), st.text(max_size=9)))] = value
            case "add":
                section.append(value)
            case "wrap":
                section[last] = [section[last]] * draw(st.sampled_from([1, 2, 1500]))
        if not list(places(content)):
            break
    # No aliases by chance: they have cases of their own.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    flow = draw(st.sampled_from([None, False, True]))
    text = yaml.dump(content, Dumper=dumper, default_flow_style=flow, sort_keys=False, allow_unicode=True, width=10_000)
    return re.sub(r"AS(\d+)TEXT", lambda match: as_text[int(match[1])], text)


def _other_text(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["twice", "drop", "swap", "indent", "tab", "text", "colon", "insert", "join"])):
            case "twice":
                lines.insert(at, lines[at])
            case "drop":
                del lines[at]
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "indent":
                lines[at] = " " * draw(st.integers(0, 5)) + lines[at].lstrip()
            case "tab":
                lines[at] = lines[at].replace("  ", "\t")
            case "text":
                lines[at] = re.sub(r": .*", lambda _: f": {draw(st.sampled_from(TEXT))}", lines[at])
            case "colon":
                lines[at] = lines[at].replace(":", draw(st.sampled_from(["", ": ", "::", " :", "=", ":\n"])))
            case "insert":
                lines.insert(at, draw(st.one_of(st.sampled_from(TEXT), st.text(max_size=30))))
            case "join":
                lines[at : at + 2] = [" ".join(lines[at : at + 2])]
        if not lines:
            break
    return "\n".join(lines)


def _something_else(draw: st.DrawFn, text: str) -> bytes:
    """Return a file that differs from `text` as a whole."""
    match draw(st.sampled_from(["laughs", "deep", "many", "long", "code", "binary", "lines", "documents", "scalar"])):
        case "laughs":
            width, depth = draw(st.integers(2, 30)), draw(st.integers(2, 30))
            laughs = ["lol0: &l0 ha"]
            laughs += [f"lol{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, depth)]
            key = draw(st.sampled_from(["seeds", "more", "models"]))
            return ("\n".join(laughs) + re.sub(rf"\n{key}:.*", "", "\n" + text) + f"\n{key}: *l{depth - 1}\n").encode()
        case "deep":
            depth = draw(st.sampled_from([10, 100, 1000, 20_000]))
            opened, closed = draw(st.sampled_from([("[", "]"), ("{a: ", "}"), ("- ", ""), ("? ", "")]))
            return (text + "\nmore: " + opened * depth + "1" + closed * depth * draw(st.integers(0, 1))).encode()
        case "many":
            count = draw(st.sampled_from([100, 999, 1001, 5000, 30_000]))
            start = draw(st.sampled_from([0, 5, 999_999_990]))
            seeds = ", ".join(str(start + n) for n in range(count))
            names = "".join(f"\n  m{n}: {{kind: gmdgm, K: 9, z: 4}}" for n in range(draw(st.integers(0, 60))))
            return (
                re.sub(r"\nseeds:.*", "", text).replace("\nmodels:", f"\nmodels:{names}") + f"\nseeds: [{seeds}]\n"
            ).encode()
        case "long":
            return (text + "\nmore: " + draw(st.sampled_from(["x", "9", "é", " ", "- ", "'"])) * 150_000).encode()
        case "code":
            return text.encode(draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp500", "utf-7"])))
        case "binary":
            return draw(st.binary(max_size=300))
        case "lines":
            return text.replace(
                "\n", draw(st.sampled_from(["\r\n", "\r", "\n\n", "\x85", "\u2028", "\0", ""]))
            ).encode()
        case "documents":
            return (
                draw(
                    st.sampled_from(
                        ["---\n{}", "{}\n...\n", "%YAML 1.1\n---\n{}", "%YAML 1.2\n---\n{}", "{0}\n---\n{0}"]
                    )
                )
                .replace("{}", text)
                .replace("{0}", text)
                .encode()
            )
        case _:
            return draw(st.one_of(st.sampled_from(TEXT), st.text(max_size=40))).encode("utf-8", "surrogatepass")


def plan(content: bytes) -> None:
    """Do what `python -m vlac plan` does with the bytes as params.yaml, in the working folder.

    Raises:
        VlacError: it says what is wrong.
        Failure: it does not, or plans what no engine should run.
    """
    Path("params.yaml").write_bytes(content)
    try:
        listed = command("plan")
        _check_jobs(list(jobs(load_params())), Path("params.yaml"))
        _ensure(len(listed.splitlines()) == len(list(jobs(load_params()))) + 1, "the plan leaves something out")
    finally:
        _ensure([path.name for path in Path().iterdir()] == ["params.yaml"], "there is a new file")


def search(content: bytes) -> None:
    """Do the same with the bytes as search.yaml, by the command that gathers its trials."""
    Path("search.yaml").write_bytes(content)
    if not Path("presets").exists():
        Path("presets").symlink_to(ROOT / "presets")
    try:
        command("search")
    except VlacError as error:
        # As far as a search gets where nothing was tried yet.
        if not re.match(r"results/search/\w+/\d+/scores\.csv is missing", str(error)):
            raise
        _check_jobs(list(search_jobs(load_search())), Path("search.yaml"))
    else:
        raise Failure("a search without trials was reported")
    finally:
        # The lock of the job, which is taken before its inputs are looked at, lies under logs/.
        _ensure({path.name for path in Path().iterdir()} <= {"search.yaml", "presets", "logs"}, "there is a new file")


def _check_jobs(asked: list[Job], path: Path) -> None:
    """Raise Failure if a job is none that should be run, or if DVC reads the file otherwise than Snakemake."""
    for job in asked:
        _ensure(
            re.fullmatch(r"python -m vlac( (--seeds?|--model|[A-Za-z0-9_][A-Za-z0-9_-]*))+", job.command) is not None,
            job.command,
        )
        for file in (*job.outputs, job.log, job.manifest):
            _ensure(not file.is_absolute() and ".." not in file.parts and max(map(len, file.parts)) < 100, str(file))
    text = path.read_text(encoding="utf-8")
    try:
        read_by_dvc = parse_yaml(text, str(path))
    except Exception as error:
        raise Failure(f"DVC cannot read it: {error}") from None
    ours = yaml.safe_load(text)
    _ensure(_typed(read_by_dvc) == _typed(ours), f"DVC reads {read_by_dvc} and Snakemake {ours}")


def _typed(value: Any) -> Any:
    """Return a value in which true is another thing than 1, and 1 than 1.0."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    return [_typed(inner) for inner in value] if isinstance(value, list) else (type(value).__name__, value)


def _ensure(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Failure(otherwise)
