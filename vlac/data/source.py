"""What data/source.json says: which digit files the arrays were made of."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from vlac.errors import VlacError
from vlac.files import read_json


class File(BaseModel):
    """A digit file: split, name, size, hash in hexadecimal, number of images, and whether it is the official one."""

    model_config = ConfigDict(strict=True)

    split: Literal["train", "extra", "test"]
    name: str
    bytes: int
    sha256: str
    count: int
    official: bool


class Source(BaseModel):
    """The data set, and its files."""

    model_config = ConfigDict(strict=True)

    source: Literal["digits", "svhn"]
    files: list[File]


def read_source(path: Path) -> dict[str, Any]:
    """Return the content of data/source.json.

    Raises:
        VlacError: the file is missing, damaged or something else.
    """
    try:
        return Source.model_validate(read_json(path)).model_dump()
    except ValidationError:
        raise VlacError(f"{path} is damaged.", "Delete it and run the stage download again.") from None
