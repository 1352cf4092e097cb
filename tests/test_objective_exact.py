"""The estimate of Eq. (9) against exact answers: enumeration over y, and log p(x) by integration over z."""

import itertools
import math

import pytest
import torch
from tiny import MIXED, bound_of, lively_ladder, tiny_input, tiny_spec
from torch.distributions import Categorical, Normal, kl_divergence
from torch.nn import functional as F

from vlac.models import ladder
from vlac.models.objective import expected_kl_z


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def enumerated_bound(model, x, draws, monkeypatch):
    """E log p(x given z), sum of KL_z and sum of KL_y, every y fed as one-hot and weighed by its q; z is sampled."""
    total, source = torch.zeros(3), generator()
    for choice in itertools.product(*(range(model.K[rung]) for rung in model.mixture_rungs)):
        y = {model.K[rung]: k for rung, k in zip(model.mixture_rungs, choice, strict=True)}
        with monkeypatch.context() as patch:
            patch.setattr(
                ladder, "_choose", lambda q, *_, y=y: F.one_hot(torch.tensor(y[q.shape[1]]), q.shape[1]) + 0 * q
            )
            terms = bound_of(model, x.expand(draws, 3, 32, 32), 0.5, "sampled", source)
        weight, kl_z, kl_y = 1.0, 0.0, 0.0
        for rung, posterior in terms.posteriors.items():
            prior, k = model.prior(rung), y[model.K[rung]] if model.K[rung] > 1 else 0
            q_z = Normal(posterior.mean[0], posterior.std[0])
            kl_z += kl_divergence(q_z, Normal(prior.mean[k], prior.scale[k])).sum().item()
            if posterior.q is not None:
                weight *= posterior.q[0, k].item()
                kl_y += math.log(model.K[rung]) - Categorical(probs=posterior.q[0]).entropy().item()
        total += weight * torch.tensor([terms.log_likelihood.mean().item(), kl_z, kl_y])
    return total


@torch.no_grad()
def gumbel_estimate(model, x, temperature, draws):
    """The same three terms from Gumbel samples, KL_z by both estimators: mean and standard error, each (4,)."""
    terms = bound_of(model, x.expand(draws, 3, 32, 32), temperature, "sampled", generator(1))
    kl_z = {how: sum(expected_kl_z(p, how) for p in terms.posteriors.values()) for how in ("sampled", "enumerated")}
    each = torch.stack([terms.log_likelihood, kl_z["sampled"], sum(terms.kl_y.values()), kl_z["enumerated"]])
    return each.mean(1), each.std(1) / math.sqrt(draws)


def test_the_gumbel_estimate_converges_to_enumeration_over_y(monkeypatch):
    model, x = lively_ladder(tiny_spec(MIXED, scale=1.5), seed=3), tiny_input(1)
    exact = enumerated_bound(model, x, 600, monkeypatch)[[0, 1, 2, 1]]
    bias = [(gumbel_estimate(model, x, temperature, 1500)[0] - exact).abs() for temperature in (2.0, 0.5)]
    few, few_error = gumbel_estimate(model, x, 0.01, 100)
    many, error = gumbel_estimate(model, x, 0.01, 4000)
    # In the first term the noise of z hides the bias; in the last only the rungs below are relaxed, and it need not
    # fall step by step. Both must be gone at the lowest temperature.
    assert (bias[0][1:3] > 2 * bias[1][1:3]).all()
    assert bias[1][1] > 2 * error[1]
    assert ((few - exact).abs() < 4 * few_error).all()
    assert ((many - exact).abs() < 4 * error + torch.tensor([0.2, 0.0, 0.0, 0.0])).all()  # exact's own noise of z
    assert (error < few_error / 4).all()
    assert error[3] < error[1] / 3  # what enumerating is for


class Integrated:
    """A GM-DGM of one latent dimension, one image, and log p(x) and p(y, z given x) by integration over a grid."""

    def __init__(self):
        self.model = lively_ladder(tiny_spec({3: 3}, z=1, scale=0.4), seed=1)
        self.x = self.model.decode({3: torch.tensor([[0.3]])}).detach() + 0.4 * torch.randn(1, 3, 32, 32)
        z = torch.linspace(-9, 9, 1201)
        self.z, prior = z.double(), self.model.prior(3)
        with torch.no_grad():
            images = torch.cat([self.model.decode({3: part[:, None]}) for part in z.split(500)]).double()
            log_z = Normal(prior.mean.double(), prior.scale.double()).log_prob(self.z)
        log_x = Normal(images, 0.4).log_prob(self.x.double()).sum((1, 2, 3))
        self.log_joint = log_x + log_z - math.log(3)  # log p(x, y, z), float (3, 1201)
        self.step = math.log(18 / 1200)
        self.log_p = (self.log_joint.logsumexp((0, 1)) + self.step).item()

    def set_posterior(self, shift=0.0):
        """Make the head say the Gaussians nearest to p(z given x, y), but for a shift in units of their std."""
        share = (self.log_joint - self.log_joint.logsumexp(1, keepdim=True)).exp()
        mean = share @ self.z
        std = (share @ self.z**2 - mean**2).sqrt()
        head = self.model.heads["3"]
        with torch.no_grad():
            for parameter in head.parameters():
                parameter.zero_()
            head.cluster.bias.copy_(self.log_joint.logsumexp(1))
            head.by_cluster.copy_(torch.stack([mean + shift * std, torch.logit(std - 1e-3)], 1))

    @torch.no_grad()
    def gap(self):
        """KL(q(y, z given x) || p(y, z given x)) over the grid: what the bound falls short of log p(x) by."""
        posterior, head = self.model.encode(self.x)[3], self.model.head(3)
        # Every weight of the head is 0, so that its answer is the same for all features.
        mean, std = head.each(head.gaussian.bias[None])
        q = Normal(mean[0].double(), std[0].double())
        log_q = posterior.log_q[0].double()[:, None] + q.log_prob(self.z)
        return (log_q.exp() * (log_q - self.log_joint + self.log_p)).sum().item() * math.exp(self.step)


def test_the_bound_stays_below_log_p_by_what_the_posterior_is_off(monkeypatch):
    torch.manual_seed(0)
    exact = Integrated()
    for shift, least, most in ((0.0, 0.0, 0.15), (1.0, 0.4, 0.9)):  # a shift by one std costs about 0.5
        exact.set_posterior(shift)
        assert least < exact.gap() < most
        log_likelihood, kl_z, kl_y = enumerated_bound(exact.model, exact.x, 1500, monkeypatch).tolist()
        elbo = log_likelihood - kl_z - kl_y
        assert elbo < exact.log_p
        assert exact.log_p - elbo == pytest.approx(exact.gap(), abs=0.08)  # 4 standard errors
    (log_likelihood, _, kl_y, kl_z), error = gumbel_estimate(exact.model, exact.x, 0.01, 2000)
    assert exact.log_p - (log_likelihood - kl_z - kl_y) == pytest.approx(exact.gap(), abs=4 * error[0].item())
