"""Read the parameters so that every engine understands the same values, and explain what is wrong with them.

Snakemake reads YAML 1.1, DVC reads YAML 1.2. A plain scalar that the two resolve differently (`1e-3`, `on`,
`010`, `1_000`) is refused here, with its line, because the engines would otherwise disagree without a word.
"""

import re
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from vlac.errors import VlacError
from vlac.files import read_json
from vlac.params.schema import GmDgm, Params, Section, Vlac, VlacPlus
from vlac.params.search import Vlae

PARAMS = Path("params.yaml")
RESOLVED = Path("params.json")
"""The same parameters for a machine without PyYAML; `python -m vlac pack` writes it. Read where params.yaml is not."""

KINDS = {"vlac": Vlac, "vlac_plus": VlacPlus, "gmdgm": GmDgm, "vlae": Vlae}

Lines = dict[tuple[str | int, ...], int]
"""The line of each key of a file, by the key's location."""

Validated = TypeVar("Validated", bound=Section)

# The core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
CORE_1_2 = (
    ("null", re.compile(r"|~|null|Null|NULL")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    ("float", re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")),
)


def load_params(path: Path | None = None) -> Params:
    """Return the validated parameters of a file: YAML, or JSON if its name ends so.

    Args:
        path: None takes params.yaml, or params.json where there is no params.yaml.

    Raises:
        VlacError: the file is missing or no YAML (JSON), a key is unknown, missing or twice there, a value is of the
            wrong type, out of range, or read differently by YAML 1.1 and 1.2. The sentence names the key, and the line
            in a YAML file. Or PyYAML is missing.
    """
    if path is None:
        path = RESOLVED if RESOLVED.exists() and not PARAMS.exists() else PARAMS
    if path.suffix == ".json":
        content = read_json(path)
        return validate(content, path, dict.fromkeys(_locations(content), 0))
    return validate(*read_yaml(path))


def read_yaml(path: Path) -> tuple[Any, Path, Lines]:
    """Return the content of a YAML file, its path, and the line of each of its keys, for `validate`.

    Raises:
        VlacError: the file is missing or no YAML, a key is twice there, or a value is read differently by YAML 1.1 and
            1.2. Or PyYAML is missing.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise VlacError(
            f"{path} is missing.", "Run in the project's folder, or copy one of presets/ over it."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise VlacError(f"{path} cannot be read: {error}.") from None
    try:
        import yaml  # here, because a compute node reads its parameters from JSON
    except ImportError:
        raise VlacError(
            f"PyYAML is not installed, so {path} cannot be read.",
            f"Install it, or make a folder with {RESOLVED} for this machine by `python -m vlac pack FOLDER` on one "
            "that has it.",
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise VlacError(f"{path} is not valid YAML{where}: {getattr(error, 'problem', None) or error}.") from None
    if not isinstance(root, yaml.MappingNode):
        raise VlacError(f"{path} must be a mapping of parameters.", "Copy one of presets/ over it.")
    lines: Lines = {}
    try:
        _check_scalars(root, (), lines, path)
    except RecursionError:
        raise VlacError(f"{path} holds an alias that refers to itself.", "Write the value out.") from None
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise VlacError(f"{path} is not valid YAML: {error}.") from None
    return content, path, lines


def validate(content: Any, path: Path, lines: Lines | None = None) -> Params:
    """Return `content` as parameters; `lines` maps each key's location to its line in `path`, 0 if unknown."""
    return validate_as(Params, content, path, lines or {})


def validate_as(schema: type[Validated], content: Any, path: Path, lines: Lines) -> Validated:
    """Return `content` as an instance of `schema`, which says what is allowed; otherwise as `validate`."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise VlacError(_explain(error, schema, path, lines), "Correct it and run again.") from None


def _locations(content: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the location of everything in `content`, its own first."""
    inside = content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    return [above, *(location for key, value in inside for location in _locations(value, (*above, key)))]


def _check_scalars(node: Any, location: tuple[str | int, ...], lines: Lines, path: Path) -> None:
    """Record the line of every node; refuse keys given twice and scalars that YAML 1.1 and 1.2 read differently."""
    line = node.start_mark.line + 1
    lines.setdefault(location, line)
    if node.id == "mapping":
        seen: set[str] = set()
        for key, value in node.value:
            if key.id != "scalar":
                raise VlacError(f"{path}, line {key.start_mark.line + 1}: a key must be a plain word.")
            if key.value in seen:
                raise VlacError(f"{path}, line {key.start_mark.line + 1}: {key.value!r} is given twice.", "Keep one.")
            seen.add(key.value)
            _check_scalars(key, (*location, key.value), lines, path)
            _check_scalars(value, (*location, key.value), lines, path)
    elif node.id == "sequence":
        for index, value in enumerate(node.value):
            _check_scalars(value, (*location, index), lines, path)
    elif node.style is None and not _same_in_both(node.tag.rpartition(":")[2], node.value):
        raise VlacError(
            f"{path}, line {line}: {_dotted(location)}: {node.value} is read differently by YAML 1.1 (Snakemake) and "
            f"YAML 1.2 (DVC).",
            f"Write {_unambiguous(node.value)}.",
        )


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


def _dotted(location: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"


def _explain(error: ValidationError, schema: type[Section], path: Path, lines: Lines) -> str:
    """Return one sentence for the first problem that pydantic found."""
    problems = error.errors(include_url=False)
    # An unknown key explains the missing one beside it, so it goes first.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    # Unions add the branch's name to the location; it is no key of the file.
    location: tuple[str | int, ...] = ()
    for part in first["loc"]:
        if (*location, part) in lines or (first["type"] == "missing" and part == first["loc"][-1]):
            location = (*location, part)
    named = _named_in(str(first["ctx"]["error"]), location, lines) if first["type"] == "value_error" else location
    line = lines.get(named) or lines.get(named[:-1])
    where = f"{path}, line {line}: " if line else f"{path}: "
    name = _dotted(location)
    match first["type"]:
        case "extra_forbidden":
            known = _siblings(schema, first["loc"][:-1])
            return f"{where}{name} is no known key{f'; allowed here: {known}' if known else ''}."
        case "missing":
            return f"{where}{name} is missing."
        case "value_error":
            return f"{where}{f'{name}: ' if location else ''}{first['ctx']['error']}."
    others = {p["msg"] for p in problems if p["loc"][: len(location)] == first["loc"][: len(location)]}
    message = " or ".join(sorted(m[0].lower() + m[1:] for m in others)) if len(others) <= 3 else first["msg"].lower()
    return f"{where}{name} is {first['input']!r}, but {message}."


def _named_in(message: str, location: tuple[str | int, ...], lines: Lines) -> tuple[str | int, ...]:
    """Return the first key below `location` that a section's own check names in its message, else `location`."""
    for word in message.split():
        key = (*location, *word.strip(",:").split("."))
        if key in lines:
            return key
    return location


def _siblings(schema: type[Section], location: tuple[str | int, ...]) -> str:
    """Return the keys that the schema allows in the section at pydantic's `location`, for a message."""
    section: Any = schema
    for part in location:
        field = getattr(section, "model_fields", {}).get(part)
        of_union = get_args(section)[0] if isinstance(part, int) else KINDS.get(str(part))
        section = field.annotation if field else of_union
    return ", ".join(section.model_fields) if hasattr(section, "model_fields") else ""
