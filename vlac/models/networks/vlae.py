"""The networks of the variational ladder auto-encoder's SVHN model: `network.form: vlae`.

Layout and widths follow Zhao et al. (2017) as published in ermongroup/Variational-Ladder-Autoencoder: two convolutions
per block, batch normalisation after every layer but heads and output, leaky ReLU of slope 0.1. Ours differ in the
kernel of the stride-1 convolutions (3 x 3 for 4 x 4, so that sizes stay integers) and in the number of fully connected
layers of rung 4 (two for three in the decoder). A rung's features have convolutions of their own, beside the trunk.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vlac.models.networks.layers import Flatten, Scalar, Unflatten, conv, deconv, dense, faded, join, rectified


class Block(nn.Sequential):
    """Two convolutions, the first of stride 2: the trunk's step from one rung to the next, and a rung's features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv(inputs, outputs, 2), conv(outputs, outputs, 1))


class Networks:
    """Makes the sub-networks of one ladder from its feature maps of trunk 1 to 3 and its fully connected width."""

    beside_trunk = True
    """Whether a rung's features are computed from what the rung below leaves, not from the rung's own trunk."""

    def __init__(self, channels: tuple[int, int, int], hidden: int, side: int) -> None:
        self.channels, self.hidden = channels, hidden

    def trunk(self, rung: int) -> nn.Module:
        """Return the step of g from rung to rung: 1 to 3, halving height and width."""
        return Block((3, *self.channels)[rung - 1], self.channels[rung - 1])

    def features(self, rung: int) -> tuple[nn.Module, int]:
        """Return the network to a rung's flat features h_l, and their number."""
        if rung == 4:
            hidden = self.hidden
            return nn.Sequential(Flatten(), dense(self.channels[2] * 16, hidden), dense(hidden, hidden)), hidden
        size = 32 >> rung
        return nn.Sequential(self.trunk(rung), Flatten()), self.channels[rung - 1] * size * size

    def decoder(self, z: Mapping[int, int]) -> tuple[dict[int, nn.Module], nn.Module]:
        """Return f_l of every rung from the topmost one of `z`, the sizes of z_l, down to 1; and f_0."""
        top = max(z)
        climbs = {rung: Climb(rung, z.get(rung), rung < top, self.channels, self.hidden) for rung in range(top, 0, -1)}
        return dict(climbs), Render(self.channels[0])


class Climb(nn.Module):
    """f_l for one rung: joins z_l with z~_{l+1} from the rung above and computes z~_l (Eqs. 1 and 2).

    A rung without z_l of its own (GM-DGM) passes on what comes from above; the topmost active rung has only z_l.
    """

    def __init__(self, rung: int, z: int | None, from_above: bool, channels: tuple[int, int, int], hidden: int) -> None:
        super().__init__()
        c1, c2, c3 = channels
        self.rung, self.from_above = rung, from_above
        # width of z~_{l+1} and of the plane that z_l is expanded to; rungs 3 and 4 join flat vectors
        width = {4: 0, 3: hidden, 2: c2, 1: c1}[rung] if from_above else 0
        self.lift: nn.Module | None = None
        if rung >= 3:
            width += z or 0
        elif z is not None:
            maps, size = {2: (c2, 8), 1: (c1, 16)}[rung]
            plane = nn.Sequential(nn.Linear(z, maps * size**2, bias=False), Unflatten(maps, size))
            self.lift = nn.Sequential(*plane, *rectified(maps))
            width += maps
        if rung == 4:
            self.body: nn.Module = nn.Sequential(dense(width, hidden), dense(hidden, hidden))
        elif rung == 3:
            expand = nn.Sequential(dense(width, c3 * 16), Unflatten(c3, 4))
            self.body = nn.Sequential(expand, deconv(c3, c3), conv(c3, c2, 1))
        elif rung == 2:
            self.body = nn.Sequential(deconv(width, c2), conv(c2, c1, 1))
        else:
            self.body = deconv(width, c1)

    def forward(self, z: Tensor | None, above: Tensor | None, fade: Scalar = 1.0) -> Tensor:
        """Return z~_l from z_l, float (B, d_l) or None, and z~_{l+1}, float (B, hidden) or (B, C, H, W) or None.

        `fade` scales what z_l adds, from 0, nothing, to 1.
        """
        if self.lift is not None and z is not None:
            z = self.lift(z)
        z = None if z is None else faded(z, fade)
        joined = [part for part in (above, z) if part is not None]
        return self.body(join(*joined) if len(joined) > 1 else joined[0])


class Render(nn.Module):
    """f_0: from z~_1, float (B, c1, 32, 32), to the mean image, float (B, 3, 32, 32) in [0, 1] (Eq. 3)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.output = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, below: Tensor) -> Tensor:
        """Return the mean image; sigmoid in float32, because bfloat16 steps by half a grey level near white."""
        return torch.sigmoid(self.output(below).float())
