"""The contract of a data set: where images come from, and what the reports say of them.

A data set lives in `vlac/datasets/<name>.py`, where a class `Dataset` subclasses `Dataset` here; `data.source: <name>`
in params.yaml finds it. Images are RGB of 32 x 32 pixels; labels score, and train nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from vlac.errors import VlacError
from vlac.files import read_json, sha256

if TYPE_CHECKING:
    from vlac.data.split import Split

ENVIRONMENT = "VLAC_DATA"
"""The environment variable that takes the place of `data.path`."""


@dataclass(frozen=True)
class File:
    """A file that images are read from."""

    split: str  # "test", or a part of the training images
    path: str
    count: int  # number of images
    official: bool  # whether its bytes are those that the data set's authors publish
    bytes: int
    sha256: str

    @classmethod
    def of(cls, split: str, path: Path, count: int, official: bool = False) -> File:
        """Return the description of a file as it is now."""
        return cls(split, str(path), count, official, path.stat().st_size, sha256(path))

    @property
    def name(self) -> str:
        """The file's name."""
        return Path(self.path).name


class Dataset(ABC):
    """A data set as params.yaml asks for it.

    Args:
        data: the section `data` of params.yaml.
        folder: keeps what is downloaded or rendered; no engine deletes it.
    """

    title: ClassVar[str]
    """What the reports call it."""

    published: ClassVar[bool] = False
    """Whether the paper's numbers are for these images."""

    def __init__(self, data: Any, folder: Path) -> None:
        self.data, self.folder = data, folder

    @classmethod  # noqa: B027 - most data sets refuse nothing
    def check(cls, data: Any) -> None:
        """Raise ValueError if the section `data` asks for something that this data set has not."""

    @abstractmethod
    def fetch(self) -> list[File]:
        """Bring the files here, or find them, and check what they hold; raise VlacError if that fails."""

    def read(self, file: File) -> Split:
        """Return the images and labels of one of the files; by default of one that `Split.save` wrote."""
        from vlac.data.split import Split

        return Split.load(Path(file.path))

    @abstractmethod
    def describe(self, files: list[File]) -> str:
        """Return in a sentence or two what the images are and where they come from."""


def source_content(source: str, files: list[File]) -> dict[str, Any]:
    """Return what source.json holds of the files of a data set."""
    return {"source": source, "files": [asdict(file) for file in files]}


def read_source(path: Path) -> list[File]:
    """Return the files of which source.json tells; raise VlacError if it is damaged."""
    found = read_json(path)
    try:
        return [File(**entry) for entry in found["files"]]
    except (KeyError, TypeError):
        raise VlacError(f"{path} is damaged.", "Delete it and run the stage download again.") from None
