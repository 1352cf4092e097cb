"""Layers that the families of networks share, and how the decoder joins what comes from above with z."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SLOPE = 0.1

Scalar = float | Tensor
"""A setting of an update: a number, or a scalar on the device inside a CUDA graph."""


def rectified(maps: int) -> nn.Sequential:
    """Return batch normalisation and leaky ReLU of so many maps."""
    return nn.Sequential(nn.BatchNorm2d(maps), nn.LeakyReLU(SLOPE, inplace=True))


def conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Return a convolution that keeps (stride 1) or halves (stride 2) height and width, normalised and rectified."""
    layer = nn.Conv2d(inputs, outputs, 4 if stride == 2 else 3, stride, padding=1, bias=False)
    return nn.Sequential(layer, *rectified(outputs))


def deconv(inputs: int, outputs: int) -> nn.Sequential:
    """Return a transposed convolution that doubles height and width, normalised and rectified."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, 2, padding=1, bias=False)
    return nn.Sequential(layer, *rectified(outputs))


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


def left_out(share: Scalar) -> bool:
    """Return whether a rung that has entered so far, 0 to 1, is not there yet."""
    return not isinstance(share, Tensor) and share == 0


def faded(x: Tensor, share: Scalar) -> Tensor:
    """Return x times how far its rung has entered; x itself where that is the number 1."""
    return x if not isinstance(share, Tensor) and share == 1 else x * share


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
