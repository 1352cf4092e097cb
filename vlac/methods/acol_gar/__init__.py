"""ACOL-GAR: k-means on what a network has learnt by telling how pictures were turned (Kilinc and Uysal, 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlac.errors import refuse_fewer
from vlac.methods import base
from vlac.models.flat import NetworkMethod
from vlac.params.section import LARGEST, Positive

if TYPE_CHECKING:
    import numpy as np

    from vlac.methods.acol_gar.network import Network

STARTS = 10
"""Runs of k-means, of which the one of least inertia counts; published: one per cluster, of ten."""

MORE = 50
"""Clusters of a second row: those of the paper's own rows."""


class Settings(base.Settings):
    """K clusters, the network's widths and how it learns."""

    kind: Literal["acol_gar"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""
    channels: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    """Feature maps of the first and the second two convolutions; published: 32 and 64."""
    hidden: Positive
    """Width of the fully connected layer that is clustered; published: 2048."""
    duplicates: Annotated[int, Field(ge=2, le=LARGEST)]
    """Nodes of each of the eight transforms; published: 20."""
    epochs: Positive
    """Of one random transform per image; published: 400 epochs of all eight."""
    batch: Annotated[int, Field(ge=8, le=LARGEST)]
    """Images of an update; published: 400."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of Adam; published: 0.001."""


class Method(NetworkMethod):
    """The network, and K centres, float32 (K, hidden), among its activations."""

    Settings: ClassVar[type[base.Settings]] = Settings

    network: Network
    centres: np.ndarray

    @property
    def sees(self) -> str:
        return "pretext"

    def build(self) -> Network:
        """Return an untrained network."""
        from vlac.methods.acol_gar.network import Network

        first, second = self.settings.channels
        return Network((first, second), self.settings.hidden, self.settings.duplicates)

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Train the network on the pretext task, then fit the centres to its activations."""
        import torch
        from sklearn.cluster import KMeans

        from vlac.methods.acol_gar.learn import learn
        from vlac.training.device import keep_freed_memory, settle

        refuse_fewer(len(images), self.settings.batch, f"batch of {job.name}")
        keep_freed_memory()
        device = settle(self.params.training)
        torch.manual_seed(seed)
        self.network = self.build().to(device.torch)
        rows = learn(self.network, torch.from_numpy(images).to(device.torch), self.settings, seed, device, job)
        kmeans = KMeans(self.settings.K, n_init=STARTS, random_state=seed)
        self.centres = kmeans.fit(self.activations(images)).cluster_centers_
        return rows

    def activations(self, images: np.ndarray) -> np.ndarray:
        """Return what the network makes of images, float32 (N, hidden), in float32 whatever it was trained in."""
        import numpy as np
        import torch

        from vlac.models.ladder import to_inputs
        from vlac.training.device import device_of_codes

        device = device_of_codes(self.params.training)
        self.network.to(device).eval()
        parts = to_inputs(torch.from_numpy(images), device)
        with torch.no_grad():
            return np.concatenate([self.network.features(part).cpu().numpy() for part in parts])

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the nearest centre of every image, and its activations as its code."""
        from sklearn.metrics import pairwise_distances_argmin

        activations = self.activations(images)
        return base.Codes({1: pairwise_distances_argmin(activations, self.centres)}, mean={1: activations})

    def state(self) -> dict[str, Any]:
        import torch

        return {"weights": super().state(), "centres": torch.from_numpy(self.centres)}

    def load_state(self, state: dict[str, Any]) -> None:
        super().load_state(state["weights"])
        self.centres = state["centres"].numpy().reshape(self.settings.K, self.settings.hidden)

    def clusterings(
        self, images: tuple[Any, Any], codes: tuple[base.Codes, base.Codes], seed: int, fit_limit: int
    ) -> dict[str, tuple[Any, Any]]:
        """Return the activations under k-means with as many clusters as the paper's own rows have."""
        from sklearn.cluster import KMeans

        train, test = (each.mean[1] for each in codes)
        if len(train) < MORE:
            return {}
        kmeans = KMeans(MORE, n_init=STARTS, random_state=seed).fit(train)
        return {f"k-means of its activations with {MORE} clusters": (kmeans.labels_, kmeans.predict(test))}

    def label(self) -> str:
        return f"ACOL-GAR, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        of = self.settings
        return [
            f"ACOL-GAR (Kilinc and Uysal, 2018): pictures normalised one by one, {of.channels[0]} and {of.channels[1]} "
            f"feature maps, a layer of {of.hidden} (published: 32, 64, 2048), {of.duplicates} nodes for each of eight "
            f"dihedral transforms. {of.epochs} epochs, in which an image meets one of them (published: 400, of all "
            f"eight), in batches of {of.batch}. The layer's k-means, {STARTS} starts, is fitted to the training "
            "images; in the publication to the test images themselves."
        ]
