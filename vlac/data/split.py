"""One split of a data set: images, labels, and the true factors behind each image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vlac.errors import VlacError
from vlac.files import atomic, parsed

DIGITS = tuple(str(digit) for digit in range(10))
IMAGE_SHAPE = (32, 32, 3)

TARGETS = ("digit", "class")
"""The factors that may be the labels: the digit, or the class of pictures in general."""

HOLDOUT_SEED = 0
"""Of the permutation that chooses the hold-out; fixed, so that every model and seed is judged on the same images."""


@dataclass(frozen=True)
class Split:
    """Images with their labels and known factors.

    Raises VlacError if an array has another shape or dtype, or a value lies outside its names.
    """

    images: np.ndarray  # uint8 (N, 32, 32, 3), RGB, rows from the top
    factors: dict[str, np.ndarray]  # uint8 (N,) by name, an index into `factor_values`; one of them is the `target`
    factor_values: dict[str, tuple[str, ...]]  # the names of each factor's values, in index order

    def __post_init__(self) -> None:
        images, count = self.images, len(self)
        if images.dtype != np.uint8 or images.shape != (count, *IMAGE_SHAPE):
            raise VlacError(f"Images must be uint8 of shape (N, 32, 32, 3), not {images.dtype} {images.shape}.")
        if self.factors.keys() != self.factor_values.keys() or not self.target:
            raise VlacError(
                'All factors must have names for their values, and "digit" or "class" must be there: the labels.'
            )
        for name, index in self.factors.items():
            values = len(self.factor_values[name])
            if index.dtype != np.uint8 or index.shape != (count,) or (index >= values).any():
                raise VlacError(f'The factor "{name}" must be uint8 of shape ({count},), each below {values}.')

    def __len__(self) -> int:
        """Return the number of images N."""
        return len(self.images)

    @property
    def target(self) -> str:
        """The factor that the labels are."""
        return next((name for name in TARGETS if name in self.factors), "")

    @property
    def labels(self) -> np.ndarray:
        """The digit 0..9 or another class of each image, uint8 (N,)."""
        return self.factors[self.target]

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the labels, in their order."""
        return self.factor_values[self.target]

    def part(self, chosen: np.ndarray) -> "Split":
        """Return some of the images, by their indices."""
        factors = {name: index[chosen] for name, index in self.factors.items()}
        return Split(self.images[chosen], factors, self.factor_values)

    def save(self, path: Path) -> None:
        """Write the split as an uncompressed .npz, atomically; equal content gives equal bytes."""
        arrays = {"images": self.images}
        for name in sorted(self.factors):
            arrays |= {f"factor_{name}": self.factors[name], f"values_{name}": np.array(self.factor_values[name])}
        # np.savez dates every member 1980-01-01, so that the bytes depend on the arrays alone.
        with atomic(path) as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> "Split":
        """Return the split that `save` wrote; raise VlacError if the file is missing, damaged or something else."""

        def split() -> Split:
            with np.load(path, allow_pickle=False) as archive:
                arrays = dict(archive)
            names = [key.removeprefix("factor_") for key in arrays if key.startswith("factor_")]
            factors = {name: arrays[f"factor_{name}"] for name in names}
            values = {name: tuple(arrays[f"values_{name}"].tolist()) for name in names}
            return cls(arrays["images"], factors, values)

        return parsed(path, split)


def from_labels(
    images: np.ndarray, labels: np.ndarray, target: str = "digit", classes: tuple[str, ...] = DIGITS
) -> Split:
    """Return a split whose one known factor is the digit, as for SVHN, or the class."""
    return Split(images, {target: labels}, {target: classes})


def hold_out(count: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of `count` held-out training images and those of the others, both int64, of `images` in all.

    Raises VlacError if there are no others.
    """
    if count >= images:
        raise VlacError(f"The hold-out is {count} images, but there are only {images} training images.", "Lower it.")
    order = np.random.default_rng(HOLDOUT_SEED).permutation(images)
    return order[:count], order[count:]


def joined(splits: list[Split]) -> Split:
    """Return the images of all splits, whose factors are the same, as one."""
    if len(splits) == 1:
        return splits[0]
    factors = {name: np.concatenate([split.factors[name] for split in splits]) for name in splits[0].factors}
    return Split(np.concatenate([split.images for split in splits]), factors, splits[0].factor_values)
