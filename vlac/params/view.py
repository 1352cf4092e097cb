"""A job's parameters: the declared keys and no others, so that neither engine can miss a dependency."""

import hashlib
import json
from functools import reduce
from operator import getitem
from typing import Any

from vlac.params.section import Section

Asked = Any
"""What asks for jobs: params.yaml; of a search's jobs, the parameters of one trial, or all of search.yaml."""


def declared(params: Section, keys: list[str]) -> dict[str, Any]:
    """Return the values of the dotted `keys`, as plain JSON types; the order of models says nothing."""
    everything = params.model_dump(mode="json")
    if "models" in everything:
        everything["models"] = dict(sorted(everything["models"].items()))  # DVC does not see their order
    return {key: reduce(getitem, key.split("."), everything) for key in keys}


def fingerprint(params: Section, keys: list[str]) -> str:
    """Return the SHA-256 of the declared values, in hexadecimal."""
    return hashlib.sha256(json.dumps(declared(params, keys), sort_keys=True).encode()).hexdigest()


def restrict(section: Any, keys: list[str]) -> Any:
    """Return a section with the declared keys alone; reading any other field raises AttributeError."""
    if "" in keys:
        return section
    parts = [key.partition(".") for key in keys]
    if isinstance(section, dict):
        return {head: section[head] for head, _, _ in parts if head in section}
    fields = {
        head: restrict(getattr(section, head), [rest for each, _, rest in parts if each == head])
        for head, _, _ in parts
    }
    return type(section).model_construct(**fields)
