"""The network of IMSAT: two hidden layers with batch normalisation, as in the authors' imsat_cluster.py."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN_SCALE, LAST_SCALE = 0.1, 1e-4
"""Of the weights' initial standard deviation, times one over the root of the layer's inputs."""


class Norm(nn.BatchNorm1d):
    """Batch normalisation that can leave its running averages as they are, and still go by the batch's own."""

    def forward(self, h: Tensor, count: bool = True) -> Tensor:
        """Return h, float (B, units), normalised; in training, and if not `count`, without a trace."""
        return super().forward(h) if count else F.batch_norm(h, None, None, self.weight, self.bias, training=True)


class Network(nn.Module):
    """From features, float (B, size), to logits of clusters, float (B, K)."""

    centre: Tensor
    spread: Tensor

    def __init__(self, size: int, hidden: int, K: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("spread", torch.ones(()))
        self.linear = nn.ModuleList([nn.Linear(size, hidden), nn.Linear(hidden, hidden)])
        self.norm = nn.ModuleList([Norm(hidden), Norm(hidden)])
        self.last = nn.Linear(hidden, K)
        for layer, scale in zip([*self.linear, self.last], [HIDDEN_SCALE, HIDDEN_SCALE, LAST_SCALE], strict=True):
            nn.init.normal_(layer.weight, std=scale * layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def adapt(self, features: Tensor) -> None:
        """Have the network see features less their mean and over their overall standard deviation.

        One number for all of them, so that distances keep their proportions. The authors scale pixels to [-1, 1] and
        give no rule for GIST; unit variance makes VAT's fixed `xi` as large against either.
        """
        self.centre = features.mean(0)
        self.spread = (features - self.centre).square().mean().sqrt()

    def standardise(self, features: Tensor) -> Tensor:
        """Return features as the layers see them."""
        return (features - self.centre) / self.spread

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits of features as `vlac.features` computes them."""
        return self.logits(self.standardise(features))

    def logits(self, x: Tensor, count: bool = True) -> Tensor:
        """Return the logits of standardised features; `count` as of `Norm`."""
        for linear, norm in zip(self.linear, self.norm, strict=True):
            x = F.relu(norm(linear(x), count))
        return self.last(x)
