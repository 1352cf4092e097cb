"""Stage download: bring the digit files here, or find them, and say which they are."""

import os
from pathlib import Path

from vlac.data.digits import render
from vlac.data.mat import describe, file_name, write_mat
from vlac.data.split import save_factors
from vlac.data.svhn import locate
from vlac.errors import VlacError
from vlac.files import write_json
from vlac.params.schema import Data, Params

RAW = Path("data/raw")
"""Keeps what was downloaded or rendered; no declared output, so that no engine deletes a finished download."""

SOURCE = Path("data/source.json")
ENVIRONMENT = "VLAC_DATA"


def download(params: Params) -> None:
    """Bring the digit files here, or find them, check their content, and write down which files they are.

    Raises:
        VlacError: a file cannot be had or is no digit file, or two of them are the same.
    """
    data = params.data
    if data.source == "digits":
        _render(data)
    paths = locate_files(data)
    files = [{"split": split, **describe(split, path)} for split, path in paths.items()]
    if len({entry["sha256"] for entry in files}) < len(files):
        raise VlacError(
            f"Two of {', '.join(map(str, paths.values()))} hold the same bytes: the test images would be trained on.",
            "Put the right files there.",
        )
    write_json(SOURCE, {"source": data.source, "files": files})


def _splits(data: Data) -> list[str]:
    return [*data.train_split.split("+"), "test"]


def locate_files(data: Data) -> dict[str, Path]:
    """Return the digit file of each split that the parameters ask for, downloading what is not there."""
    if data.source == "digits":
        return {split: RAW / "digits" / file_name(split) for split in _splits(data)}
    return locate(os.environ.get(ENVIRONMENT) or data.path, _splits(data), RAW)


def _render(data: Data) -> None:
    # Two seeds, so that the test images do not depend on how many training images there are.
    counts = {"train": data.digits.train, "test": data.digits.test}
    for offset, (split, count) in enumerate(counts.items()):
        digits = render(count, 2 * data.digits.seed + offset)
        path = RAW / "digits" / file_name(split)
        write_mat(path, digits.images, digits.labels)
        save_factors(factors_beside(path), digits)


def factors_beside(path: Path) -> Path:
    """Return where the factors of a rendered digit file are kept."""
    return path.with_name(path.stem + "_factors.npz")
