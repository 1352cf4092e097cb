"""The loader of params.yaml, and of everything like it, that explains what is wrong with a file."""

from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from vlac.errors import VlacError, one_line
from vlac.files import read_json
from vlac.params.read import RESOLVED, Lines, dotted, read_yaml, too_deep
from vlac.params.schema import GmDgm, Params, Section, Vlac, VlacPlus
from vlac.params.search import Vlae

PARAMS = Path("params.yaml")

KINDS = {"vlac": Vlac, "vlac_plus": VlacPlus, "gmdgm": GmDgm, "vlae": Vlae}

KIND = ("union_tag_invalid", "union_tag_not_found")
MISSING = ("missing", "union_tag_not_found")
"""Pydantic's types of problems: with the kind of a model, and with a key that is not there."""

VALUES = Repr()
VALUES.maxstring = VALUES.maxother = 120
VALUES.maxlist = VALUES.maxdict = 12
"""How a wrong value is shown: whole if it is of a usual length."""

Validated = TypeVar("Validated", bound=Section)


def load_params(path: Path | None = None) -> Params:
    """Return the validated parameters of a file: YAML, or JSON if its name ends so.

    Args:
        path: None takes params.yaml, or params.json where there is no params.yaml.

    Raises:
        VlacError: the file is missing or no YAML (JSON), a key is unknown, missing or twice there, a value is of the
            wrong type, out of range, tagged, or read differently by YAML 1.1 and 1.2. The sentence names the key, and
            the line in a YAML file. Or PyYAML is missing.
    """
    if path is None:
        path = RESOLVED if RESOLVED.exists() and not PARAMS.exists() else PARAMS
    if path.suffix == ".json":
        content = read_json(path)
        try:
            return validate(content, path, dict.fromkeys(_locations(content), 0))
        except RecursionError:
            raise too_deep(path) from None
    return validate(*read_yaml(path))


def validate(content: Any, path: Path, lines: Lines | None = None) -> Params:
    """Return `content` as parameters; `lines` maps each key's location to its line in `path`, 0 if unknown."""
    return validate_as(Params, content, path, lines or {})


def validate_as(schema: type[Validated], content: Any, path: Path, lines: Lines) -> Validated:
    """Return `content` as an instance of `schema`, which says what is allowed; otherwise as `validate`."""
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise VlacError(one_line(_explain(error, schema, path, lines)), "Correct it and run again.") from None


def _locations(content: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the location of everything in `content`, its own first."""
    inside = content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    return [above, *(location for key, value in inside for location in _locations(value, (*above, key)))]


def _explain(error: ValidationError, schema: type[Section], path: Path, lines: Lines) -> str:
    """Return one sentence for the first problem that pydantic found."""
    problems = error.errors(include_url=False)
    # An unknown key explains the missing one beside it, so it goes first.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    if first["type"] in KIND:
        first = _kind(first)
    # Unions add the branch's name to the location; it is no key of the file.
    location: tuple[str | int, ...] = ()
    for part in first["loc"]:
        # YAML reads the key `1` as a number; its line is known by its text.
        known = next((key for key in (part, str(part)) if (*location, key) in lines), None)
        if known is not None or (first["type"] in MISSING and part == first["loc"][-1]):
            location = (*location, part if known is None else known)
    named = _named_in(str(first["ctx"]["error"]), location, lines) if first["type"] == "value_error" else location
    line = lines.get(named) or lines.get(named[:-1])
    where = f"{path}, line {line}: " if line else f"{path}: "
    name = dotted(location)
    match first["type"]:
        case "union_tag_invalid":
            return f"{where}{name} is {VALUES.repr(first['input'])}; allowed here: {first['ctx']['expected_tags']}."
        case "union_tag_not_found":
            return f"{where}{name} is missing; given are {', '.join(map(str, first['input'])) or 'no keys'}."
        case "extra_forbidden":
            allowed = _siblings(schema, first["loc"][:-1])
            return f"{where}{name} is no known key{f'; allowed here: {allowed}' if allowed else ''}."
        case "missing":
            return f"{where}{name} is missing."
        case "value_error":
            return f"{where}{f'{name}: ' if location else ''}{first['ctx']['error']}."
    same = (p for p in problems if p["type"] not in (*KIND, "missing"))
    others = {p["msg"] for p in same if p["loc"][: len(location)] == first["loc"][: len(location)]}
    message = " or ".join(sorted(m[0].lower() + m[1:] for m in others)) if len(others) <= 3 else first["msg"].lower()
    return f"{where}{name} is {VALUES.repr(first['input'])}, but {message}."


def _kind(problem: Any) -> Any:
    """Return pydantic's problem with the kind of a model as one of the key that names it, not of the whole model."""
    key = problem["ctx"]["discriminator"].strip("'")
    located = problem | {"loc": (*problem["loc"], key)}
    return located if problem["type"] == "union_tag_not_found" else located | {"input": problem["input"][key]}


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
