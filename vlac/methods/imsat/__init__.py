"""IMSAT (Hu et al., 2017): a network whose clusters tell much of the image, and stay as they are near it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vlac.features import SIZE, Sees, compute
from vlac.methods import base
from vlac.models.flat import FeatureMethod, NetworkMethod
from vlac.params.section import LARGEST, Positive

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from vlac.methods.imsat.network import Network

BATCH = 1000
"""Images that are encoded at a time."""


class Settings(base.Settings):
    """A network of two hidden layers, and how it is trained."""

    kind: Literal["imsat"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""
    features: Sees
    """What the network sees: `pixels`, or `gist`, colour GIST, as in the paper."""
    hidden: Positive
    """Units of each of its hidden layers; in the paper 1200."""
    epochs: Positive
    """All are trained, and the last weights kept; in the authors' code 50."""
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    """Images of an update; in the authors' code 250."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of Adam; in the authors' code 0.002."""


class Method(FeatureMethod, NetworkMethod):
    """A network from the features of an image to probabilities of K clusters."""

    Settings: ClassVar[type[base.Settings]] = Settings

    network: Network

    def build(self) -> Network:
        """Return an untrained network."""
        from vlac.methods.imsat.network import Network

        return Network(SIZE[self.settings.features], self.settings.hidden, self.settings.K)

    def inputs(self, images: np.ndarray) -> Tensor:
        """Return what the network sees, float (N, size): pixels in [-1, 1], as the authors scale them, or GIST.

        The authors give no scale for GIST. VAT's fixed `XI` makes it matter, so GIST stays as lear_gist computes it.
        """
        import torch

        features = torch.from_numpy(compute(images, self.settings.features))
        return features.mul_(2).sub_(1) if self.settings.features == "pixels" else features

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Train a new network; raises what `Learner` and `Epochs.run` raise."""
        import torch

        from vlac.methods.imsat.learn import Learner
        from vlac.training.device import Device, keep_freed_memory, settle_device

        keep_freed_memory()
        # In float32: the directions of VAT come from differences of probabilities that start out tiny.
        device = Device(settle_device(self.params.training.device, self.params.training.threads), bfloat16=False)
        features = self.inputs(images).to(device.torch)
        torch.manual_seed(seed)
        self.network = self.build().to(device.torch)
        return Learner(self.network, features, self.settings, seed, device, job).run()

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the most probable cluster of every image, and the probabilities of all."""
        import torch

        from vlac.training.device import device_of_codes

        device = device_of_codes(self.params.training)
        self.network.to(device).eval()
        with torch.no_grad():
            q = torch.cat([self.network(part.to(device)).softmax(1).cpu() for part in self.inputs(images).split(BATCH)])
        return base.Codes({1: q.argmax(1).numpy()}, {1: q.numpy()})

    def label(self) -> str:
        return f"IMSAT on {self.sees}, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        from vlac.features.names import DESCRIPTION

        of = self.settings
        return [
            f"IMSAT (Hu et al., 2017): a network of two hidden layers of {of.hidden} units sees "
            f"{DESCRIPTION[of.features]}; virtual adversarial training, and mutual information of image and cluster. "
            f"{of.epochs} epochs in batches of {of.batch}, Adam, learning rate {of.lr:g}. Scored: the weights after "
            "the last update, on images that the network has not seen; the paper trains and scores on all of them "
            "together."
        ]
