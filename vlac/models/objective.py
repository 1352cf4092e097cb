"""The evidence lower bound of Eq. (9), its terms one by one.

p(x given z): pixels and channels independent, around the decoder's mean image, with one fixed scale.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vlac.models.distributions import uniform_kl
from vlac.models.ladder import Ladder, Posterior
from vlac.models.networks.layers import Scalar


def gaussian_log_likelihood(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Return log N(x; mean, scale^2) summed over all but the first axis: float (B, ...) to (B,), in nats."""
    error = (x - mean).square().flatten(1).sum(1) / (2 * scale**2)
    return -error - x[0].numel() * (math.log(scale) + 0.5 * math.log(2 * math.pi))


def laplace_log_likelihood(x: Tensor, mean: Tensor, scale: float) -> Tensor:
    """Return log Laplace(x; mean, scale) summed over all but the first axis: float (B, ...) to (B,), in nats."""
    error = (x - mean).abs().flatten(1).sum(1) / scale
    return -error - x[0].numel() * math.log(2 * scale)


LIKELIHOODS: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "gaussian": gaussian_log_likelihood,
    "laplace": laplace_log_likelihood,
}


@dataclass
class Bound:
    """The terms of Eq. (9) for a batch, each float (B,), in nats."""

    log_likelihood: Tensor  # log p(x given z), one sample of z
    kl_z: dict[int, Tensor]  # E_y KL(q(z_l given x, y) || p(z_l given y_l)), by rung
    kl_y: dict[int, Tensor]  # KL(q(y_l given x) || p(y_l)), by mixture rung
    posteriors: dict[int, Posterior]  # what the terms were computed from, by rung

    @property
    def elbo(self) -> Tensor:
        """The unweighted bound, float (B,); with a relaxed y an estimate of it that may lie above log p(x)."""
        return self.log_likelihood - sum(self.kl_z.values()) - sum(self.kl_y.values())

    def weighted(self, kl_z: Mapping[int, Scalar], kl_y: Mapping[int, Scalar]) -> Tensor:
        """Return what training maximises, float (B,): the bound with a weight on each divergence."""
        z = sum(kl_z[rung] * term for rung, term in self.kl_z.items())
        return self.log_likelihood - z - sum(kl_y[rung] * term for rung, term in self.kl_y.items())

    def distillation(self) -> Tensor:
        """Return the sum over rungs of KL(q(y_l given x) || pi_l(x)), float (B,), by which networks pi_l are taught.

        Its gradient reaches pi_l alone: neither the features that it reads nor q. 0 where nothing is distilled.
        """
        total = torch.zeros_like(self.log_likelihood)
        for posterior in self.posteriors.values():
            if posterior.log_pi is not None and posterior.log_q is not None:
                log_q = posterior.log_q.detach()
                total = total + (log_q.exp() * (log_q - posterior.log_pi)).sum(-1)
        return total


def expected_kl_z(posterior: Posterior, kl_z: Literal["sampled", "enumerated"]) -> Tensor:
    """Return E_y KL(q(z given x, y) || p(z given y)), float (B,).

    "enumerated" sums over this rung's y exactly; the rungs below stay sampled. "sampled" takes the posterior's own
    sample: a relaxed y weighs the components; for a one-hot y this is the divergence from the one that y names.
    """
    y = posterior.q if kl_z == "enumerated" else posterior.y
    return (posterior.kl if y is None else y * posterior.kl).sum(-1)


def bound(
    model: Ladder,
    x: Tensor,
    posteriors: dict[int, Posterior],
    kl_z: Literal["sampled", "enumerated"],
    fade: Mapping[int, Scalar] | None = None,
) -> Bound:
    """Return a one-sample estimate of Eq. (9) for images x, float (B, 3, H, H) in [0, 1].

    Args:
        posteriors: what `model.encode` says of x.
        kl_z: "sampled" (as the paper describes) or "enumerated" (lower variance), see `expected_kl_z`.
        fade: as for `model.encode`.
    """
    mean = model.decode({rung: posterior.z for rung, posterior in posteriors.items()}, fade)
    return Bound(
        log_likelihood=LIKELIHOODS[model.spec.likelihood](x, mean, model.spec.scale),
        kl_z={rung: expected_kl_z(posterior, kl_z) for rung, posterior in posteriors.items()},
        kl_y={rung: uniform_kl(p.log_q) for rung, p in posteriors.items() if p.log_q is not None},
        posteriors=posteriors,
    )
