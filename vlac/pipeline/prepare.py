"""Stage prepare: from the digit files to two arrays that everything else reads."""

from pathlib import Path

import numpy as np

from vlac.data.mat import read_mat, read_source
from vlac.data.split import Split, from_labels, with_factors
from vlac.data.summary import contact_sheet, data_report
from vlac.errors import VlacError
from vlac.files import sha256, write_text
from vlac.params.schema import Data, Params
from vlac.pipeline.download import SOURCE, factors_beside, locate_files

AGAIN = "Run `python -m vlac download`, which checks or makes the digit files, and the same command again."


def prepare(params: Params) -> None:
    """Read the digit files that `download` saw into data/train.npz and data/test.npz, and report on them."""
    data = params.data
    paths = locate_files(data)
    checked = read_source(SOURCE)["files"]
    if [entry["split"] for entry in checked] != list(paths):
        raise VlacError(f"{SOURCE} is about other splits than params.yaml asks for.", AGAIN)
    for entry in checked:
        path = paths[entry["split"]]
        if not path.exists():
            raise VlacError(f"{path} is missing.", AGAIN)
        if sha256(path) != entry["sha256"]:
            raise VlacError(f"{path} has changed since it was checked.", AGAIN)
    splits = {split: _read(data, path) for split, path in paths.items()}
    test = splits.pop("test")
    train = _joined(list(splits.values()))
    train.save(Path("data/train.npz"))
    test.save(Path("data/test.npz"))
    write_text(Path("reports/data.md"), data_report(train, test, _description(data)))
    contact_sheet(Path("reports/data.png"), train)


def _read(data: Data, path: Path) -> Split:
    images, labels = read_mat(path)
    if data.source == "digits":
        try:
            return with_factors(factors_beside(path), images, labels)
        except VlacError as error:
            raise VlacError(error.message, AGAIN) from None
    return from_labels(images, labels)


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
        for entry in read_source(SOURCE)["files"]
    ]
    return f"SVHN cropped digits (Netzer et al., 2011): {', '.join(names)}."
