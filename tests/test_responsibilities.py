"""q(y given x) from the mixture itself: its closed form, by enumeration, and the network that is taught by it."""

import torch
from tiny import MIXED, bound_of, lively_ladder, tiny_input, tiny_spec
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from vlac.models.objective import Bound

SPEC = tiny_spec(MIXED, q_y="responsibilities", form="strided")


@torch.no_grad()
def test_the_divergences_add_up_to_that_from_the_mixture_at_the_sampled_z():
    """log q(z given x) - log p(z), with p(z) = sum over k of p(z given k) / K, and the entropy of q in closed form."""
    model = lively_ladder(SPEC)
    terms = bound_of(model, tiny_input(6), 0.5, "enumerated", torch.Generator().manual_seed(0))
    for rung in (2, 3):
        posterior, prior, K = terms.posteriors[rung], model.prior(rung), MIXED[rung]
        components = Independent(Normal(prior.mean, prior.scale), 1)
        mixture = MixtureSameFamily(Categorical(torch.ones(K)), components)
        entropy = Normal(posterior.mean, posterior.std).entropy().sum(-1)
        torch.testing.assert_close(terms.kl_z[rung] + terms.kl_y[rung], -entropy - mixture.log_prob(posterior.z))
        joint = components.log_prob(posterior.z[:, None])
        torch.testing.assert_close(posterior.log_q, joint.log_softmax(-1))  # p(y given z), by Bayes and enumeration


def test_a_distilled_network_learns_the_responsibilities_and_nothing_else_moves():
    """Taught at many samples of z, pi(x) approaches the mean of p(y given z) over q(z given x)."""
    model = lively_ladder(tiny_spec({3: 3}, q_y="distilled", covariance="full")).train()
    x, generator = tiny_input(8), torch.Generator().manual_seed(0)
    network = list(model.head(3).cluster.parameters())
    optimiser = torch.optim.Adam(network, lr=0.1)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total_iters=300)

    def posterior():
        return model.encode(x.repeat(32, 1, 1, 1), 0.5, generator)

    def distillation():
        return Bound(torch.zeros(256), {}, {}, posterior()).distillation()

    gradients = torch.autograd.grad(distillation().sum(), list(model.parameters()), allow_unused=True)
    moved = {name for (name, _), each in zip(model.named_parameters(), gradients, strict=True) if each is not None}
    assert moved == {"heads.3.cluster.weight", "heads.3.cluster.bias"}
    with torch.no_grad():
        truth = torch.stack([posterior()[3].q for _ in range(60)]).reshape(-1, 8, 3).mean(0)
    away = (posterior()[3].log_pi[:8].exp() - truth).abs().max()
    for _ in range(300):
        loss = distillation().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    taught = posterior()[3].log_pi[:8].exp()
    assert (taught - truth).abs().max() < min(0.03, away / 5)
    with torch.no_grad():
        on_its_own = model.eval().encode(x)[3]  # once taught, it answers without the mixture
        torch.testing.assert_close(on_its_own.log_q, on_its_own.log_pi)
