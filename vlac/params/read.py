"""Read a YAML file so that every engine understands the same values, with the line of each of its keys.

Snakemake reads YAML 1.1, DVC reads YAML 1.2. A plain scalar that the two resolve differently (`1e-3`, `on`,
`010`, `1_000`) is refused here, with its line, because the engines would otherwise disagree without a word. So are
tags, which nothing here needs, and files so large or so deep that they are no parameters.
"""

import re
import stat
from pathlib import Path
from typing import Any

from vlac.errors import VlacError, one_line

RESOLVED = Path("params.json")
"""The parameters for a machine without PyYAML; `python -m vlac pack` writes it. Read where params.yaml is not."""

Lines = dict[tuple[str | int, ...], int]
"""The line of each key of a file, by the key's location."""

MOST_BYTES = 200_000
MOST_VALUES = 20_000
"""Values of a file, with every alias written out."""
DEEPEST = 20
LONGEST_NUMBER = 40

# The core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
CORE_1_2 = (
    ("null", re.compile(r"|~|null|Null|NULL")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)


def read_yaml(path: Path) -> tuple[Any, Path, Lines]:
    """Return the content of a YAML file, its path, and the line of each of its keys, for `vlac.params.load.validate`.

    Raises:
        VlacError: the file is missing, no YAML, too large or too deep, a key is twice there, a value has a tag, or is
            read differently by YAML 1.1 and 1.2. Or PyYAML is missing.
    """
    text = _text(path)
    try:
        import yaml  # here, because a compute node reads its parameters from JSON
    except ImportError:
        raise VlacError(
            f"PyYAML is not installed, so {path} cannot be read.",
            f"Install it, or make a folder with {RESOLVED} for this machine by `python -m vlac pack FOLDER` on one "
            "that has it.",
        ) from None
    lines: Lines = {}
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if not isinstance(root, yaml.MappingNode):
            raise VlacError(f"{path} must be a mapping of parameters.", "Copy one of presets/ over it.")
        _check(root, (), lines, path, loader)
        return loader.construct_document(root), path, lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise VlacError(one_line(f"{path} is not valid YAML{where}: {problem}."), "Correct it and run again.") from None
    except ValueError as error:
        raise VlacError(one_line(f"{path} is not valid YAML: {error}."), "Correct it and run again.") from None
    except RecursionError:
        raise too_deep(path) from None


def dotted(location: tuple[str | int, ...]) -> str:
    """Return a location as it is named in a message."""
    return ".".join(str(part) for part in location) or "the file"


def too_deep(path: Path) -> VlacError:
    """Return the error for a file whose values lie too deep to be parameters."""
    return VlacError(
        f"{path} is nested more than {DEEPEST} deep, or holds an alias that refers to itself.", "Write the values out."
    )


def _text(path: Path) -> str:
    try:
        about = path.stat()
        # A device or a pipe might never end.
        if not stat.S_ISREG(about.st_mode):
            raise VlacError(f"{path} is no file.", "Copy one of presets/ to its place.")
        if about.st_size > MOST_BYTES:
            raise VlacError(f"{path} is larger than {MOST_BYTES:,} bytes.", "Copy one of presets/ over it.")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VlacError(
            f"{path} is missing.", "Run in the project's folder, or copy one of presets/ over it."
        ) from None
    except (OSError, ValueError) as error:
        raise VlacError(one_line(f"{path} cannot be read: {error}."), "Copy one of presets/ over it.") from None
    if odd := re.search("[\x85\u2028\u2029]", text):
        line = text.count("\n", 0, odd.start()) + 1
        raise _at(path, line, f"U+{ord(odd[0]):04X} is a line break in YAML 1.1 (Snakemake) alone.", "Take it out.")
    return text


def _check(node: Any, location: tuple[str | int, ...], lines: Lines, path: Path, loader: Any) -> None:
    """Record the line of every node; refuse keys given twice, tags, and what YAML 1.1 and 1.2 read differently."""
    line = node.start_mark.line + 1
    lines.setdefault(location, line)
    if len(location) > DEEPEST:
        raise too_deep(path)
    if len(lines) > MOST_VALUES:
        raise VlacError(f"{path} holds more than {MOST_VALUES:,} values, with its aliases written out.", "Shorten it.")
    if node.tag != loader.resolve(type(node), node.value, (getattr(node, "style", None) is None, True)):
        raise _at(path, line, f"{dotted(location)} has the tag {node.tag}.", "Write the plain value, without a tag.")
    if node.id == "mapping":
        seen: set[str] = set()
        for key, value in node.value:
            at = key.start_mark.line + 1
            if key.id != "scalar":
                raise _at(path, at, "a key must be a plain word.", "Correct it and run again.")
            if key.value in seen:
                raise _at(path, at, f"{key.value!r} is given twice.", "Keep one.")
            seen.add(key.value)
            _check(key, (*location, key.value), lines, path, loader)
            _check(value, (*location, key.value), lines, path, loader)
    elif node.id == "sequence":
        for index, value in enumerate(node.value):
            _check(value, (*location, index), lines, path, loader)
    elif node.style is None:
        tag = node.tag.rpartition(":")[2]
        if not _same_in_both(tag, node.value):
            raise _at(
                path,
                line,
                f"{dotted(location)}: {node.value} is read differently by YAML 1.1 (Snakemake) and YAML 1.2 (DVC).",
                f"Write {_unambiguous(node.value)}.",
            )
        if tag in ("int", "float") and len(node.value) > LONGEST_NUMBER:
            raise _at(path, line, f"{dotted(location)} is a number of {len(node.value)} characters.", "Shorten it.")


def _at(path: Path, line: int, problem: str, hint: str) -> VlacError:
    return VlacError(one_line(f"{path}, line {line}: {problem}"), one_line(hint))


def _same_in_both(tag_1_1: str, value: str) -> bool:
    tag_1_2 = next((tag for tag, pattern in CORE_1_2 if pattern.fullmatch(value)), "str")
    leading_zero = tag_1_2 == "int" and re.fullmatch(r"[-+]?0[0-9]+", value) is not None
    return tag_1_1 == tag_1_2 and not leading_zero


def _unambiguous(value: str) -> str:
    number = value.replace("_", "")
    if re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+[eE][-+]?[0-9]+", number):
        return f"{float(number):.1e}".replace("e-0", "e-").replace("e+0", "e+")
    if value.lower() in ("on", "yes", "y", "off", "no", "n"):
        return f"true or false, or '{value}' in quotes for the word"
    return f"a plain decimal number, or '{value}' in quotes for text"
