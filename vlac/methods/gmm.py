"""A mixture of Gaussians on principal components of the pixels or of GIST: clusters of unequal shape and size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlac.errors import refuse_fewer
from vlac.features import SIZE, Sees, compute
from vlac.methods import base
from vlac.models.flat import FeatureMethod

if TYPE_CHECKING:
    import numpy as np
    from sklearn.mixture import GaussianMixture
    from torch import Tensor

PARTS = ("weights_", "means_", "precisions_cholesky_")
"""What scikit-learn's mixture answers from."""

STEPS = 200
"""Most steps of EM."""


class Settings(base.Settings):
    """K Gaussians in a space of few dimensions."""

    kind: Literal["gmm"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""
    features: Sees
    """What is clustered: `pixels`, or `gist`, colour GIST."""
    size: Annotated[int, Field(ge=1, le=SIZE["gist"])]
    """Principal components of the features that the mixture is fitted to."""


class Method(FeatureMethod):
    """A projection, float32 (size of the features, size) with an offset, and a mixture of full covariances."""

    Settings: ClassVar[type[base.Settings]] = Settings

    mixture: GaussianMixture

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Fit the projection, then the mixture by EM from one k-means start."""
        from sklearn.decomposition import PCA

        refuse_fewer(len(images), self.settings.size, f"size of {job.name}")
        features = compute(images, self.settings.features)
        pca = PCA(self.settings.size, random_state=seed).fit(features)
        self.axes, self.offset = pca.components_.T, pca.mean_ @ pca.components_.T
        self.mixture = fit_mixture(self.project(features), self.settings.K, seed)
        return []

    def project(self, features: np.ndarray) -> np.ndarray:
        """Return the principal components, float (N, size), of features, float32 (N, size of the features)."""
        return features @ self.axes - self.offset

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the most probable Gaussian of every image, and the probabilities of all."""
        q = self.mixture.predict_proba(self.project(compute(images, self.settings.features)))
        return base.Codes({1: q.argmax(1)}, {1: q.astype("float32")})

    def state(self) -> dict[str, Any]:
        import torch

        projection = {"axes": self.axes, "offset": self.offset}
        return parts_of(self.mixture) | {name: torch.from_numpy(value.copy()) for name, value in projection.items()}

    def load_state(self, state: dict[str, Any]) -> None:
        size = self.settings.size
        self.axes = state["axes"].numpy().reshape(SIZE[self.settings.features], size)
        self.offset = state["offset"].numpy().reshape(size)
        self.mixture = mixture_of(state, self.settings.K, size)

    def label(self) -> str:
        return f"GMM on {self.sees}, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        from vlac.features.names import DESCRIPTION

        how = f"GMM (full covariances, at most {STEPS} steps of EM from one k-means start) of all training images"
        return [
            f"{how}, on the first {self.settings.size} principal components of {DESCRIPTION[self.settings.features]}."
        ]


def fit_mixture(points: np.ndarray, K: int, seed: int) -> GaussianMixture:
    """Return K Gaussians of full covariance, fitted to points, (N, d), by EM from one k-means start."""
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(K, max_iter=STEPS, random_state=seed).fit(points)


def parts_of(mixture: GaussianMixture) -> dict[str, Tensor]:
    """Return what a fitted mixture answers from."""
    import torch

    return {name: torch.from_numpy(getattr(mixture, name).copy()) for name in PARTS}


def mixture_of(parts: dict[str, Tensor], K: int, d: int) -> GaussianMixture:
    """Return the mixture of K Gaussians of d dimensions of which `parts_of` returned the parts."""
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(K)
    for name, shape in zip(PARTS, [(K,), (K, d), (K, d, d)], strict=True):
        setattr(mixture, name, parts[name].numpy().reshape(shape))
    return mixture
