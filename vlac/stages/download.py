"""Stage download: bring the files of the data set here, or find them, and say which they are."""

from pathlib import Path

from vlac.datasets import datasets
from vlac.datasets.base import Dataset, source_content
from vlac.errors import VlacError
from vlac.files import write_json
from vlac.params.schema import Data, Params
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

RAW = Path("data/raw")
"""Keeps what was downloaded or rendered; no declared output, so that no engine deletes a finished download."""


def download(job: Job, params: Params, origin: Origin) -> None:
    """Fetch the files of the data set, and write down which they are."""
    files = dataset_of(params.data).fetch()
    if len({file.sha256 for file in files}) < len(files):
        raise VlacError(
            f"Two of {', '.join(file.path for file in files)} hold the same bytes.",
            "Put the right files there: the test images would be trained on.",
        )
    write_json(job.output("source.json"), source_content(params.data.source, files))


def dataset_of(data: Data) -> Dataset:
    """Return the data set that params.yaml names."""
    return datasets()[data.source](data, RAW / data.source)
