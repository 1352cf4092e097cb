"""Closed forms against torch.distributions; samplers against the distributions that they are named after."""

import math

import pytest
import torch
from torch.distributions import Categorical, Independent, Laplace, Normal, kl_divergence

from vlac.models.distributions import Prior, gaussian_kl, gumbel_softmax, uniform_kl
from vlac.models.objective import LIKELIHOODS


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_gaussian_kl_agrees_with_torch():
    mean_q, mean_p = 3 * random(50, 7), random(50, 7, seed=1)
    std_q, std_p = random(50, 7, seed=2).exp(), random(50, 7, seed=3).exp()
    truth = kl_divergence(Independent(Normal(mean_q, std_q), 1), Independent(Normal(mean_p, std_p), 1))
    torch.testing.assert_close(gaussian_kl(mean_q, std_q, mean_p, std_p), truth)
    assert gaussian_kl(mean_q, std_q, mean_q, std_q).abs().max() == 0


def test_gaussian_kl_broadcasts_one_posterior_against_all_components():
    mean, std = random(5, 1, 2), random(5, 1, 2, seed=1).exp()
    prior_mean, prior_std = random(3, 2, seed=2), random(3, 2, seed=3).exp()
    table = gaussian_kl(mean, std, prior_mean, prior_std)
    assert table.shape == (5, 3)
    for k in range(3):
        alone = kl_divergence(Normal(mean[:, 0], std[:, 0]), Normal(prior_mean[k], prior_std[k])).sum(-1)
        torch.testing.assert_close(table[:, k], alone)


@pytest.mark.parametrize("K", [2, 5, 50])
def test_uniform_kl_agrees_with_torch(K):
    log_q = (4 * random(20, K)).log_softmax(-1)
    truth = kl_divergence(Categorical(logits=log_q), Categorical(probs=torch.full((20, K), 1 / K)))
    torch.testing.assert_close(uniform_kl(log_q), truth, rtol=1e-4, atol=1e-5)


def test_uniform_kl_at_its_ends():
    assert uniform_kl(torch.full((4,), -math.log(4))) == pytest.approx(0, abs=1e-6)
    assert uniform_kl(torch.tensor([50.0, 0, 0, 0]).log_softmax(-1)) == pytest.approx(math.log(4), abs=1e-6)


@pytest.mark.parametrize(("form", "truth"), [("gaussian", Normal), ("laplace", Laplace)])
@pytest.mark.parametrize("scale", [0.05, 1.7])
def test_log_likelihoods_agree_with_torch(form, truth, scale):
    x, mean = random(4, 3, 32, 32).sigmoid(), random(4, 3, 32, 32, seed=1).sigmoid()
    expected = truth(mean, scale).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(LIKELIHOODS[form](x, mean, scale), expected)


def test_gumbel_samples_pick_clusters_as_often_as_q_says():
    q = torch.tensor([0.6, 0.3, 0.1])
    samples = gumbel_softmax(q.log().expand(20000, 3), 0.7, torch.Generator().manual_seed(0))
    torch.testing.assert_close(samples.sum(-1), torch.ones(20000))
    picked = samples.argmax(-1).bincount(minlength=3) / 20000
    assert (picked - q).abs().max() < 4 * math.sqrt(0.25 / 20000)


def test_gumbel_samples_sharpen_to_one_hot_as_the_temperature_falls():
    log_q = random(500, 4).log_softmax(-1)
    hot, warm, cold = (gumbel_softmax(log_q, t, torch.Generator().manual_seed(0)) for t in (5.0, 0.5, 0.01))
    assert hot.max(-1).values.mean() < warm.max(-1).values.mean() < cold.max(-1).values.mean()
    assert cold.max(-1).values.mean() > 0.99
    assert torch.equal(hot.argmax(-1), cold.argmax(-1))  # equal noise picks equal clusters


def test_gumbel_samples_pass_gradients_to_q():
    log_q = random(8, 3).requires_grad_()
    gumbel_softmax(log_q, 0.5)[:, 0].sum().backward()
    assert (log_q.grad[:, 0] > 0).all()
    assert (log_q.grad[:, 1:] < 0).all()


def test_prior_of_one_cluster_is_standard_normal_and_not_learnt():
    prior = Prior(1, 3)
    assert torch.equal(prior.mean, torch.zeros(1, 3))
    assert torch.equal(prior.std, torch.ones(1, 3))
    assert list(prior.parameters()) == []


def test_mixture_components_start_apart_with_unit_variance():
    torch.manual_seed(0)
    prior = Prior(50, 4)
    assert {name for name, _ in prior.named_parameters()} == {"mean", "raw_std"}
    torch.testing.assert_close(prior.std, torch.ones(50, 4), atol=0.01, rtol=0)
    assert prior.separation() > 0.05


@torch.no_grad()
def test_prior_samples_have_the_moments_of_the_component_or_of_the_mixture():
    prior = Prior(2, 1)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[-3.0], [5.0]]))
        prior.raw_std.copy_(torch.tensor([[0.5413], [2.0]]))
    generator = torch.Generator().manual_seed(0)
    for k in range(2):
        z = prior.sample(20000, component=k, generator=generator)
        assert z.mean() == pytest.approx(prior.mean[k].item(), abs=0.08)
        assert z.std() == pytest.approx(prior.std[k].item(), rel=0.03)
    assert prior.sample(20000, generator=generator).mean() == pytest.approx(1.0, abs=0.15)


def test_separation_by_hand():
    """Components at (0, 0), (3, 4) and (30, 0), of standard deviation 2 but for the last, of 4 on the first axis."""
    prior = Prior(3, 2)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([[0.0, 0], [3, 4], [30, 0]]))
        std = torch.tensor([[2.0, 2], [2, 2], [4, 2]])
        prior.raw_std.copy_((std - 1e-3).expm1().log())
    assert prior.separation() == pytest.approx(2.5, rel=1e-4)  # sqrt(3^2 + 4^2) / 2
    with torch.no_grad():
        prior.mean[2] = torch.tensor([3.0, 0])
    assert prior.separation() == pytest.approx(1.0, rel=1e-4)  # 3 in units of (2 + 4) / 2
