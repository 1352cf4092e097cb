"""How a ladder learns, in sentences for the table's notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlac.training.schedule import entries

if TYPE_CHECKING:
    from vlac.models.method import LadderMethod

Q_Y = {
    "head": "q(y given x) is a linear softmax network, q(z given x, y) depends on y, as in the paper.",
    "responsibilities": "q(y given x) is p(y given z) at the sampled z (not in the paper).",
    "distilled": "q(y given x) is a linear softmax network taught by p(y given z) at the sampled z (not in the paper).",
}
"""How q(y given x) is found, in a sentence, by `mixture.q_y`."""


def of_ladder(method: LadderMethod) -> list[str]:
    """Return how a ladder learns; the method need not be trained."""
    training, objective = method.params.training, method.params.objective
    mixture, likelihood = method.params.mixture, method.params.likelihood
    kl_z = {
        "enumerated": "KL of z_l summed exactly over the rung's own y_l (lower variance than the paper's sample)",
        "sampled": "KL of z_l at the sample of y_l, as the paper describes",
    }[objective.kl_z]
    above = ", ".join(map(str, method.params.network.y_above))
    weights = ", ".join(f"{weight:g}" for weight in objective.kl_z_weight)
    scale = {"gaussian": "Gaussian of standard deviation", "laplace": "Laplace of scale"}[likelihood.form]
    return [
        f"Training: {training.epochs} epochs in batches of {training.batch}. Adam, learning rate {training.lr:g} "
        f"({training.lr_prior:g} for means and variances of the mixtures). Scored: the weights after the last "
        "update.",
        f"Likelihood: {scale} {likelihood.scale:g} for every pixel and channel, pixels in [0, 1].",
        f"Objective, Eq. (9): expectations over y by Gumbel-softmax, temperature {objective.temperature_start:g} "
        f"to {objective.temperature_end:g} over the first {objective.temperature_until:.0%} of updates; {kl_z}. "
        f"Weights of the KL terms, after warm-up over {objective.fade} updates: {weights} for z_1 to "
        f"z_{len(objective.kl_z_weight)}, {objective.kl_y_weight:g} for every y_l; Eq. (9) has 1 throughout.",
        f"Clusters that the rung above sees: {f'y of rungs {above}' if above else 'none'} (Eq. 7: of all). "
        f"{_order(method)} {Q_Y[mixture.q_y]} {_components(method)}",
    ]


def _components(method: LadderMethod) -> str:
    """Return in a sentence what the components are and how they start."""
    mixture = method.params.mixture
    of = {"kmeans": "clusters of its codes", "directions": "clusters of its codes' directions"}
    how = f"Components of {mixture.covariance} covariance"
    for rung in sorted(method.K):
        by = mixture.start[rung - 1]
        found = "the clusters that its network names" if method.named_by_network(rung) else of.get(by)
        start = "at random" if by == "random" else f"from {found}, an epoch after it enters (not in the paper)"
        how += f"; those of rung {rung} start {start}"
    return f"{how}."


def _order(method: LadderMethod) -> str:
    """Return a sentence on the order in which the active rungs enter."""
    late = entries(method.params.objective, method.shape()[0])
    if not any(late.values()):
        return "All rungs learn from the start."
    order = ", ".join(f"{rung} after {late[rung]}" for rung in sorted(late, key=lambda rung: late[rung]))
    return f"Rungs enter one after the other, faded in: rung {order} epochs (not in the paper)."
