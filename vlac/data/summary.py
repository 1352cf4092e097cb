"""A look at the data before anything is trained: counts, pixel statistics and a contact sheet."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vlac.data.split import DIGITS, Split
from vlac.files import atomic

COLUMNS = 24  # images per digit on the contact sheet
GAP = 2  # pixels between them
ZOOM = 2


def data_report(train: Split, test: Split, description: str) -> str:
    """Return the data report as Markdown; `description` says what the data are and where they come from."""
    splits = {"train": train, "test": test}
    lines = ["# Data", "", description, "", "## Images per digit", ""]
    lines += _table(
        ["split", *DIGITS, "all"], [[name, *_counts(split, "digit"), len(split)] for name, split in splits.items()]
    )
    lines += ["", "## Pixels", "", "Mean and standard deviation over all pixels of a channel, black 0, white 1.", ""]
    statistics = {name: np.transpose(channel_statistics(split.images)) for name, split in splits.items()}
    rows = [[name, *(f"{mean:.4f} ± {std:.4f}" for mean, std in channels)] for name, channels in statistics.items()]
    lines += _table(["split", "red", "green", "blue"], rows)
    others = [factor for factor in train.factors if factor != "digit"]
    if others:
        lines += ["", "## Other known factors", "", "Images per value. Labels and factors score; they train nothing."]
    for factor in others:
        heads = [factor.replace("_", " "), *train.factor_values[factor]]
        lines += ["", *_table(heads, [[name, *_counts(split, factor)] for name, split in splits.items()])]
    return "\n".join(lines) + "\n"


def channel_statistics(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and (population) standard deviation of each channel, float64 (3,), of pixels scaled to 0..1."""
    values = np.arange(256) / 255
    # From counts of the 256 values: exact, and without a float copy of the images.
    counts = np.stack([np.bincount(images[..., c].ravel(), minlength=256) for c in range(3)])
    mean = counts @ values / counts.sum(1)
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / counts.sum(1)
    return mean, np.sqrt(variance)


def contact_sheet(path: Path, split: Split) -> None:
    """Write a PNG with one row per digit, 0 on top: the first images of that digit; equal content, equal bytes."""
    step = 32 + GAP
    sheet = np.full((len(DIGITS) * step + GAP, COLUMNS * step + GAP, 3), 255, np.uint8)
    for digit in range(len(DIGITS)):
        for column, index in enumerate(np.flatnonzero(split.labels == digit)[:COLUMNS]):
            top, left = GAP + digit * step, GAP + column * step
            sheet[top : top + 32, left : left + 32] = split.images[index]
    with atomic(path) as file:
        Image.fromarray(sheet.repeat(ZOOM, 0).repeat(ZOOM, 1)).save(file, "PNG")


def _counts(split: Split, factor: str) -> list[int]:
    return np.bincount(split.factors[factor], minlength=len(split.factor_values[factor])).tolist()


def _table(heads: list[str], rows: list[list[Any]]) -> list[str]:
    align = ["---", *["---:"] * (len(heads) - 1)]
    return ["| " + " | ".join(map(str, row)) + " |" for row in [heads, align, *rows]]
