"""k-means on the pixels, the clustering that needs no model: what every other row has to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlac.methods import base
from vlac.params.section import LARGEST

if TYPE_CHECKING:
    import numpy as np

BATCH = 10_000
"""Images whose distances from all centres are held at a time."""


class Settings(base.Settings):
    """K clusters."""

    kind: Literal["kmeans"]
    K: Annotated[int, Field(ge=2, le=LARGEST)]


class Method(base.Method):
    """K centres, float32 (K, 3072), fitted to all training images, pixels in [0, 1]."""

    Settings: ClassVar[type[base.Settings]] = Settings

    centres: np.ndarray

    @property
    def K(self) -> dict[int, int]:
        """Clusters of the one rung."""
        return {1: self.settings.K}

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Fit the centres by Lloyd's algorithm, from one k-means++ start."""
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        # One thread: sums split over threads differ in their last bits from run to run.
        with threadpool_limits(limits=1):
            self.centres = KMeans(self.settings.K, n_init=1, random_state=seed).fit(_pixels(images)).cluster_centers_
        return []

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the nearest centre of every image."""
        return base.Codes({1: self._nearest(images)[0]})

    def state(self) -> dict[str, Any]:
        """Return the centres."""
        import torch

        return {"centres": torch.from_numpy(self.centres)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the centres."""
        self.centres = state["centres"].numpy()
        if self.centres.shape != (self.settings.K, 32 * 32 * 3):
            raise ValueError("the centres are not those of the settings")

    def label(self) -> str:
        """Return the name and K."""
        return f"k-means on pixels, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        """Return how the centres are fitted."""
        return ["k-means (Lloyd's algorithm, one k-means++ start) on the pixels of all training images."]

    def draw(self, images: np.ndarray, rows: list[base.Row], seed: int, folder: Path) -> None:
        """Draw the test images nearest to each centre."""
        from vlac.reporting.figures import draw_nearest

        y, distance = self._nearest(images)
        how, title = "distance of its pixels from the centre's", f"{self.label()}, seed {seed}"
        draw_nearest(images, y, distance, self.settings.K, "clusters", how, title, folder / "nearest.png")

    def _nearest(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the nearest centre of every image, int64 (N,), and its distance, float32 (N,)."""
        import numpy as np
        from sklearn.metrics import pairwise_distances_argmin_min
        from threadpoolctl import threadpool_limits

        parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        with threadpool_limits(limits=1):
            found = [pairwise_distances_argmin_min(_pixels(part), self.centres) for part in parts]
        y, distance = (np.concatenate(each) for each in zip(*found, strict=True))
        return y.astype(np.int64), distance


def _pixels(images: np.ndarray) -> np.ndarray:
    """Return images, uint8 (N, 32, 32, 3), as float32 (N, 3072) in [0, 1]."""
    import numpy as np

    return images.reshape(len(images), -1).astype(np.float32) / 255
