"""The sub-networks g_l and f_l for 32 x 32 RGB images, after the SVHN model of the variational ladder auto-encoder.

Layout and widths follow Zhao et al. (2017) as published in ermongroup/Variational-Ladder-Autoencoder: two convolutions
per block, batch normalisation after every layer but heads and output, leaky ReLU of slope 0.1. Ours differ in the
kernel of the stride-1 convolutions (3 x 3 for 4 x 4, so that sizes stay whole) and in the number of fully connected
layers of rung 4 (two for three in the decoder).
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SLOPE = 0.1


def conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a convolution that keeps (stride 1) or halves (stride 2) height and width, normalised and rectified."""
    layer = nn.Conv2d(inputs, outputs, 4 if stride == 2 else 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE, inplace=True))


def deconv(inputs: int, outputs: int) -> nn.Sequential:
    """Return a transposed convolution that doubles height and width, normalised and rectified."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.LeakyReLU(SLOPE, inplace=True))


def dense(inputs: int, outputs: int) -> nn.Sequential:
    """Return a fully connected layer, normalised and rectified."""
    layer = nn.Linear(inputs, outputs, bias=False)
    return nn.Sequential(layer, nn.BatchNorm1d(outputs), nn.LeakyReLU(SLOPE, inplace=True))


class Flatten(nn.Module):
    """(B, C, H, W) to (B, H W C), the order of channels-last memory, so that nothing is copied in either pass."""

    def forward(self, planes: Tensor) -> Tensor:
        return planes.permute(0, 2, 3, 1).flatten(1)


class Unflatten(nn.Module):
    """(B, H W C) to (B, C, H, W), channels last in memory: the inverse of Flatten."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.channels, self.size = channels, size

    def forward(self, flat: Tensor) -> Tensor:
        return flat.unflatten(1, (self.size, self.size, self.channels)).permute(0, 3, 1, 2)


def join(above: Tensor, z: Tensor) -> Tensor:
    """Return the concatenation along axis 1, with gradients that are dense in memory.

    The gradients of torch.cat are strided slices; leaky ReLU's backward pass takes ten times longer on slices of few
    channels, and on a gradient that is laid out in another way than its output.
    """
    for part in (above, z):
        if part.requires_grad:
            part.register_hook(_dense(part))
    return torch.cat((above, z), 1)


def _dense(part: Tensor) -> Callable[[Tensor], Tensor]:
    last = part.dim() == 4 and part.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return lambda gradient: gradient.contiguous(memory_format=layout)


class Block(nn.Sequential):
    """Two convolutions, the first of stride 2: the trunk's step from one rung to the next, and a rung's features."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(conv(inputs, outputs, 2), conv(outputs, outputs, 1))


def rung_features(rung: int, channels: tuple[int, int, int], hidden: int) -> tuple[nn.Module, int]:
    """Return the network from the trunk below `rung` to its flat features h_l, and their number."""
    if rung == 4:
        return nn.Sequential(Flatten(), dense(channels[2] * 16, hidden), dense(hidden, hidden)), hidden
    below = (3, *channels)[rung - 1]
    size = 32 >> rung
    return nn.Sequential(Block(below, channels[rung - 1]), Flatten()), channels[rung - 1] * size * size


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
            self.lift = nn.Sequential(*plane, nn.BatchNorm2d(maps), nn.LeakyReLU(SLOPE, inplace=True))
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

    def forward(self, z: Tensor | None, above: Tensor | None) -> Tensor:
        """Return z~_l from z_l, float (B, d_l) or None, and z~_{l+1}, float (B, hidden) or (B, C, H, W) or None."""
        if self.lift is not None and z is not None:
            z = self.lift(z)
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
