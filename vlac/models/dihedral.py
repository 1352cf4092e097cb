"""The pretext task of ACOL-GAR (Kilinc and Uysal, 2018) and VLAC+: how was this picture turned?

A network names the one of eight dihedral transforms (four turns, each plain or mirrored) that was applied to a
per-image-normalised picture, and so needs no labels. To know how a digit is turned is to know which digit it is, while
colour and lighting do not help.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 32

TRANSFORMS = 8


def normalise(x: Tensor) -> Tensor:
    """Return images, float (B, 3, 32, 32), each with mean 0 and standard deviation 1 over its pixels and channels.

    `x`, float (B, 3, H, H), may be larger: networks that learn forms alone see 32 x 32.
    """
    if x.shape[-1] > SIDE:
        x = F.avg_pool2d(x, x.shape[-1] // SIDE)
    std, mean = torch.std_mean(x, (1, 2, 3), keepdim=True)
    # The small number avoids dividing by zero on flat images.
    return (x - mean) / (std + 1e-3)


def dihedral(x: Tensor, transform: int) -> Tensor:
    """Return images, float (B, C, H, H), under transform 0..7 of the square: 0 leaves them, the eight are a group."""
    if transform & 4:
        x = x.transpose(2, 3)
    flips = [axis for axis, bit in ((2, 1), (3, 2)) if transform & bit]
    return x.flip(flips) if flips else x


def turn(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return images, float (B, C, H, H), the first eighth under transform 0 and so on, and which, int64 (B,).

    So every batch holds all transforms in equal shares; which image meets which is left to the shuffle.
    """
    transform = torch.arange(len(x)) * TRANSFORMS // len(x)  # on the host, which asks a GPU for nothing
    sizes = torch.bincount(transform, minlength=TRANSFORMS).tolist()
    turned = torch.cat([dihedral(part, index) for index, part in enumerate(x.split(sizes))])
    return turned.contiguous(memory_format=torch.channels_last), transform.to(x.device)
