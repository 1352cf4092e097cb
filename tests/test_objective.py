"""The bound of Eq. (9) against the VLAE's bound, written out from Eqs. (1) to (5)."""

import math

import pytest
import torch
from tiny import MIXED, PLAIN, bound_of, lively_ladder, tiny_input, tiny_spec
from torch.distributions import Categorical, Normal, kl_divergence

from vlac.models import ladder


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def vlae_elbo(model, x, noise):
    """The VLAE's bound, Eqs. (1)-(5), from the sub-networks of a ladder and one N(0, I) draw per rung."""
    below, above, kl, z = x, None, 0, {}
    for rung in ("1", "2", "3", "4"):
        # A rung's features are flattened from the strided trunk; the VLAE's have convolutions of their own.
        seen = below if model.spec.form == "vlae" else model.trunk[rung](below)
        mean, raw = model.heads[rung].gaussian(model.features[rung](seen)).chunk(2, -1)
        std = torch.sigmoid(raw) + 1e-3
        z[rung] = mean + std * noise.pop(0)
        kl = kl + kl_divergence(Normal(mean, std), Normal(0.0, 1.0)).sum(-1)
        below = model.trunk[rung](below) if rung != "4" else None
    for rung in ("4", "3", "2", "1"):
        above = model.climbs[rung](z[rung], above)
    return Normal(model.render(above), model.spec.scale).log_prob(x).sum((1, 2, 3)) - kl


@pytest.mark.parametrize(("kl_z", "form"), [("sampled", "vlae"), ("enumerated", "vlae"), ("enumerated", "strided")])
def test_with_every_k_at_one_the_bound_and_its_gradient_are_the_vlae_s(kl_z, form):
    model = lively_ladder(tiny_spec(PLAIN, form=form, q_y="responsibilities")).train()
    x, source = tiny_input(6), generator()
    noise = [torch.randn(6, 2, generator=source) for _ in range(4)]
    truth = vlae_elbo(model, x, noise)
    ours = bound_of(model, x, 0.5, kl_z, generator())
    assert ours.kl_y == {}
    assert [len(ours.kl_z), min(term.min().item() for term in ours.kl_z.values()) > 0] == [4, True]
    torch.testing.assert_close(ours.elbo, truth)
    gradients = [torch.autograd.grad(elbo.sum(), list(model.parameters())) for elbo in (ours.elbo, truth)]
    for name, one, other in zip(dict(model.named_parameters()), *gradients, strict=True):
        assert one.abs().sum() > 0, name
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-2, msg=name)


@pytest.mark.parametrize("kl_z", ["sampled", "enumerated"])
def test_vlac_without_a_difference_between_its_clusters_is_the_vlae_and_kl_y(kl_z, monkeypatch):
    vlae, vlac = lively_ladder(tiny_spec(PLAIN)), lively_ladder(tiny_spec(MIXED))
    missing, unexpected = vlac.load_state_dict(vlae.state_dict() | vlac.priors.state_dict(prefix="priors."), False)
    assert unexpected == []
    assert {name.split(".")[0] for name in missing} == {"heads", "side"}
    with torch.no_grad():
        for rung in (2, 3):
            vlac.heads[str(rung)].by_cluster.zero_()
            vlac.side[str(rung)].weight.zero_()
            vlac.prior(rung).mean.zero_()
            vlac.prior(rung).raw_scale.fill_(math.log(math.expm1(1 - 1e-3)))
    # Gumbel noise of its own, so that both models draw equal noise for z.
    monkeypatch.setattr(ladder, "gumbel_softmax", lambda log_q, t, _, draw=ladder.gumbel_softmax: draw(log_q, t))
    x = tiny_input(6)
    plain, mixed = bound_of(vlae, x, 0.5, kl_z, generator()), bound_of(vlac, x, 0.5, kl_z, generator())
    torch.testing.assert_close(mixed.log_likelihood, plain.log_likelihood)
    for rung in (1, 2, 3, 4):
        torch.testing.assert_close(mixed.kl_z[rung], plain.kl_z[rung])
    kl_y = sum(math.log(vlac.K[rung]) - Categorical(logits=mixed.posteriors[rung].log_q).entropy() for rung in (2, 3))
    assert kl_y.min() > 0.01
    torch.testing.assert_close(plain.elbo - mixed.elbo, kl_y, atol=1e-3, rtol=0)


def test_weights_scale_the_terms_that_they_name():
    terms = bound_of(lively_ladder(tiny_spec(MIXED)), tiny_input(3), 0.5, "sampled", generator())
    expected = terms.log_likelihood - 2 * terms.kl_z[2] - 0.5 * terms.kl_z[4] - 3 * (terms.kl_y[2] + terms.kl_y[3])
    torch.testing.assert_close(terms.weighted({1: 0.0, 2: 2.0, 3: 0.0, 4: 0.5}, {2: 3.0, 3: 3.0}), expected)
    torch.testing.assert_close(terms.weighted(*[dict.fromkeys(PLAIN, 1.0)] * 2), terms.elbo)
