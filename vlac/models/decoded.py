"""What a decoder returns, as images: apart from the ladder, because no training depends on it."""

import numpy as np
import torch
from torch import Tensor


def to_images(mean: Tensor) -> np.ndarray:
    """Return the decoder's mean images, float (B, 3, H, H), as uint8 (B, H, H, 3), the inverse of `to_input`."""
    return mean.clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy(force=True)
