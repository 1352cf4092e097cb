"""A look at the data before anything is trained: counts, pixel statistics and a contact sheet."""

from pathlib import Path

import numpy as np

from vlac.data.split import Split
from vlac.reporting.canvas import draw_columns, stacked
from vlac.reporting.markdown import aligned

ROWS = 12
"""Images of a class on the contact sheet."""


def data_report(train: Split, test: Split, description: str) -> str:
    """Return the data report as Markdown; `description` says what the data are and where they come from."""
    splits = {"train": train, "test": test}
    rows = [[name, *_counts(split, train.target), str(len(split))] for name, split in splits.items()]
    parts = ["# Data", description, f"## Images per {train.target}", aligned(["split", *train.classes, "all"], rows)]
    statistics = {name: np.transpose(channel_statistics(split.images)) for name, split in splits.items()}
    rows = [[name, *(f"{mean:.4f} ± {std:.4f}" for mean, std in channels)] for name, channels in statistics.items()]
    parts += ["## Pixels", "Mean and standard deviation over all pixels of a channel, black 0, white 1."]
    parts += [aligned(["split", "red", "green", "blue"], rows)]
    others = [factor for factor in train.factors if factor != train.target]
    if others:
        parts += ["## Other known factors", "Images per value. Labels and factors score; they train nothing."]
    for factor in others:
        heads = [factor.replace("_", " "), *train.factor_values[factor]]
        parts += [aligned(heads, [[name, *_counts(split, factor)] for name, split in splits.items()])]
    return "\n\n".join(parts) + "\n"


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and (population) standard deviation of each channel, float64 (3,), of pixels scaled to 0..1."""
    values = np.arange(256) / 255
    # From counts of the 256 values: exact, and without a float copy of the images.
    counts = np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(3)])
    mean = counts @ values / counts.sum(1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / counts.sum(1)
    return mean, np.sqrt(variance)


def contact_sheet(path: Path, split: Split) -> None:
    """Write a PNG with a column of the first training images of each class; equal content, equal bytes."""
    classes = range(len(split.classes))
    cells = stacked(split.images, (np.flatnonzero(split.labels == label) for label in classes), ROWS)
    draw_columns("Training images", f"The first of each {split.target}.", [("", cells, list(split.classes))], path)


def _counts(split: Split, factor: str) -> list[str]:
    return list(map(str, np.bincount(split.factors[factor], minlength=len(split.factor_values[factor]))))
