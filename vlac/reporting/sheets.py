"""Sheets of small images on a page measured in pixels from its top left corner."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from vlac.reporting.canvas import DPI, canvas

ZOOM = 2
GAP = 2
CELL = 32 * ZOOM + GAP
"""Pixels from one image of a sheet to the next."""

LEVELS = 40
"""Levels per channel that are drawn: the eye sees hardly any difference, and noisy images take half the bytes."""

GREY = "#52606d"


@dataclass(frozen=True)
class Page:
    """An open page of `width` x `height` pixels."""

    figure: Figure
    width: int
    height: int

    def sheet(self, images: np.ndarray, x: int, y: int) -> None:
        """Draw a grid of images, uint8 (rows, columns, 32, 32, 3), with its top left corner at x, y."""
        rows, columns = images.shape[:2]
        shown = np.rint(np.arange(256) * (LEVELS - 1) / 255) * 255 / (LEVELS - 1)
        zoomed = np.rint(shown).astype(np.uint8)[images].repeat(ZOOM, 2).repeat(ZOOM, 3)
        grid = np.full((rows * CELL - GAP, columns * CELL - GAP, 3), 255, np.uint8)
        for row in range(rows):
            for column in range(columns):
                top, left = row * CELL, column * CELL
                grid[top : top + 32 * ZOOM, left : left + 32 * ZOOM] = zoomed[row, column]
        # figimage puts pixel on pixel; its origin is the bottom left corner.
        self.figure.figimage(grid, x, self.height - y - grid.shape[0])

    def write(self, text: str, x: float, y: float, **style: Any) -> None:
        """Write text whose top left corner, or other anchor given by `ha` and `va`, is at x, y."""
        self.figure.text(x / self.width, 1 - y / self.height, text, **{"va": "top", "ha": "left"} | style)

    def head(self, title: str, subtitle: str) -> None:
        """Write the page's title and, under it in grey, what there is to see."""
        self.write(title, MARGIN, 14, fontsize=12, weight="bold")
        self.write(subtitle, MARGIN, 40, fontsize=9, color=GREY, linespacing=1.35)


MARGIN = 14
HEAD = 96
"""Height of a page's title and two lines of subtitle."""


@contextmanager
def page(path: Path, width: int, height: int) -> Iterator[Page]:
    """Open a page, and write it as a PNG when the block ends.

    Raises:
        VlacError: the file cannot be written.
    """
    with canvas(path, width / DPI, height / DPI) as figure:
        yield Page(figure, width, height)


def sheet_size(rows: int, columns: int) -> tuple[int, int]:
    """Return width and height of a grid of images, in pixels."""
    return columns * CELL - GAP, rows * CELL - GAP
