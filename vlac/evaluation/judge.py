"""The judge of samples: a network that has learnt the labels, and says which class a drawn image shows.

It scores what trained models draw, as test labels score their clusters; nothing learns from it.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from vlac.models.dihedral import normalise
from vlac.models.ladder import to_input, to_inputs
from vlac.models.networks.layers import Flatten, conv, dense

CHANNELS, HIDDEN = (32, 64, 128), 256
"""Feature maps of its three convolutions, and its fully connected width."""

EPOCHS, BATCH, LR = 4, 128, 2e-3


class Judge(nn.Module):
    """A convolutional network from images, each normalised by itself, to T classes."""

    def __init__(self, T: int) -> None:
        super().__init__()
        c1, c2, c3 = CHANNELS
        self.network = nn.Sequential(
            *(conv(inputs, outputs, 2) for inputs, outputs in ((3, c1), (c1, c2), (c2, c3))),
            Flatten(),
            dense(c3 * 16, HIDDEN),
            nn.Linear(HIDDEN, T),
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def learn(self, images: np.ndarray, labels: np.ndarray, device: torch.device, seed: int = 0) -> None:
        """Train on images, uint8 (N, 32, 32, 3), and their classes, (N,), with Adam along a falling learning rate."""
        self.to(device).train()
        generator = torch.Generator(device).manual_seed(seed)
        optimiser = torch.optim.Adam(self.parameters(), lr=LR, fused=True)
        x, t = torch.from_numpy(images).to(device), torch.from_numpy(labels.astype(np.int64)).to(device)
        batch = min(BATCH, len(x))
        updates = EPOCHS * (len(x) // batch)
        order = torch.cat([torch.randperm(len(x), generator=generator, device=device) for _ in range(EPOCHS)])
        for update in range(updates):
            for group in optimiser.param_groups:
                group["lr"] = LR * (1 + math.cos(math.pi * update / updates)) / 2
            chosen = order[update * batch : (update + 1) * batch]
            loss = F.cross_entropy(self.network(normalise(to_input(x[chosen]))), t[chosen])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        self.cpu().eval()

    @torch.no_grad()
    def classes(self, images: np.ndarray) -> np.ndarray:
        """Return the class of each image, int64 (N,), of uint8 (N, 32, 32, 3)."""
        parts = to_inputs(torch.from_numpy(images))
        said: np.ndarray = torch.cat([self.network(normalise(part)).argmax(1) for part in parts]).numpy()
        return said
