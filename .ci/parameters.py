"""The page of parameters: name, type, range, value in each preset and meaning, from the schema and presets/."""

from functools import reduce
from pathlib import Path
from typing import Any

import griffe

from vlac.methods import kinds
from vlac.params.load import read_yaml
from vlac.params.schema import Params
from vlac.params.section import LARGEST
from vlac.reporting.markdown import aligned

ROOT = Path(__file__).resolve().parents[1]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))
HEAD = """---
hide: [navigation, toc]
---

# Parameters

`params.yaml` and the files of `presets/` have all of these keys; none has a default. Lists by rung begin at the
pixels."""


def page() -> str:
    """Return the page as Markdown."""
    presets = [read_yaml(ROOT / f"presets/{name}.yaml")[0] for name in PRESETS]
    schema = Params.model_json_schema()
    found = _rows("", Params, schema, schema["$defs"], presets)
    parts = [HEAD, aligned(("Key", "Type", "Meaning", *PRESETS), found, left=7)]
    for kind, method in kinds().items():
        if method.in_table:
            own = method.Settings.model_json_schema()
            rows = _rows("", method.Settings, own, own.get("$defs", {}), [])[1:]  # without kind
            said = (method.Settings.__doc__ or "").splitlines()[0]
            parts += [f"## `kind: {kind}`", said, aligned(("Key", "Type", "Meaning"), rows, left=3)]
    return "\n\n".join(parts) + "\n"


def _rows(prefix: str, section: Any, schema: Any, defs: Any, presets: list[Any]) -> list[list[str]]:
    source = griffe.load(f"{section.__module__}.{section.__name__}")
    rows = []
    for name, field in section.model_fields.items():
        key, kind = f"{prefix}{name}", schema["properties"][name]
        if "$ref" in kind:
            inner = defs[kind["$ref"].rpartition("/")[2]]
            rows += _rows(f"{key}.", field.annotation, inner, defs, presets)
            continue
        values = [reduce(lambda at, part: at[part], key.split("."), preset) for preset in presets]
        shown = ["see below" if isinstance(value, dict) else _value(value) for value in values]
        docstring = source.all_members[name].docstring
        rows.append([key, _type(kind), docstring.value if docstring else "", *shown])
    return rows


def _value(value: Any) -> str:
    if isinstance(value, list) and value == list(range(10)):
        return "0 to 9"
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value).replace("'", "")


def _type(kind: Any) -> str:
    """Return a JSON schema in words."""
    if "anyOf" in kind:
        return " or ".join(map(_type, kind["anyOf"]))
    if "const" in kind:
        return f"`{kind['const']}`"
    if "enum" in kind:
        return " or ".join(f"`{value}`" for value in kind["enum"])
    if kind.get("type") == "array":
        count = f"{kind['minItems']} x " if "minItems" in kind and kind["minItems"] == kind.get("maxItems") else ""
        return f"{count or 'list of '}{_type(kind['items'])}"
    limits = [f"> {kind['exclusiveMinimum']}" if "exclusiveMinimum" in kind else ""]
    limits += [f">= {kind['minimum']}" if "minimum" in kind else ""]
    limits += [f"<= {kind['maximum']}" if kind.get("maximum", LARGEST) != LARGEST else ""]
    words = {"string": "text", "object": "mapping", "boolean": "true or false"}
    return " ".join([words.get(kind["type"], kind["type"]), ", ".join(filter(None, limits))]).strip()
