"""ACOL-GAR's network and loss: several output nodes per transform, kept apart by regularisation.

Kilinc and Uysal, "Learning latent representations in neural networks for clustering through pseudo supervision and
graph-based activity regularization" (ICLR 2018). Numbers and definitions are those of the published code's SVHN
experiment (github.com/ozcell/LALNets: examples/pseudo_svhn.py, acol/models.py, acol/regularizers.py), which takes the
mean image away before it normalises each picture.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.models.dihedral import TRANSFORMS, normalise
from vlac.models.networks.layers import Flatten

DROPOUT = (0.2, 0.3, 0.5)
"""After the first and the second pooling, and before the nodes."""

AFFINITY, BALANCE, FROBENIUS = 0.1, 1.0, 1e-6
"""Weights of affinity, of 1 - balance, and of the squared Frobenius norm of the nodes."""

EPSILON = 1e-7
"""Avoids dividing by zero, as Keras's epsilon does in the published code."""


class Network(nn.Module):
    """Two pairs of convolutions, a fully connected layer, and `duplicates` linear nodes per transform."""

    def __init__(self, channels: tuple[int, int], hidden: int, duplicates: int) -> None:
        super().__init__()
        first, second = channels
        self.trunk = nn.Sequential(
            *_pair(3, first),
            nn.Dropout(DROPOUT[0]),
            *_pair(first, second),
            nn.Dropout(DROPOUT[1]),
            Flatten(),
            nn.Linear(second * 64, hidden),
            nn.ReLU(inplace=True),
        )
        self.dropout = nn.Dropout(DROPOUT[2])
        self.nodes = nn.Linear(hidden, duplicates * TRANSFORMS)
        for parameter in self.parameters():  # start as in Keras
            (nn.init.xavier_uniform_ if parameter.ndim > 1 else nn.init.zeros_)(parameter)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Return the fully connected layer's activations, float (B, hidden), of images, float (B, 3, 32, 32)."""
        activations: Tensor = self.trunk(normalise(x))
        return activations

    def forward(self, x: Tensor) -> Tensor:
        """Return the nodes' activations Z, float (B, duplicates, 8), of images, float (B, 3, 32, 32)."""
        nodes: Tensor = self.nodes(self.dropout(self.features(x)))
        return nodes.view(len(x), -1, TRANSFORMS)


def _pair(inputs: int, outputs: int) -> list[nn.Module]:
    """Return two rectified 3 x 3 convolutions and a pooling that halves height and width."""
    layers = [nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)]
    return [*(part for layer in layers for part in (layer, nn.ReLU(inplace=True))), nn.MaxPool2d(2)]


def pooled(nodes: Tensor) -> Tensor:
    """Return log-probabilities of the transforms, float (B, 8): a softmax over all nodes, summed over duplicates."""
    return F.log_softmax(nodes.flatten(1), -1).view_as(nodes).logsumexp(1)


def affinity_and_balance(nodes: Tensor) -> tuple[Tensor, Tensor]:
    """Return two scalars between 0 and 1, means over the transforms, of nodes Z, float (B, duplicates, 8).

    With B the rectified nodes of one transform, U = B^T B, v the diagonal of U, V = v^T v and n duplicates:

        affinity = sum_{i != j} U_ij / ((n - 1) sum_i U_ii)       0: no picture excites two duplicates
        balance  = sum_{i != j} V_ij / ((n - 1) sum_i V_ii)       1: all duplicates are excited as much
    """
    rectified = nodes.relu()
    U = torch.einsum("bic,bjc->cij", rectified, rectified)
    v = U.diagonal(dim1=1, dim2=2)
    return _off_diagonal(U).mean(), _off_diagonal(v[:, :, None] * v[:, None, :]).mean()


def _off_diagonal(matrices: Tensor) -> Tensor:
    """Return the sum off the diagonal, relative to that of n - 1 equal diagonals, (C,), of matrices (C, n, n)."""
    trace = matrices.diagonal(dim1=1, dim2=2).sum(1)
    return (matrices.sum((1, 2)) - trace) / ((matrices.shape[1] - 1) * trace + EPSILON)


def loss(nodes: Tensor, transform: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return what an update minimises, and its terms (with the share of transforms that are `recognised`), all scalars.

    Args:
        nodes: float (B, duplicates, 8).
        transform: int64 (B,), what was applied to each image.
    """
    log_p = pooled(nodes)
    cross_entropy = F.nll_loss(log_p, transform)
    affinity, balance = affinity_and_balance(nodes)
    total = cross_entropy + AFFINITY * affinity + BALANCE * (1 - balance) + FROBENIUS * nodes.square().sum()
    recognised = (log_p.argmax(1) == transform).float().mean()
    terms = {"cross_entropy": cross_entropy, "recognised": recognised, "affinity": affinity, "balance": balance}
    return total, {name: term.detach() for name, term in terms.items()}
