"""What every schema is built of: sections that take exactly their own keys; and the keys of them that a job declares.

A job sees the declared keys and no others, so that neither engine can miss a dependency.
"""

import hashlib
import json
from functools import reduce
from operator import getitem
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LARGEST = 10**9
"""Largest number of anything that has no tighter limit."""

L = 4
"""Number of rungs of the ladder: four, as in the paper."""

Positive = Annotated[int, Field(gt=0, le=LARGEST)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PerRung = Annotated[list[Positive], Field(min_length=L, max_length=L)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", max_length=64)]


class Section(BaseModel):
    """A mapping that takes exactly the declared keys, in their declared types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def __getattr__(self, name: str) -> object:
        # Only a view of some keys (`restrict`) lacks a declared field: a stage reads what it did not declare.
        if name in type(self).model_fields:
            raise AttributeError(f"this stage reads the parameter {name!r} of {type(self).__name__}, undeclared by it")
        return super().__getattr__(name)  # type: ignore[misc]


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
