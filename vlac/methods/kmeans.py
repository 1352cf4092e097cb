"""k-means on the pixels or on GIST, the clustering that needs no model: what every other row has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlac.features import SIZE, Sees, compute
from vlac.methods import base
from vlac.models.flat import FeatureMethod

if TYPE_CHECKING:
    import numpy as np


class Settings(base.Settings):
    """K clusters of features."""

    kind: Literal["kmeans"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""
    features: Sees
    """What is clustered: `pixels`, or `gist`, colour GIST."""


class Method(FeatureMethod):
    """K centres, float32 (K, size of the features), fitted to all training images."""

    Settings: ClassVar[type[base.Settings]] = Settings

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Fit the centres by Lloyd's algorithm, from one k-means++ start."""
        from sklearn.cluster import KMeans

        features = compute(images, self.settings.features)
        self.centres = KMeans(self.settings.K, n_init=1, random_state=seed).fit(features).cluster_centers_
        return []

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the nearest centre of every image."""
        from sklearn.metrics import pairwise_distances_argmin

        return base.Codes({1: pairwise_distances_argmin(compute(images, self.settings.features), self.centres)})

    def state(self) -> dict[str, Any]:
        import torch

        return {"centres": torch.from_numpy(self.centres)}

    def load_state(self, state: dict[str, Any]) -> None:
        self.centres = state["centres"].numpy().reshape(self.settings.K, SIZE[self.settings.features])

    def label(self) -> str:
        return f"k-means on {self.sees}, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        from vlac.features.names import DESCRIPTION

        how = "k-means (Lloyd's algorithm, one k-means++ start) of all training images"
        return [f"{how}, on {DESCRIPTION[self.settings.features]}."]
