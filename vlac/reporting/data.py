"""A look at the data before anything is trained: counts, pixel statistics and a contact sheet."""

from pathlib import Path

import numpy as np

from vlac.data.split import Split
from vlac.reporting.canvas import draw_columns, stacked
from vlac.reporting.markdown import aligned

ROWS = 12
"""Images of a class on the contact sheet."""

NAME = 10
"""Letters of a class's name for which its column is wide enough."""


def data_report(train: Split, test: Split, description: str) -> str:
    """Return the data report as Markdown; `description` says what the data are and where they come from."""
    splits = {"train": train, "test": test}
    rows = [[name, *_counts(split, train.target), str(len(split))] for name, split in splits.items()]
    parts = ["# Data", description, f"## Images per {train.target}", aligned(["split", *train.classes, "all"], rows)]
    rows = [
        # Channel by channel, which takes a third of the memory.
        [name, *(f"{c.mean() / 255:.4f} ± {c.std() / 255:.4f}" for c in np.moveaxis(split.images, -1, 0))]
        for name, split in splits.items()
    ]
    parts += ["## Pixels", "Mean and standard deviation over all pixels of a channel, black 0, white 1."]
    parts += [aligned(["split", "red", "green", "blue"], rows)]
    others = [factor for factor in train.factors if factor != train.target]
    if others:
        parts += ["## Other known factors", "Images per value. Labels and factors score; they train nothing."]
    for factor in others:
        heads = [factor.replace("_", " "), *train.factor_values[factor]]
        parts += [aligned(heads, [[name, *_counts(split, factor)] for name, split in splits.items()])]
    return "\n\n".join(parts) + "\n"


def contact_sheet(path: Path, split: Split) -> None:
    """Write a PNG with a column of the first training images of each class; equal content, equal bytes."""
    classes = range(len(split.classes))
    cells = stacked(split.images, (np.flatnonzero(split.labels == label) for label in classes), ROWS)
    # Names of folders: they may be long, and hold what matplotlib takes for a formula.
    short = [name if len(name) <= NAME else f"{name[: NAME - 1]}…" for name in split.classes]
    names = [name.replace("$", r"\$") for name in short]
    draw_columns("Training images", f"The first of each {split.target}.", [("", cells, names)], path)


def _counts(split: Split, factor: str) -> list[str]:
    return list(map(str, np.bincount(split.factors[factor], minlength=len(split.factor_values[factor]))))
