"""The building blocks of every schema: a section that takes exactly its own keys, and the types of its values."""

from typing import Annotated

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
        # Only a view of some keys (vlac.params.view) lacks a declared field: a stage reads what it did not declare.
        if name in type(self).model_fields:
            raise AttributeError(f"this stage reads the parameter {name!r} of {type(self).__name__}, undeclared by it")
        return super().__getattr__(name)  # type: ignore[misc]
