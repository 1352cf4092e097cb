"""The student of VLAC+: a network that learns the clusters of others from varied pictures, and beats its teachers."""

import torch
from torch import Tensor, nn

from vlac.methods.vlac_plus.pretext import make_trunk
from vlac.models.dihedral import normalise


class Student(nn.Module):
    """Clusters of pictures, each normalised by itself; of a picture and its negative together with `polarity`."""

    def __init__(self, channels: list[int], hidden: int, K: int, polarity: bool) -> None:
        super().__init__()
        self.trunk, self.head, self.polarity = make_trunk(channels, hidden), nn.Linear(hidden, K), polarity
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor) -> Tensor:
        """Return the log-odds of the clusters, float (B, K), of normalised images, float (B, 3, 32, 32)."""
        said: Tensor = self.head(self.trunk(x))
        return said

    @torch.no_grad()
    def look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return log q(y given x), float (B, K), and the trunk's features, float (B, hidden), of images in [0, 1]."""
        x = normalise(x)
        views = torch.stack([self.trunk(view) for view in ([x, -x] if self.polarity else [x])])
        return self.head(views).softmax(-1).mean(0).clamp_min(1e-6).log(), views.mean(0)
