"""PNG files that are the same bytes on every run: matplotlib with fixed settings, no backend, no dates."""

import io
from collections.abc import Iterator
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
