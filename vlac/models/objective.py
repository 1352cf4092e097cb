"""The evidence lower bound of Eq. (9), its terms one by one."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from vlac.models.distributions import gaussian_kl, uniform_kl
from vlac.models.ladder import Ladder, Posterior
from vlac.models.likelihood import LIKELIHOODS
from vlac.models.prior import Prior


@dataclass
class Bound:
    """The terms of Eq. (9) for a batch, each float (B,), in nats.

    Attributes:
        log_likelihood: log p(x given z), one sample of z.
        kl_z: E_y KL(q(z_l given x, y) || p(z_l given y_l)), by rung.
        kl_y: KL(q(y_l given x) || p(y_l)), by mixture rung.
        posteriors: what the terms were computed from, by rung.
    """

    log_likelihood: Tensor
    kl_z: dict[int, Tensor]
    kl_y: dict[int, Tensor]
    posteriors: dict[int, Posterior]

    @property
    def elbo(self) -> Tensor:
        """The unweighted bound, float (B,); with a relaxed y an estimate of it that may lie above log p(x)."""
        return self.log_likelihood - sum(self.kl_z.values()) - sum(self.kl_y.values())

    def weighted(self, kl_z: Mapping[int, float | Tensor], kl_y: float | Tensor) -> Tensor:
        """Return what training maximises, float (B,): the bound with a weight, a scalar, on each divergence."""
        z = sum(kl_z[rung] * term for rung, term in self.kl_z.items())
        return self.log_likelihood - z - kl_y * sum(self.kl_y.values())


def sampled_kl_z(posterior: Posterior, prior: Prior) -> Tensor:
    """Return E_y KL(q(z given x, y) || p(z given y)), float (B,), at the posterior's own sample of y.

    A relaxed y weighs the components; for a one-hot y this is the divergence from the one component that y names.
    """
    if posterior.y is None:
        return gaussian_kl(posterior.mean, posterior.std, prior.mean, prior.std)
    by_component = gaussian_kl(posterior.mean[:, None], posterior.std[:, None], prior.mean, prior.std)
    return (posterior.y * by_component).sum(-1)


def enumerated_kl_z(posterior: Posterior, prior: Prior) -> Tensor:
    """Return the same expectation, float (B,), summed over this rung's y exactly; the rungs below stay sampled."""
    if posterior.q is None or posterior.mean_by_cluster is None or posterior.std_by_cluster is None:
        return gaussian_kl(posterior.mean, posterior.std, prior.mean, prior.std)
    by_cluster = gaussian_kl(posterior.mean_by_cluster, posterior.std_by_cluster, prior.mean, prior.std)
    return (posterior.q * by_cluster).sum(-1)


KL_Z = {"sampled": sampled_kl_z, "enumerated": enumerated_kl_z}


def bound(
    model: Ladder, x: Tensor, temperature: float | Tensor | None, kl_z: str, generator: torch.Generator | None = None
) -> Bound:
    """Return a one-sample estimate of Eq. (9) for images x, float (B, 3, 32, 32) in [0, 1].

    Args:
        temperature: of the Gumbel-softmax samples of y, a scalar; None takes the most probable cluster.
        kl_z: "sampled" (as the paper describes) or "enumerated" (lower variance), see the functions above.
        generator: source of all noise.
    """
    posteriors = model.encode(x, temperature, generator)
    z = {rung: _sample(posterior, generator) for rung, posterior in posteriors.items()}
    mean = model.decode(z)
    return Bound(
        log_likelihood=LIKELIHOODS[model.spec.likelihood](x, mean, model.spec.scale),
        kl_z={rung: KL_Z[kl_z](posterior, model.prior(rung)) for rung, posterior in posteriors.items()},
        kl_y={rung: uniform_kl(p.log_q) for rung, p in posteriors.items() if p.log_q is not None},
        posteriors=posteriors,
    )


def _sample(posterior: Posterior, generator: torch.Generator | None) -> Tensor:
    noise = torch.empty_like(posterior.mean).normal_(generator=generator)
    return posterior.mean + posterior.std * noise
