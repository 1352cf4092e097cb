"""The data report: counts, statistics, and a stable contact sheet."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from vlac.data.digits import render
from vlac.data.split import from_labels
from vlac.reporting.canvas import CELL, HEAD, LABEL, MARGIN, ZOOM
from vlac.reporting.data import ROWS, contact_sheet, data_report


def test_report_counts_what_is_there() -> None:
    images = np.zeros((4, 32, 32, 3), np.uint8)
    images[:2, ..., 0] = 255
    train = from_labels(images, np.array([3, 3, 9, 0], np.uint8))
    test = from_labels(images[:1], np.array([5], np.uint8))
    report = data_report(train, test, "Four images made by hand.")
    assert "Four images made by hand." in report
    report = re.sub("[ \N{NO-BREAK SPACE}]+", " ", report)
    assert "| split | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | all |" in report
    assert "| train | 1 | 0 | 0 | 2 | 0 | 0 | 0 | 0 | 0 | 1 | 4 |" in report
    assert "| test | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 0 | 1 |" in report
    assert "| train | 0.5000 ± 0.5000 | 0.0000 ± 0.0000 | 0.0000 ± 0.0000 |" in report
    assert "| test | 1.0000 ± 0.0000 |" in report
    assert "Other known factors" not in report


def test_report_counts_the_factors_of_rendered_digits() -> None:
    train, test = render(50, seed=1), render(20, seed=2)
    report = re.sub(" +", " ", data_report(train, test, "Rendered."))
    dark, light = np.bincount(train.factors["polarity"], minlength=2)
    assert "| polarity | dark_ink | light_ink |" in report
    assert f"| train | {dark} | {light} |" in report
    assert all(f"| {name} |" in report for name in ("ink hue", "background hue", "typeface"))


def test_contact_sheet_shows_each_digit_in_its_column(tmp_path: Path) -> None:
    labels = np.array([7, 2, 7], np.uint8)
    images = np.stack([np.full((32, 32, 3), grey, np.uint8) for grey in (20, 40, 60)])
    for name in ("a.png", "b.png"):
        contact_sheet(tmp_path / name, from_labels(images, labels))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    sheet = np.asarray(Image.open(tmp_path / "a.png"))[..., 0]
    across, down = (slice(start + ZOOM * 16, None, CELL) for start in (MARGIN, HEAD + 2 * LABEL))
    greys = sheet[down, across][:ROWS, :10]
    assert np.abs(greys[:3, 7] - np.array([20, 60, 255])).max() <= 4  # few levels are drawn
    assert np.abs(greys[:2, 2] - np.array([40, 255])).max() <= 4
    assert (np.delete(greys, [2, 7], 1) == 255).all()
