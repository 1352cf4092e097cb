"""A VAE, and a mixture of Gaussians that is fitted to its codes afterwards: what learning both at once has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from vlac.methods import base, gmdgm
from vlac.methods.gmm import STEPS, fit_mixture, mixture_of, parts_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from sklearn.mixture import GaussianMixture
    from torch import Tensor


class Settings(gmdgm.Settings):
    """K clusters of codes z of the given size."""

    kind: Literal["vae_gmm"]  # type: ignore[assignment]


class Method(gmdgm.Method):
    """The GM-DGM's sub-networks with a standard normal p(z), and K Gaussians of full covariance on the means of z."""

    Settings: ClassVar[type[base.Settings]] = Settings

    mixture: GaussianMixture

    def shape(self) -> tuple[dict[int, int], dict[int, int]]:
        return {self.rung: 1}, {self.rung: self.settings.z}

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Train the VAE, then fit the mixture to its codes of all images."""
        rows = super().fit(images, seed, job)
        self.mixture = fit_mixture(super().encode(images).mean[self.rung], self.settings.K, seed)
        return rows

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the most probable Gaussian of every image, the probabilities of all, and the means of z."""
        mean = super().encode(images).mean
        q = self.mixture.predict_proba(mean[self.rung])
        return base.Codes({self.rung: q.argmax(1)}, {self.rung: q.astype("float32")}, mean)

    def state(self) -> dict[str, Any]:
        return super().state() | {"mixture": parts_of(self.mixture)}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state)
        self.mixture = mixture_of(state["mixture"], self.settings.K, self.settings.z)

    def samples(self, count: int, seed: int) -> np.ndarray:
        import numpy as np
        import torch

        from vlac.models.decoded import to_images

        model = self.model.cpu().eval()
        with torch.no_grad():
            codes = [self.draw_codes(count, k, seed + k) for k in range(self.settings.K)]
            return np.stack([to_images(model.decode({self.rung: z})) for z in codes])

    def draw_codes(self, n: int, component: int, seed: int) -> Tensor:
        """Return n samples of z, float32 (n, d), of one Gaussian."""
        import numpy as np
        import torch

        noise = np.random.default_rng(seed).standard_normal((n, self.settings.z))
        # The precision is P P^T with P the part that scikit-learn keeps.
        z = self.mixture.means_[component] + np.linalg.solve(self.mixture.precisions_cholesky_[component].T, noise.T).T
        return torch.from_numpy(z.astype(np.float32))

    def label(self) -> str:
        return f"VAE + GMM, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        return [
            f"VAE + GMM: the sub-networks of rung {self.rung} alone, trained as the GM-DGM's, but with a standard "
            f"normal p(z) of size {self.settings.z}; then a GMM (full covariances, at most {STEPS} steps of EM from "
            "one k-means start) of the means of z of all training images."
        ]

    def draw(self, images: np.ndarray, rows: list[base.Row], seed: int, folder: Path) -> None:
        """Draw test images of every cluster: the ladder's own figures show its mixtures, and it has none."""
        base.Method.draw(self, images, rows, seed, folder)
