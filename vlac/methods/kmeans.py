"""k-means on the pixels, the clustering that needs no model: what every other row has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlac.errors import VlacError
from vlac.methods import base

if TYPE_CHECKING:
    import numpy as np


class Settings(base.Settings):
    """K clusters."""

    kind: Literal["kmeans"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""


class Method(base.Method):
    """K centres, float32 (K, 3072), fitted to all training images, pixels in [0, 1]."""

    Settings: ClassVar[type[base.Settings]] = Settings

    @property
    def K(self) -> dict[int, int]:
        return {1: self.settings.K}

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Fit the centres by Lloyd's algorithm, from one k-means++ start."""
        from sklearn.cluster import KMeans

        if len(images) < self.settings.K:
            raise VlacError(f"K is {self.settings.K}, but there are only {len(images)} training images.", "Lower it.")
        self.centres = KMeans(self.settings.K, n_init=1, random_state=seed).fit(pixels(images)).cluster_centers_
        return []

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the nearest centre of every image."""
        from sklearn.metrics import pairwise_distances_argmin

        return base.Codes({1: pairwise_distances_argmin(pixels(images), self.centres)})

    def state(self) -> dict[str, Any]:
        import torch

        return {"centres": torch.from_numpy(self.centres)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.centres = state["centres"].numpy().reshape(self.settings.K, 32 * 32 * 3)

    def label(self) -> str:
        return f"k-means on pixels, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        return ["k-means (Lloyd's algorithm, one k-means++ start) on the pixels of all training images."]


def pixels(images: np.ndarray) -> np.ndarray:
    """Return images, uint8 (N, 32, 32, 3), as float32 (N, 3072) in [0, 1]."""
    return images.reshape(len(images), -1).astype("float32") / 255
