"""Stage prepare: from the digit files to two arrays that everything else reads."""

from pathlib import Path
from typing import Any

import numpy as np

from vlac.data.mat import read_mat
from vlac.data.source import read_source
from vlac.data.split import Split, from_labels, with_factors
from vlac.data.summary import contact_sheet, data_report
from vlac.errors import VlacError
from vlac.files import sha256, write_text
from vlac.params.schema import Data, Params
from vlac.stages.download import factors_beside, locate_files
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

AGAIN = "Run `python -m vlac download`, which checks or makes the digit files, and the same command again."


def prepare(job: Job, params: Params, origin: Origin) -> None:
    """Read the digit files that `download` saw into train.npz and test.npz, and report on them."""
    data = params.data
    paths = locate_files(job.experiment, data)
    (source,) = map(Path, origin.inputs)
    checked = read_source(source)["files"]
    if [entry["split"] for entry in checked] != list(paths):
        raise VlacError(f"{source} is about other splits than params.yaml asks for.", AGAIN)
    for entry in checked:
        path = paths[entry["split"]]
        if not path.exists():
            raise VlacError(f"{path} is missing.", AGAIN)
        if sha256(path) != entry["sha256"]:
            raise VlacError(f"{path} has changed since it was checked.", AGAIN)
    splits = {split: _read(data, path) for split, path in paths.items()}
    test = splits.pop("test")
    train = _joined(list(splits.values()))
    train.save(job.output("train.npz"))
    test.save(job.output("test.npz"))
    write_text(job.output("data.md"), data_report(train, test, _description(data, checked)))
    contact_sheet(job.output("data.png"), train)


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


def _description(data: Data, files: list[dict[str, Any]]) -> str:
    if data.source == "digits":
        return (
            "Street-view-like digits, rendered offline from the fonts that matplotlib ships "
            f"(seed {data.digits.seed}). Every image's digit, hues, polarity and typeface are known."
        )
    names = [
        f"{entry['name']} ({'the official file' if entry['official'] else 'not the official bytes'}, "
        f"sha256 {entry['sha256'][:12]})"
        for entry in files
    ]
    return f"SVHN cropped digits (Netzer et al., 2011): {', '.join(names)}."
