"""PNG files that are the same bytes on every run: charts, and sheets of small images on a page measured in pixels.

matplotlib draws them with fixed settings, no backend and no dates.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from vlac.files import write_bytes

DPI = 110

ZOOM = 2
GAP = 2
CELL = 32 * ZOOM + GAP
"""Pixels from one image of a sheet to the next."""

LEVELS = 40
"""Levels per channel that are drawn: the eye sees hardly any difference, and noisy images take half the bytes."""

GREY = "#52606d"

MARGIN = 14
HEAD = 96
"""Height of a page's title and two lines of subtitle."""

PER_LINE = 17
"""Columns of images side by side; more go on in a line of their own below."""

LABEL = 22
SPACE = 26

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same letters
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.linewidth": 0.7,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "errorbar.capsize": 2,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Open an empty figure of `width` x `height` inches, and write it to `path` as a PNG when the block ends.

    The user's matplotlib settings neither enter the picture nor are changed. Nothing is written after an error.

    Raises:
        VlacError: the file cannot be written.
    """
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        # Figure itself, not pyplot: no window system is asked for, and no figure stays in memory.
        figure = Figure(figsize=(width, height), dpi=DPI)
        drawing = FigureCanvasAgg(figure)
        yield figure
        drawing.draw()
        buffer = io.BytesIO()
        # Through Pillow, which writes neither a date nor the version of the software, and no alpha channel.
        Image.fromarray(np.asarray(drawing.buffer_rgba())[..., :3]).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())


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


@contextmanager
def page(path: Path, width: int, height: int) -> Iterator[Page]:
    """Open a page, and write it as a PNG when the block ends, as `canvas` does."""
    with canvas(path, width / DPI, height / DPI) as figure:
        yield Page(figure, width, height)


def sheet_size(rows: int, columns: int) -> tuple[int, int]:
    """Return width and height of a grid of images, in pixels."""
    return columns * CELL - GAP, rows * CELL - GAP


def draw_columns(title: str, subtitle: str, blocks: list[tuple[str, np.ndarray, list[str]]], path: Path) -> None:
    """Write a page of blocks, each (title, uint8 (rows, columns, 32, 32, 3), a label per column), broken into lines."""
    line_height = LABEL + sheet_size(len(blocks[0][1]), 1)[1] + GAP
    heights = [LABEL + -(-len(labels) // PER_LINE) * line_height + SPACE for _, _, labels in blocks]
    widest = min(PER_LINE, max(len(labels) for _, _, labels in blocks))
    width = 2 * MARGIN + max(sheet_size(1, widest)[0], 720)
    with page(path, width, HEAD + sum(heights) - SPACE + MARGIN) as sheet:
        sheet.head(title, subtitle)
        y = HEAD
        for (name, images, labels), height in zip(blocks, heights, strict=True):
            sheet.write(name, MARGIN, y, fontsize=9)
            for line, start in enumerate(range(0, len(labels), PER_LINE)):
                top = y + LABEL + line * line_height
                for column, label in enumerate(labels[start : start + PER_LINE]):
                    middle = MARGIN + column * CELL + (CELL - GAP) / 2
                    sheet.write(label, middle, top + LABEL - 4, fontsize=7, ha="center", va="bottom", color=GREY)
                sheet.sheet(images[:, start : start + PER_LINE], MARGIN, top + LABEL)
            y += height
