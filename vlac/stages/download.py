"""Stage download: bring the digit files here, or find them, and say which they are."""

import os
from pathlib import Path

from vlac.data.digits import render
from vlac.data.download import describe, file_name, locate
from vlac.data.mat import write_mat
from vlac.data.split import save_factors
from vlac.errors import VlacError
from vlac.files import write_json
from vlac.params.schema import Data, Params
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

RAW = Path("data/raw")
"""Keeps what was downloaded or rendered; no declared output, so that no engine deletes a finished download."""

ENVIRONMENT = "VLAC_DATA"


def download(job: Job, params: Params, origin: Origin) -> None:
    """Bring the digit files here, or find them, check their content, and write down which files they are.

    Raises:
        VlacError: a file cannot be had or is no digit file, or two of them are the same.
    """
    data = params.data
    if data.source == "digits":
        _render(job.experiment, data)
    paths = locate_files(job.experiment, data)
    files = [{"split": split, **describe(split, path)} for split, path in paths.items()]
    if len({entry["sha256"] for entry in files}) < len(files):
        raise VlacError(
            f"Two of {', '.join(map(str, paths.values()))} hold the same bytes: the test images would be trained on.",
            "Put the right files there.",
        )
    write_json(job.output("source.json"), {"source": data.source, "files": files})


def _splits(data: Data) -> list[str]:
    return [*data.train_split.split("+"), "test"]


def locate_files(experiment: str, data: Data) -> dict[str, Path]:
    """Return the digit file of each split that the parameters ask for, downloading what is not there."""
    if data.source == "digits":
        return {split: _rendered(experiment, split) for split in _splits(data)}
    return locate(os.environ.get(ENVIRONMENT) or data.path, _splits(data), RAW)


def _rendered(experiment: str, split: str) -> Path:
    # By experiment, because their digits differ in number and seed, while SVHN is the same for all.
    return RAW / experiment / file_name(split)


def _render(experiment: str, data: Data) -> None:
    # Two seeds, so that the test images do not depend on how many training images there are.
    counts = {"train": data.digits.train, "test": data.digits.test}
    for offset, (split, count) in enumerate(counts.items()):
        digits = render(count, 2 * data.digits.seed + offset)
        path = _rendered(experiment, split)
        write_mat(path, digits.images, digits.labels)
        save_factors(factors_beside(path), digits)


def factors_beside(path: Path) -> Path:
    """Return where the factors of a rendered digit file are kept."""
    return path.with_name(path.stem + "_factors.npz")
