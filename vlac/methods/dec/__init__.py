"""DEC: an autoencoder whose codes are drawn to cluster centres (Xie, Girshick and Farhadi, 2016)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from vlac.errors import refuse_fewer
from vlac.features import SIZE, Sees, compute
from vlac.methods import base
from vlac.models.flat import FeatureMethod, NetworkMethod
from vlac.params.section import LARGEST, Positive

if TYPE_CHECKING:
    import numpy as np

    from vlac.methods.dec.network import Network


class Settings(base.Settings):
    """K clusters, what the autoencoder sees, its widths and how both phases learn."""

    kind: Literal["dec"]
    K: Annotated[int, Field(ge=2, le=1000)]
    """Clusters."""
    features: Sees
    """What the autoencoder sees."""
    hidden: Annotated[list[Positive], Field(min_length=1)]
    """Widths of the encoder's hidden layers, which the decoder mirrors; published: 500, 500, 2000."""
    size: Positive
    """Size of the codes; published: 10."""
    pretrain_epochs: Positive
    """Of the autoencoder alone."""
    pretrain_lr: Annotated[float, Field(gt=0)]
    """Learning rate of its Adam."""
    epochs: Positive
    """Most of the clusters; published: no limit."""
    batch: Annotated[int, Field(ge=2, le=LARGEST)]
    """Images of an update; published: 256."""
    lr: Annotated[float, Field(gt=0)]
    """Learning rate of the clusters' SGD; published: 0.01."""


class Method(FeatureMethod, NetworkMethod):
    """The encoder, and K centres among its codes."""

    Settings: ClassVar[type[base.Settings]] = Settings

    network: Network

    def build(self) -> Network:
        """Return an untrained network."""
        from vlac.methods.dec.network import Network

        return Network([SIZE[self.settings.features], *self.settings.hidden, self.settings.size], self.settings.K)

    def fit(self, images: np.ndarray, seed: int, job: base.Job) -> list[base.Row]:
        """Train the autoencoder, then its encoder together with the centres."""
        import torch

        from vlac.methods.dec.learn import Learner
        from vlac.training.device import keep_freed_memory, settle

        refuse_fewer(len(images), self.settings.batch, f"batch of {job.name}")
        keep_freed_memory()
        device = settle(self.params.training)
        features = torch.from_numpy(compute(images, self.settings.features)).to(device.torch)
        torch.manual_seed(seed)
        self.network = self.build().to(device.torch)
        return Learner(self.network, features, self.settings, seed, device, job).run()

    def encode(self, images: np.ndarray) -> base.Codes:
        """Return the codes, q of Eq. (1) and the most probable clusters, in float32 whatever it was trained in."""
        import torch

        from vlac.training.device import device_of_codes

        device = device_of_codes(self.params.training)
        self.network.to(device).eval()
        z, q = self.network.encode(torch.from_numpy(compute(images, self.settings.features)).to(device))
        return base.Codes({1: q.argmax(1).cpu().numpy()}, {1: q.cpu().numpy()}, {1: z.cpu().numpy()})

    def label(self) -> str:
        return f"DEC on {self.sees}, K = {self.settings.K}"

    def protocol(self) -> list[str]:
        from vlac.features.names import DESCRIPTION

        of = self.settings
        widths = "-".join(map(str, ["d", *of.hidden, of.size]))
        return [
            f"DEC (Xie et al., 2016) sees {DESCRIPTION[of.features]}: an autoencoder {widths}, trained end to end for "
            f"{of.pretrain_epochs} epochs with a fifth of its inputs hidden (published: d-500-500-2000-10, first layer "
            f"by layer); then codes and centres, until fewer than 0.1 % of the images change their cluster in an "
            f"epoch, {of.epochs} epochs at most. Batches of {of.batch}."
        ]
