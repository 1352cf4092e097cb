"""The pretext network of VLAC+, which learns the task of vlac/models/dihedral.py, and the features it sees by."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.models.dihedral import TRANSFORMS, dihedral, normalise
from vlac.models.networks.layers import Flatten, dense
from vlac.models.networks.vlae import Block


def make_trunk(channels: list[int], hidden: int) -> nn.Sequential:
    """Return three blocks of convolutions and a fully connected layer, from pictures to float (B, hidden)."""
    blocks = [Block(inputs, outputs) for inputs, outputs in zip((3, *channels[:2]), channels, strict=True)]
    return nn.Sequential(*blocks, Flatten(), dense(channels[2] * 16, hidden))


class Clusters(nn.Sequential):
    """log-odds of q(y given x) from pretext features, float (B, size) to (B, K)."""

    def __init__(self, size: int, K: int) -> None:
        hidden = 4 * size
        super().__init__(nn.Linear(size, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, K))


class Pretext(nn.Module):
    """The network, the projection from its answers about an image to features, and clusters of these."""

    centre: Tensor
    projection: Tensor

    def __init__(self, channels: list[int], hidden: int, size: int, K: int) -> None:
        super().__init__()
        self.size = size
        self.trunk = make_trunk(channels, hidden)
        self.answer = nn.Linear(hidden, TRANSFORMS)
        self.clusters = Clusters(size, K)
        self.register_buffer("centre", torch.zeros(TRANSFORMS * hidden))
        self.register_buffer("projection", torch.zeros(TRANSFORMS * hidden, size))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds of the eight transforms, float (B, 8), for normalised images, float (B, 3, H, H)."""
        answer: Tensor = self.answer(self.trunk(x))
        return answer

    @torch.no_grad()
    def orbit(self, x: Tensor) -> Tensor:
        """Return what the trunk says of the eight transforms of images, float (B, 3, H, H), as (B, 8 hidden)."""
        x = normalise(x)
        turned = torch.cat([dihedral(x, transform) for transform in range(TRANSFORMS)])
        said = F.normalize(self.trunk(turned.contiguous(memory_format=torch.channels_last)), dim=1)
        return said.view(TRANSFORMS, len(x), -1).transpose(0, 1).flatten(1)

    @torch.no_grad()
    def fit_projection(self, orbit: Tensor) -> None:
        """Set the projection to the leading principal components of `orbit`, float (N, 8 hidden), half whitened.

        Each component is divided by the square root of its standard deviation, which lets the smaller ones speak.
        """
        self.centre.copy_(orbit.mean(0))
        centred = (orbit - self.centre).double()
        variance, axes = torch.linalg.eigh(centred.T @ centred / (len(orbit) - 1))
        largest = variance[-self.size :].flip(0).clamp_min(1e-12)
        self.projection.copy_(axes[:, -self.size :].flip(1) / largest**0.25)

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return unit-length features, float (B, size), of images x, float (B, 3, H, H) in [0, 1]."""
        return self.project(self.orbit(x))

    def project(self, orbit: Tensor) -> Tensor:
        """Return the features of what `orbit` returned."""
        return F.normalize((orbit - self.centre) @ self.projection, dim=1)
