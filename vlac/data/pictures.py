"""Pictures of a folder as squares in RGB, of 32 or 64 pixels a side. What cannot be read is named."""

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from vlac.data.split import IMAGE_SHAPE
from vlac.errors import VlacError

log = logging.getLogger(__name__)

SIDE = IMAGE_SHAPE[0]
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
MOST_PIXELS = 100_000_000
"""A picture of more is not opened: a small file may unpack to gigabytes."""

RESULTS = {"model.pt", "report.json"}
"""By these a folder that `vlac cluster` has written is known."""

BATCH = 500


@dataclass
class Pictures:
    """Some pictures of a folder.

    Attributes:
        names: their files, relative to the folder.
        images: uint8 (N, H, H, 3).
        broken: of files that could not be read, name and reason.
    """

    names: list[str] = field(default_factory=list)
    images: NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, SIDE, SIDE, 3), np.uint8))
    broken: dict[str, str] = field(default_factory=dict)


def files_of(folder: Path) -> list[Path]:
    """Return the image files below a folder, at any depth, sorted; links to folders are not followed.

    Figures that `vlac cluster` has written there are left out.

    Raises:
        VlacError: it is no folder, or holds no image file.
    """
    if not folder.is_dir():
        raise VlacError(f"{folder} is no folder.", "Name a folder of pictures, or a .npy or .npz file of images.")

    def closed(error: OSError) -> None:
        log.warning("Left out: %s: %s.", error.filename, error.strerror)

    found = []
    for at, below, names in os.walk(folder, onerror=closed):
        if set(names) >= RESULTS:
            below[:] = [each for each in below if each != "figures"]
        found += [Path(at, name) for name in names]
    chosen = sorted(path for path in found if path.suffix.lower() in SUFFIXES)
    if not chosen:
        raise VlacError(
            f"{folder} holds no picture ({len(found)} files).", f"Pictures end in {', '.join(SUFFIXES)}, at any depth."
        )
    return chosen


@dataclass(frozen=True)
class Part:
    """Some files of a folder: their names, relative to it, and what reads them."""

    names: list[str]
    read: Callable[[], Pictures]


def parts_of_folder(folder: Path, side: int = SIDE) -> list[Part]:
    """Return the files of a folder in parts, so that memory need not grow with their number; raises as `files_of`."""
    files = files_of(folder)
    names = [path.relative_to(folder).as_posix() for path in files]
    starts = range(0, len(files), BATCH)
    return [Part(names[at : at + BATCH], partial(_read, folder, names[at : at + BATCH], side)) for at in starts]


def _read(folder: Path, names: Sequence[str], side: int) -> Pictures:
    pictures, images = Pictures(), []
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():  # Pillow decodes without Python's lock
        warnings.simplefilter("ignore")  # of odd, but readable files
        tried = list(pool.map(lambda name: _tried(folder / name, side), names))
    for name, found in zip(names, tried, strict=True):
        if isinstance(found, str):
            pictures.broken[name] = found
        else:
            pictures.names.append(name)
            images.append(found)
    pictures.images = np.stack(images) if images else np.empty((0, side, side, 3), np.uint8)
    return pictures


def read_folder(folder: Path) -> Pictures:
    """Return all pictures of a folder; raise VlacError if it is none, or none of its files can be read."""
    return joined(parts_of_folder(folder), folder)


def joined(of: Sequence[Part], folder: Path) -> Pictures:
    """Return all pictures of a folder as one; raise VlacError if there is none."""
    parts = [part.read() for part in of]
    broken = {name: why for part in parts for name, why in part.broken.items()}
    names = [name for part in parts for name in part.names]
    if not names:
        name, why = next(iter(broken.items()))
        raise VlacError(f"No picture in {folder} can be read; {len(broken)} files, of which {name}: {why}.")
    return Pictures(names, np.concatenate([part.images for part in parts]), broken)


def read_picture(path: Path, side: int = SIDE) -> NDArray[np.uint8]:
    """Return a file's first frame, upright, its middle square in side x side RGB; transparent parts are white.

    Raises:
        Exception: of nearly any kind, if it is no picture, or a damaged one.
    """
    with Image.open(path) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise ValueError(f"it has {picture.width} x {picture.height} pixels")
        picture.draft("RGB", (4 * side, 4 * side))  # a large JPEG is decoded at a fraction of its size
        return fitted(ImageOps.exif_transpose(picture), side)


def fitted(picture: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return a picture's middle square in RGB, uint8 (side, side, 3); transparent parts are white."""
    return np.asarray(ImageOps.fit(_rgb(picture), (side, side), Image.Resampling.LANCZOS))


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16 bits and more, which Pillow would cut off at 255
        values = np.asarray(picture, np.float64)
        if not np.isfinite(values).all():
            raise ValueError("it has pixels that are no numbers")
        highest = values.max()
        top = 65535.0 if picture.mode.startswith("I;16") or highest > 255 else 1.0 if highest <= 1 else 255.0
        return Image.fromarray((255 * values / max(top, highest)).clip(0, 255).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        over = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return picture.convert("RGB")


def _tried(path: Path, side: int) -> NDArray[np.uint8] | str:
    if path.exists() and not path.is_file():  # such as a named pipe, which would never end
        return "it is no file"
    try:
        return read_picture(path, side)
    except UnidentifiedImageError:
        return "it is no picture"
    except Exception as error:  # a damaged picture makes Pillow raise nearly anything
        return " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())[:200]
