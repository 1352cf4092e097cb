"""The copies of result files that a run keeps: whether they are still the files."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from vlac.files import sha256
from vlac.tracking.content import Content

if TYPE_CHECKING:
    from mlflow.entities import Run


def whole(run: "Run", content: Content) -> bool:
    """Return whether the run's copy of every file has the file's bytes; of copies on a server that is not asked."""
    place = urlsplit(str(run.info.artifact_uri))
    if place.scheme != "file":
        return True
    folder = Path(url2pathname(place.path))
    copies = ((path, folder / name / path.name) for path, name in content.artifacts)
    return all(copy.is_file() and sha256(copy) == sha256(path) for path, copy in copies)
