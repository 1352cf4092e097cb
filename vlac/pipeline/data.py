"""Stages download and prepare: from the source to two arrays that everything else reads."""

import os
from pathlib import Path

import numpy as np

from vlac.data.digits import render
from vlac.data.download import describe, file_name, locate
from vlac.data.mat import read_mat, write_mat
from vlac.data.split import Split, from_labels, save_factors, with_factors
from vlac.data.summary import contact_sheet, data_report
from vlac.errors import VlacError
from vlac.files import read_json, sha256, write_json, write_text
from vlac.params.schema import Data, Params

RAW = Path("data/raw")
"""Keeps what was downloaded or rendered; no declared output, so that no engine deletes a finished download."""

SOURCE = Path("data/source.json")
ENVIRONMENT = "VLAC_DATA"


def download(params: Params) -> None:
    """Bring the digit files here, or find them, check their content, and write down which files they are."""
    data = params.data
    if data.source == "digits":
        _render(data)
    paths = _locate(data)
    files = [{"split": split, **describe(path)} for split, path in paths.items()]
    write_json(SOURCE, {"source": data.source, "files": files})


def prepare(params: Params) -> None:
    """Read the digit files that `download` saw into data/train.npz and data/test.npz, and report on them."""
    data = params.data
    paths = _locate(data)
    for entry in read_json(SOURCE)["files"]:
        if sha256(paths[entry["split"]]) != entry["sha256"]:
            raise VlacError(
                f"{paths[entry['split']]} has changed since it was checked.", "Run the stage download again."
            )
    splits = {split: _read(data, path) for split, path in paths.items()}
    test = splits.pop("test")
    train = _joined(list(splits.values()))
    train.save(Path("data/train.npz"))
    test.save(Path("data/test.npz"))
    write_text(Path("reports/data.md"), data_report(train, test, _description(data)))
    contact_sheet(Path("reports/data.png"), train)


def _splits(data: Data) -> list[str]:
    return [*data.train_split.split("+"), "test"]


def _locate(data: Data) -> dict[str, Path]:
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
        save_factors(_factors(path), digits)


def _read(data: Data, path: Path) -> Split:
    images, labels = read_mat(path)
    return with_factors(_factors(path), images, labels) if data.source == "digits" else from_labels(images, labels)


def _factors(path: Path) -> Path:
    return path.with_name(path.stem + "_factors.npz")


def _joined(splits: list[Split]) -> Split:
    if len(splits) == 1:
        return splits[0]
    return from_labels(np.concatenate([s.images for s in splits]), np.concatenate([s.labels for s in splits]))


def _description(data: Data) -> str:
    if data.source == "digits":
        return (
            "Street-view-like digits, rendered offline from the fonts that matplotlib ships "
            f"(seed {data.digits.seed}). Every image's digit, hues, polarity and typeface are known."
        )
    names = [
        f"{entry['name']} ({'the official file' if entry['official'] else 'not the official bytes'}, "
        f"sha256 {entry['sha256'][:12]})"
        for entry in read_json(SOURCE)["files"]
    ]
    return f"SVHN cropped digits (Netzer et al., 2011): {', '.join(names)}."
