"""Mutual information between the clusters of two images that ought to share one."""

import torch
from torch import Tensor


def mutual_information(log_q: Tensor, log_q_other: Tensor) -> Tensor:
    """Return I(y; y') in nats, a scalar, for clusters of B pairs of images.

    The joint distribution is the mean of q(y given x) q(y' given x') over the pairs, made symmetric, as in Invariant
    Information Clustering (Ji et al., 2019). It is largest, log K, when both images of every pair are surely in the
    same cluster and the clusters are used evenly.

    Args:
        log_q, log_q_other: float (B, K), log-probabilities of the first and of the second image of each pair.
    """
    joint = log_q.exp().T @ log_q_other.exp() / len(log_q)
    joint = ((joint + joint.T) / 2).clamp_min(torch.finfo(joint.dtype).tiny)
    marginal = joint.sum(1)
    return (joint * (joint.log() - marginal.log()[:, None] - marginal.log())).sum()
