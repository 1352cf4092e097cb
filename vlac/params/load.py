"""The loader of params.yaml and search.yaml, which explains what is wrong with a file."""

from pathlib import Path
from reprlib import Repr
from typing import Any, TypeVar

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from vlac.errors import VlacError, one_line
from vlac.methods import kinds
from vlac.params.schema import Params
from vlac.params.section import Section

Location = tuple[str | int, ...]
Lines = dict[Location, int]
"""The line of each key of a file, by the key's location."""

VALUES = Repr()
VALUES.maxstring = VALUES.maxother = 120
VALUES.maxlist = VALUES.maxdict = 12
"""How a wrong value is shown: in full if it is of a usual length."""

Validated = TypeVar("Validated", bound=Section)


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Return the validated parameters of a YAML file.

    Raises:
        VlacError: the file is missing or no YAML, a key is unknown, missing or given twice, or a value is of the wrong
            type or out of range. The sentence names key and line.
    """
    content, lines = read_yaml(path)
    return validate(Params, content, path, lines)


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """Return the content of a YAML 1.2 file, read as DVC reads it, and the line of each of its keys.

    Raises:
        VlacError: the file is missing or no YAML, or a key is given twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
        root = YAML(typ="safe", pure=True).compose(text)
        lines: Lines = {}
        _note_lines(root, (), lines)
        return YAML(typ="safe", pure=True).load(text), lines
    except FileNotFoundError:
        raise VlacError(f"{path} is missing.", "Run in the project's folder, or copy one of presets/ to it.") from None
    except (OSError, ValueError, RecursionError, YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise VlacError(one_line(f"{path} is not valid YAML{where}: {problem}."), "Correct it and run again.") from None


def validate(schema: type[Validated], content: Any, name: object, lines: Lines | None = None) -> Validated:
    """Return `content` as an instance of `schema`; `name` is its file's, `lines` the line there of each key's location.

    Raises VlacError if a value is not what the schema allows.
    """
    try:
        return schema.model_validate(content)
    except ValidationError as error:
        raise VlacError(one_line(_explain(error, schema, name, lines or {})), "Correct it and run again.") from None


def _note_lines(node: Any, location: Location, lines: Lines) -> None:
    if node is None:
        return
    lines.setdefault(location, node.start_mark.line + 1)
    if node.id == "mapping":
        for key, value in node.value:
            lines[*location, key.value] = key.start_mark.line + 1
            _note_lines(value, (*location, key.value), lines)
    elif node.id == "sequence":
        for index, value in enumerate(node.value):
            _note_lines(value, (*location, index), lines)


def _explain(error: ValidationError, schema: type[Section], file: object, lines: Lines) -> str:
    """Return one sentence for the first problem that pydantic found."""
    problems = error.errors(include_url=False)
    # An unknown key explains the missing one beside it, so it goes first.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    kind, value = first["type"], first["input"]
    # Unions add the name of the branch to the location; it is no key of the file.
    location: Location = ()
    for part in first["loc"]:
        if not lines or (*location, part) in lines:
            location = (*location, part)
    if kind.startswith("union_tag"):
        location = (*location, "kind")
    elif kind == "missing":
        location = (*location, first["loc"][-1])
    line = lines.get(location) or lines.get(location[:-1])
    where = f"{file}, line {line}: " if line else f"{file}: "
    name = ".".join(map(str, location)) or "the file"
    match kind:
        case "union_tag_invalid":
            return f"{where}{name} is {VALUES.repr(value['kind'])}; allowed here: {first['ctx']['expected_tags']}."
        case "missing" | "union_tag_not_found":
            return f"{where}{name} is missing."
        case "extra_forbidden" if str(location[-1]).endswith(")"):
            return f"{where}a list is written in square brackets, such as K: [1, 1, 50, 1]."
        case "extra_forbidden":
            allowed = _siblings(schema, first["loc"][:-1])
            return f"{where}{name} is no known key{f'; allowed here: {allowed}' if allowed else ''}."
        case "value_error":
            return f"{where}{f'{name}: ' if location else ''}{first['ctx']['error']}."
    return f"{where}{name} is {VALUES.repr(value)}, but {first['msg'][0].lower()}{first['msg'][1:]}."


def _siblings(schema: type[Section], location: Location) -> str:
    """Return the keys that the schema allows in the section at pydantic's `location`."""
    section: Any = schema
    for part in location:
        field = getattr(section, "model_fields", {}).get(part)
        section = field.annotation if field else kinds()[part].Settings if part in kinds() else None
    return ", ".join(getattr(section, "model_fields", ()))
