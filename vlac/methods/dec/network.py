"""DEC's network and objective: an autoencoder, and soft clusters of its codes that are sharpened by their own target.

Xie, Girshick and Farhadi, "Unsupervised deep embedding for clustering analysis" (ICML 2016); equations are numbered as
there, with one degree of freedom (alpha = 1).
"""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

DROPOUT = 0.2
"""Share of the inputs that pretraining hides; published: of those of hidden layers, and only layer by layer."""

ROWS = 1000
"""Images that are encoded at a time."""


class Network(nn.Module):
    """Rectified layers from d features to codes and back, and K centres among the codes.

    Args:
        widths: d, those of the hidden layers, and the size of the codes.
    """

    scale: Tensor
    centres: nn.Parameter

    def __init__(self, widths: list[int], K: int) -> None:
        super().__init__()
        self.encoder, self.decoder = _layers(widths), _layers(widths[::-1])
        self.dropout = nn.Dropout(DROPOUT)
        self.centres = nn.Parameter(torch.zeros(K, widths[-1]))
        self.register_buffer("scale", torch.ones(()))
        for layer in self.modules():
            if isinstance(layer, nn.Linear):  # torch's own start is too small for eight layers
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def codes(self, x: Tensor) -> Tensor:
        """Return z, float (B, size), of features, float (B, d)."""
        z: Tensor = self.encoder(x / self.scale)
        return z

    @torch.no_grad()
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes, float (N, size), and q, float (N, K), of any number of features, float (N, d)."""
        z = [self.codes(part) for part in x.split(ROWS)]
        return torch.cat(z), torch.cat([assignment(part, self.centres) for part in z])

    def reconstruction(self, x: Tensor) -> Tensor:
        """Return the mean squared error, a scalar, with which features (B, d) are recovered from what is left of them.

        `scale` makes the features' mean square 1, as in the publication, and so the error of a decoder that says 0.
        """
        x = x / self.scale
        return F.mse_loss(self.decoder(self.encoder(self.dropout(x))).float(), x)


def _layers(widths: list[int]) -> nn.Sequential:
    """Return linear layers of so many inputs and outputs, all but the last one rectified."""
    layers = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers[:-1])


def assignment(z: Tensor, centres: Tensor) -> Tensor:
    """Return q, float (B, K), Eq. (1): Student's t kernel between codes (B, size) and centres (K, size), normalised."""
    kernel = 1 / (1 + (z[:, None] - centres).square().sum(-1))
    return kernel / kernel.sum(1, keepdim=True)


def target(q: Tensor) -> Tensor:
    """Return p, float (N, K), Eq. (3): q squared over the cluster's frequency, normalised; q is that of all images."""
    weight = q.square() / q.sum(0)
    return weight / weight.sum(1, keepdim=True)


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Return KL(p || q), Eq. (2), as a mean over the images: a scalar, of p and q, float (B, K)."""
    return F.kl_div(q.log(), p, reduction="batchmean")
