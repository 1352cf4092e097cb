"""The network of IMSAT: two hidden layers with batch normalisation, as in the authors' imsat_cluster.py."""

from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN_SCALE, LAST_SCALE = 0.1, 1e-4
"""Of the weights' initial variance, over the layer's inputs: Chainer's `wscale`."""

EPS = 2e-5
"""Added to a batch's variance, Chainer's default; GIST is small enough for it to count."""


class Norm(nn.BatchNorm1d):
    """Batch normalisation that can leave its running averages as they are, and still go by the batch's own."""

    def forward(self, h: Tensor, count: bool = True) -> Tensor:
        """Return h, float (B, units), normalised; in training, and if not `count`, without a trace."""
        if count:
            return super().forward(h)
        return F.batch_norm(h, None, None, self.weight, self.bias, training=True, eps=self.eps)


class Network(nn.Module):
    """From features, float (B, size), to logits of clusters, float (B, K)."""

    def __init__(self, size: int, hidden: int, K: int) -> None:
        super().__init__()
        self.linear = nn.ModuleList([nn.Linear(size, hidden), nn.Linear(hidden, hidden)])
        self.norm = nn.ModuleList([Norm(hidden, EPS), Norm(hidden, EPS)])
        self.last = nn.Linear(hidden, K)
        for layer, scale in zip([*self.linear, self.last], [HIDDEN_SCALE, HIDDEN_SCALE, LAST_SCALE], strict=True):
            nn.init.normal_(layer.weight, std=(scale / layer.in_features) ** 0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, count: bool = True) -> Tensor:
        """Return the logits of features; `count` as of `Norm`."""
        for linear, norm in zip(self.linear, self.norm, strict=True):
            x = F.relu(norm(linear(x), count))
        return self.last(x)
