"""Masks of the ten digits in the typefaces that matplotlib ships, ready to be drawn at any size and angle."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from PIL import Image, ImageChops, ImageDraw, ImageFont

from vlac.errors import VlacError

# Typeface -> its files: weights and slants are variety inside a typeface, no factor of their own.
TYPEFACES: dict[str, tuple[str, ...]] = {
    "dejavu_sans": ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    "dejavu_serif": ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    "dejavu_mono": ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique", "DejaVuSansMono-BoldOblique"),
    "stix": ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    "computer_modern": ("cmr10", "cmb10", "cmti10"),
    "typewriter": ("cmtt10",),
}

DIGIT_HEIGHT = 28  # texels from foot to head of the digit 0, about the size on the finished image
CELL = 56  # texels, the side of a mask's square: the widest bold digit plus room for the blur
SUPERSAMPLING = 4


@dataclass(frozen=True)
class Glyphs:
    """Digit masks of all F fonts.

    A digit's ink is centred across, and the font's 0 is centred from top to bottom: all digits stand on one line.
    """

    masks: np.ndarray  # float32 (F, 10, CELL, CELL) in [0, 1], ink coverage
    widths: np.ndarray  # float32 (F, 10), width of each digit's ink in texels
    fonts: tuple[np.ndarray, ...]  # per typeface, the indices of its fonts on the first axis


def rasterise(folder: Path | None = None) -> Glyphs:
    """Draw every digit of every font once; None for the `folder` of the .ttf files takes that of matplotlib."""
    folder = folder or Path(get_data_path()) / "fonts" / "ttf"
    masks, widths = zip(*(_font(folder / f"{name}.ttf") for names in TYPEFACES.values() for name in names), strict=True)
    ends = np.cumsum([len(names) for names in TYPEFACES.values()])
    return Glyphs(np.stack(masks), np.stack(widths), tuple(np.split(np.arange(ends[-1]), ends[:-1])))


def _font(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return masks (10, CELL, CELL) and ink widths (10,) of one font file."""
    try:
        # Given a path that is missing, Pillow takes a system font of that name: give it the bytes.
        content = path.read_bytes()
        # The height of a 0 differs between fonts of one nominal size: measure it large, then ask for the right size.
        large = ImageFont.truetype(io.BytesIO(content), 400).getbbox("0")
        font = ImageFont.truetype(io.BytesIO(content), 400 * SUPERSAMPLING * DIGIT_HEIGHT / (large[3] - large[1]))
    except OSError as error:
        raise VlacError(f"The font {path} cannot be read ({error}).", "Reinstall matplotlib, which ships it.") from None
    side = SUPERSAMPLING * CELL
    _, top, _, bottom = font.getbbox("0")
    masks, widths = [], []
    for digit in "0123456789":
        canvas = Image.new("L", (side, side), 0)
        ImageDraw.Draw(canvas).text((side / 4, (side - top - bottom) / 2), digit, fill=255, font=font)
        # The box of the ink itself: the font's own box includes the white on both sides of a 1.
        left, _, right, _ = canvas.getbbox() or (0, 0, side, side)
        canvas = ImageChops.offset(canvas, (side - left - right) // 2, 0)
        masks.append(np.asarray(canvas.reduce(SUPERSAMPLING), np.float32) / 255)
        widths.append((right - left) / SUPERSAMPLING)
    return np.stack(masks), np.array(widths, np.float32)
