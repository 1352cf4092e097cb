"""The embedded digits: street-view-like, rendered offline, every factor of every image known."""

from __future__ import annotations

from typing import Any

from vlac.datasets import base


class Dataset(base.Dataset):
    """`data.digits` says how many images, and the seed."""

    title = "embedded digits (rendered, street-view-like)"

    @classmethod
    def check(cls, data: Any) -> None:
        """Raise ValueError for a split or files that there are not, or a hold-out as large as the training split."""
        if data.train_split != "train":
            raise ValueError("train_split must be train: the embedded digits have no other")
        if data.path is not None:
            raise ValueError("path must be null: the embedded digits are rendered here")
        if data.holdout >= data.digits.train:
            raise ValueError("holdout must be smaller than digits.train")

    def fetch(self) -> list[base.File]:
        """Render both splits."""
        from vlac.data.digits import render

        digits, files = self.data.digits, []
        # Two seeds, so that the test images do not depend on how many training images there are.
        for offset, (split, count) in enumerate({"train": digits.train, "test": digits.test}.items()):
            path = self.folder / f"{split}_{count}_{digits.seed}.npz"
            render(count, 2 * digits.seed + offset).save(path)
            files.append(base.File.of(split, path, count))
        return files

    def describe(self, files: list[base.File]) -> str:
        """Return what the digits are."""
        return (
            "Street-view-like digits, rendered offline from the fonts that matplotlib ships "
            f"(seed {self.data.digits.seed}). Every image's digit, hues, polarity and typeface are known."
        )
