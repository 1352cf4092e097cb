"""One split of a digit data set: images, labels, and the true factors behind each image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlac.errors import VlacError
from vlac.files import atomic

DIGITS = tuple(str(digit) for digit in range(10))
IMAGE_SHAPE = (32, 32, 3)

HOLDOUT_SEED = 0
"""Of the permutation that chooses the hold-out; fixed, so that every model and seed is judged on the same images."""


@dataclass(frozen=True)
class Split:
    """Images with their digit labels and known factors.

    Attributes:
        images: uint8 (N, 32, 32, 3), RGB, rows from the top.
        labels: uint8 (N,), the digit 0..9.
        factors: name -> uint8 (N,), an index into `factor_values[name]`; always holds "digit", equal to `labels`.
        factor_values: name -> the names of the values, in index order; the same keys as `factors`.

    Raises:
        VlacError: an array has another shape or dtype, or a value lies outside its names.
    """

    images: np.ndarray
    labels: np.ndarray
    factors: dict[str, np.ndarray]
    factor_values: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[1:] != IMAGE_SHAPE:
            raise VlacError(
                f"Images must be uint8 of shape (N, 32, 32, 3), not {self.images.dtype} {self.images.shape}."
            )
        if set(self.factors) != set(self.factor_values):
            raise VlacError("Factors and the names of their values do not match.")
        if "digit" not in self.factors or not np.array_equal(self.factors["digit"], self.labels):
            raise VlacError('The factor "digit" must be there and equal the labels.')
        for name, index in self.factors.items():
            values = self.factor_values[name]
            if index.dtype != np.uint8 or index.shape != (len(self.images),):
                raise VlacError(f'The factor "{name}" must be uint8 of shape ({len(self.images)},), one per image.')
            if len(index) and index.max() >= len(values):
                raise VlacError(
                    f'The factor "{name}" holds {index.max()}, but has names for {len(values)} values only.'
                )

    def __len__(self) -> int:
        """Return the number of images N."""
        return len(self.images)

    def save(self, path: Path) -> None:
        """Write the split as an uncompressed .npz, atomically; equal content gives equal bytes.

        Raises:
            VlacError: the file cannot be written.
        """
        _save(path, {"images": self.images, **_pack(self.factors, self.factor_values)})

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Return the split that `save` wrote.

        Raises:
            VlacError: the file is missing, damaged or something else.
        """
        arrays = _load(path)
        try:
            factors, values = _unpack(arrays)
            return cls(arrays["images"], factors["digit"], factors, values)
        except (KeyError, VlacError) as error:
            raise _damaged(path, error) from None


def from_labels(images: np.ndarray, labels: np.ndarray) -> Split:
    """Return a split whose one known factor is the digit, as for SVHN."""
    return Split(images, labels, {"digit": labels}, {"digit": DIGITS})


def hold_out(count: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of `count` held-out training images and those of the others, both int64, of `images` in all.

    Raises:
        VlacError: the hold-out is not smaller than the split.
    """
    if count >= images:
        raise VlacError(f"The hold-out is {count} images, but there are only {images} training images.", "Lower it.")
    order = np.random.default_rng(HOLDOUT_SEED).permutation(images)
    return order[:count], order[count:]


def joined(splits: list[Split]) -> Split:
    """Return the images of all splits as one, with the digit alone as known factor if there are several."""
    if len(splits) == 1:
        return splits[0]
    return from_labels(np.concatenate([s.images for s in splits]), np.concatenate([s.labels for s in splits]))


def _pack(factors: dict[str, np.ndarray], values: dict[str, tuple[str, ...]]) -> dict[str, np.ndarray]:
    arrays = {}
    for name in sorted(factors):
        arrays[f"factor_{name}"] = factors[name]
        arrays[f"values_{name}"] = np.array(values[name])
    return arrays


def _unpack(arrays: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, tuple[str, ...]]]:
    names = [key.removeprefix("factor_") for key in arrays if key.startswith("factor_")]
    factors = {name: arrays[f"factor_{name}"] for name in names}
    return factors, {name: tuple(str(value) for value in arrays[f"values_{name}"]) for name in names}


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    # np.savez dates every member 1980-01-01, so that the bytes depend on the arrays alone.
    with atomic(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def _load(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        raise VlacError(f"{path} is missing.", "Run `python -m vlac prepare` to make it.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}
    except Exception as error:  # a damaged archive makes zipfile and NumPy raise nearly anything
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> VlacError:
    reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
    return VlacError(
        f"{path} is damaged or is no data file of vlac ({reason}).", "Delete it, and run the same command again."
    )
