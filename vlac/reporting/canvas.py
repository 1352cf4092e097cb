"""PNG files that are the same bytes on every run: charts, and sheets of small images on a page measured in pixels.

matplotlib draws them with fixed settings, no backend and no dates.
"""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
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


def show(figure: Figure, images: np.ndarray, x: int, y: int) -> None:
    """Draw a grid of images, uint8 (rows, columns, H, H, 3), its top left corner x, y pixels from the figure's.

    H is 32, or 64, which is drawn as large.
    """
    rows, columns = images.shape[:2]
    zoom = (CELL - GAP) // images.shape[2]
    zoomed = images.repeat(zoom, 2).repeat(zoom, 3)
    cells = np.pad(zoomed, ((0, 0), (0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    # figimage puts pixel on pixel; its origin is the bottom left corner.
    grid = cells.swapaxes(1, 2).reshape(rows * CELL, columns * CELL, 3)
    figure.figimage(grid, x, int(figure.bbox.height) - y - len(grid))


def write(figure: Figure, text: str, x: float, y: float, **style: Any) -> None:
    """Write text whose top left corner, or other anchor given by `ha` and `va`, is x, y pixels from the figure's."""
    figure.text(x / figure.bbox.width, 1 - y / figure.bbox.height, text, **{"va": "top", "ha": "left"} | style)


@contextmanager
def page(path: Path, width: int, height: int, title: str, subtitle: str) -> Iterator[Figure]:
    """Open a figure of so many pixels with its title and, under it in grey, what there is to see, as `canvas` does."""
    with canvas(path, width / DPI, height / DPI) as figure:
        write(figure, title, MARGIN, 14, fontsize=12, weight="bold")
        write(figure, subtitle, MARGIN, 40, fontsize=9, color=GREY, linespacing=1.35)
        yield figure


def stacked(images: np.ndarray, columns: Iterable[np.ndarray], rows: int) -> np.ndarray:
    """Return a grid with a column for each array of indices into `images`, white below the last of them."""
    chosen = list(columns)
    grid = np.full((rows, len(chosen), *images.shape[1:]), 255, np.uint8)
    for column, indices in enumerate(chosen):
        grid[: len(indices[:rows]), column] = images[indices[:rows]]
    return grid


def draw_columns(title: str, subtitle: str, blocks: list[tuple[str, np.ndarray, list[str]]], path: Path) -> None:
    """Write a page of blocks, each (title, uint8 (rows, columns, H, H, 3), a label per column), broken into lines."""
    line_height = LABEL + len(blocks[0][1]) * CELL
    heights = [LABEL + -(-len(labels) // PER_LINE) * line_height + SPACE for _, _, labels in blocks]
    widest = min(PER_LINE, max(len(labels) for _, _, labels in blocks))
    width = 2 * MARGIN + max(widest * CELL - GAP, 720)
    with page(path, width, HEAD + sum(heights) - SPACE + MARGIN, title, subtitle) as figure:
        y = HEAD
        for (name, images, labels), height in zip(blocks, heights, strict=True):
            write(figure, name, MARGIN, y, fontsize=9)
            for line, start in enumerate(range(0, len(labels), PER_LINE)):
                top = y + LABEL + line * line_height
                for column, label in enumerate(labels[start : start + PER_LINE]):
                    middle = MARGIN + column * CELL + (CELL - GAP) / 2
                    write(figure, label, middle, top + LABEL - 4, fontsize=7, ha="center", va="bottom", color=GREY)
                show(figure, images[:, start : start + PER_LINE], MARGIN, top + LABEL)
            y += height
