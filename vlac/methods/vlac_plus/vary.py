"""Varied copies of pictures, from which the networks of VLAC+ learn what does not matter."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Variation:
    """How far pictures of mean 0 and standard deviation 1 are varied at most, or by a normal distribution (*)."""

    shift: float = 0.0  # pixels
    polarity: bool = False  # half of them become negatives
    turn: float = 0.0  # radians
    stretch: float = 0.0  # log of the size along either axis
    colour: float = 0.0  # log of a channel's gain, and its offset (*)
    noise: float = 0.0  # of every value (*)

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return varied copies of normalised images, float (B, 3, 32, 32)."""
        count, size = len(x), x.shape[-1]
        angle, stretch = self._uniform(x, generator) * self.turn, (self._uniform(x, generator, 2) * self.stretch).exp()
        shift = self._uniform(x, generator, 2) * self.shift * 2 / size  # grid_sample: -1 to 1 across the picture
        cos, sin = angle.cos(), angle.sin()
        turned = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1) * stretch[:, :, None]
        grid = F.affine_grid(torch.cat([turned, shift[:, :, None]], 2), list(x.shape), align_corners=False)
        x = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
        if self.polarity:
            x = x * self._uniform(x, generator, 1, 1, 1).sign()
        if self.colour:
            gain, offset = (torch.randn(count, 3, 1, 1, generator=generator, device=x.device) for _ in range(2))
            x = x * (self.colour * gain).exp() + self.colour * offset
        if self.noise:
            x = x + self.noise * torch.randn(x.shape, generator=generator, device=x.device)
        return x.contiguous(memory_format=torch.channels_last)

    @staticmethod
    def _uniform(x: Tensor, generator: torch.Generator, *shape: int) -> Tensor:
        """Return numbers between -1 and 1, float (B, *shape)."""
        return torch.rand(len(x), *shape, generator=generator, device=x.device) * 2 - 1
