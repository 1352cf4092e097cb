"""Closed forms against torch.distributions; samplers against the distributions that they are named after."""

import math

import pytest
import torch
from torch.distributions import Categorical, Laplace, MultivariateNormal, Normal, kl_divergence

from vlac.models.distributions import Prior, gumbel_softmax, uniform_kl
from vlac.models.objective import LIKELIHOODS


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def prior_and_truth(covariance, K=4, d=3):
    """A prior with some parameters, and torch's distributions of its components."""
    prior = Prior(K, d, covariance)
    with torch.no_grad():
        prior.raw_scale.copy_(random(K, d, seed=1))
        if covariance == "full":
            prior.raw_lower.copy_(random(K, d, d, seed=2))
    factor = torch.eye(d) + (0 if prior.lower is None else prior.lower.detach())
    root = prior.scale.detach()[:, :, None] * torch.linalg.inv(factor)
    return prior, MultivariateNormal(prior.mean.detach(), root @ root.mT)


@torch.no_grad()
@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_divergences_from_the_components_agree_with_torch(covariance):
    prior, truth = prior_and_truth(covariance)
    mean, std = random(6, 4, 3), random(6, 4, 3, seed=5).exp()
    expected = kl_divergence(MultivariateNormal(mean, std.square().diag_embed()), truth)
    torch.testing.assert_close(prior.kl(mean, std), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(prior.kl(mean[:, 0], std[:, 0])[:, 0], expected[:, 0], rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(prior.kl(mean, std), expected, rtol=1e-4, atol=1e-4)
    z = mean[:1, 0] + std[:1, 0] * random(40_000, 3, seed=7)
    estimates = prior.kl_at(z, std[:1, 0].expand(len(z), -1))
    error = estimates.std(0) / math.sqrt(len(z))
    assert ((estimates.mean(0) - prior.kl(mean[:1, 0], std[:1, 0])[0]).abs() < 4 * error).all()


@torch.no_grad()
def test_without_a_mixture_the_prior_is_standard_normal():
    mean, std = random(6, 3), random(6, 3, seed=5).exp()
    expected = kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum(-1, keepdim=True)
    torch.testing.assert_close(Prior(1, 3).kl(mean, std), expected)


@torch.no_grad()
def test_a_full_component_s_samples_have_its_covariance():
    prior, truth = prior_and_truth("full")
    z = prior.sample(50_000, component=2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), truth.mean[2], atol=0.1, rtol=0.05)
    torch.testing.assert_close(z.T.cov(), truth.covariance_matrix[2], atol=0.1, rtol=0.05)


def test_uniform_kl_agrees_with_torch():
    K = 5
    log_q = (4 * random(20, K)).log_softmax(-1)
    truth = kl_divergence(Categorical(logits=log_q), Categorical(probs=torch.full((20, K), 1 / K)))
    torch.testing.assert_close(uniform_kl(log_q), truth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("form", "truth"), [("gaussian", Normal), ("laplace", Laplace)])
def test_log_likelihoods_agree_with_torch(form, truth):
    scale = 0.05
    x, mean = random(4, 3, 32, 32).sigmoid(), random(4, 3, 32, 32, seed=1).sigmoid()
    expected = truth(mean, scale).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(LIKELIHOODS[form](x, mean, scale), expected)


def test_gumbel_samples_pick_clusters_as_often_as_q_says():
    q = torch.tensor([0.6, 0.3, 0.1])
    samples = gumbel_softmax(q.log().expand(20000, 3), 0.7, torch.Generator().manual_seed(0))
    torch.testing.assert_close(samples.sum(-1), torch.ones(20000))
    picked = samples.argmax(-1).bincount(minlength=3) / 20000
    assert (picked - q).abs().max() < 4 * math.sqrt(0.25 / 20000)
    cold = gumbel_softmax(q.log().expand(500, 3), 0.01, torch.Generator().manual_seed(0))
    assert cold.max(-1).values.mean() > 0.99


@torch.no_grad()
def test_prior_samples_have_the_moments_of_the_component_or_of_the_mixture():
    prior = Prior(2, 1)
    prior.mean.copy_(torch.tensor([[-3.0], [5.0]]))
    prior.raw_scale.copy_(torch.tensor([[0.5413], [2.0]]))
    generator = torch.Generator().manual_seed(0)
    for k in range(2):
        z = prior.sample(20000, component=k, generator=generator)
        assert z.mean() == pytest.approx(prior.mean[k].item(), abs=0.08)
        assert z.std() == pytest.approx(prior.scale[k].item(), rel=0.03)
    assert prior.sample(20000, generator=generator).mean() == pytest.approx(1.0, abs=0.15)


def test_separation_by_hand():
    """Components at (0, 0), (3, 4) and (30, 0), of standard deviation 2 but for the last, of 4 on the first axis."""
    prior = Prior(3, 2)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0], [3, 4], [30, 0]]))
        std = torch.tensor([[2.0, 2], [2, 2], [4, 2]])
        prior.raw_scale.copy_((std - 1e-3).expm1().log())
    assert prior.separation() == pytest.approx(2.5, rel=1e-4)  # sqrt(3^2 + 4^2) / 2
    with torch.no_grad():
        prior.mean[2] = torch.tensor([3.0, 0])
    assert prior.separation() == pytest.approx(1.125, rel=1e-4)  # the mean of 3 / 4 and 3 / 2
