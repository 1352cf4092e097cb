"""Networks for few multiply-adds: `network.form: strided`.

The trunk is a chain of strided convolutions, whose outputs are the rungs' features; rung 4 adds a fully connected
layer. The decoder grows rung 4's plane by sub-pixel convolutions to 16 x 16, where every lower rung adds planes that
are linear in its z_l; one more sub-pixel convolution renders the image. About 5 M multiply-adds an image at 16, 32 and
64 feature maps. Images of 64 x 64 pass one more convolution at each end.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.models.networks.layers import Flatten, Scalar, Unflatten, conv, dense, faded, join, rectified

PLANES = 8
"""Planes of 16 x 16 that a z_l below rung 4 becomes."""


class Networks:
    """Makes the sub-networks of one ladder from its feature maps of trunk 1 to 3 and its fully connected width."""

    beside_trunk = False
    """Whether a rung's features are computed from what the rung below leaves, not from the rung's own trunk."""

    def __init__(self, channels: tuple[int, int, int], hidden: int, side: int) -> None:
        self.channels, self.hidden, self.large = channels, hidden, side == 64

    def trunk(self, rung: int) -> nn.Module:
        """Return g_l: a convolution that halves height and width, or rung 4's fully connected layer."""
        if rung == 4:
            return nn.Sequential(Flatten(), dense(self.channels[2] * 16, self.hidden))
        step = conv((3, *self.channels)[rung - 1], self.channels[rung - 1], 2)
        return nn.Sequential(*step, *conv(self.channels[0], self.channels[0], 2)) if self.large and rung == 1 else step

    def features(self, rung: int) -> tuple[nn.Module, int]:
        """Return what flattens the trunk's output at a rung to its features h_l, and their number."""
        if rung == 4:
            return nn.Identity(), self.hidden
        size = 32 >> rung
        return Flatten(), self.channels[rung - 1] * size * size

    def decoder(self, z: Mapping[int, int]) -> tuple[dict[int, nn.Module], nn.Module]:
        """Return f_l of every rung from the topmost one of `z`, the sizes of z_l, down to 1; and f_0."""
        c1, c2, c3 = self.channels
        climbs: dict[int, nn.Module] = {}
        width = 0
        for rung in range(max(z), 0, -1):
            if rung == 4:
                body: nn.Module = nn.Sequential(
                    dense(z[4], self.hidden), dense(self.hidden, c3 * 16), Unflatten(c3, 4), Grow(c3, c2), Grow(c2, c1)
                )
                climbs[rung], width = Top(body), c1
            else:
                climbs[rung] = Add(z.get(rung))
                width += PLANES * (rung in z)
        return climbs, nn.Sequential(Grow(width, c1), Render(c1)) if self.large else Render(width)


class Top(nn.Module):
    """f_4: from z_4, float (B, d), to planes of 16 x 16."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, z: Tensor, above: None = None, fade: Scalar = 1.0) -> Tensor:
        """Return z~_4, float (B, c1, 16, 16); `fade` scales z_4."""
        planes: Tensor = self.body(faded(z, fade))
        return planes


class Add(nn.Module):
    """f_l below rung 4: planes that are linear in z_l, beside those from above."""

    def __init__(self, z: int | None) -> None:
        super().__init__()
        self.lift = None if z is None else nn.Sequential(nn.Linear(z, PLANES * 16**2), Unflatten(PLANES, 16))

    def forward(self, z: Tensor | None, above: Tensor | None, fade: Scalar = 1.0) -> Tensor:
        """Return z~_l, float (B, C, 16, 16), from z_l, float (B, d), and z~_{l+1}; one of them may be None.

        `fade` scales what z_l adds, from 0, nothing, to 1.
        """
        if self.lift is None or z is None:
            assert above is not None
            return above
        planes = faded(self.lift(z), fade)
        return planes if above is None else join(above, planes)


class Grow(nn.Module):
    """A sub-pixel convolution that doubles height and width, normalised and rectified."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.convolve = nn.Conv2d(inputs, 4 * outputs, 3, padding=1, bias=False)
        self.rectify = rectified(outputs)

    def forward(self, planes: Tensor) -> Tensor:
        """Return float (B, outputs, 2 H, 2 W)."""
        grown: Tensor = self.rectify(F.pixel_shuffle(self.convolve(planes), 2))
        return grown


class Render(nn.Module):
    """f_0: from z~_1, float (B, C, H, H), to the mean image, float (B, 3, 2 H, 2 H) in [0, 1] (Eq. 3)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.output = nn.Conv2d(inputs, 12, 3, padding=1)

    def forward(self, below: Tensor) -> Tensor:
        """Return the mean image; sigmoid in float32, because bfloat16 steps by half a grey level near white."""
        return torch.sigmoid(F.pixel_shuffle(self.output(below), 2).float())
