"""A job's parameters: the declared keys and no others, so that neither engine can miss a dependency."""

import hashlib
import json
from typing import Any

from vlac.params.section import Section

Asked = Any
"""What asks for jobs: params.yaml; of a search's jobs, the parameters of one trial, or search.yaml as a whole."""


def declared(params: Section, keys: list[str]) -> dict[str, Any]:
    """Return the values of the dotted `keys`, as plain JSON types; the order of models says nothing.

    Raises:
        KeyError: a key names nothing in `params`.
    """
    everything = params.model_dump(mode="json")
    if "models" in everything:
        everything["models"] = dict(sorted(everything["models"].items()))  # DVC does not see their order
    values = {}
    for key in keys:
        value: Any = everything
        for part in key.split("."):
            value = value[part]
        values[key] = value
    return values


def fingerprint(params: Section, keys: list[str]) -> str:
    """Return the SHA-256 of the declared values, in hexadecimal."""
    return hashlib.sha256(json.dumps(declared(params, keys), sort_keys=True).encode()).hexdigest()


def restrict(params: Section, keys: list[str]) -> Any:
    """Return `params` with the declared keys alone; reading any other field raises AttributeError."""
    return _restrict(params, [key.split(".") for key in keys])


def _restrict(section: Any, paths: list[list[str]]) -> Any:
    if [] in paths:
        return section
    if isinstance(section, dict):
        return {path[0]: section[path[0]] for path in paths if path[0] in section}
    assert isinstance(section, Section)
    heads = sorted({path[0] for path in paths})
    fields = {head: _restrict(getattr(section, head), [p[1:] for p in paths if p[0] == head]) for head in heads}
    return type(section).model_construct(**fields)
