"""How a rung's mixture starts: from clusters of the codes that the rung has learnt so far."""

import numpy as np
import torch
from torch import Tensor

from vlac.models.ladder import Ladder, to_input
from vlac.models.networks.layers import Scalar

IMAGES = 10_000
"""Most images whose codes start a mixture."""

ROWS = 500
"""Images that are encoded at a time for it."""


@torch.no_grad()
def start_mixture(model: Ladder, rung: int, images: Tensor, fade: dict[int, Scalar], by: str, seed: int) -> None:
    """Set a rung's components to the means and covariances of clusters of its codes.

    A network that names the clusters has named them already: then they are its own.

    Args:
        images: uint8 (N, H, H, 3), on the device.
        by: "kmeans", of the codes; or "directions", of their directions from the mean, where a direction and its
            opposite are one.
        seed: other seeds start from other clusters.
    """
    chosen = images[:IMAGES]
    parts = chosen.chunk(-(-len(chosen) // ROWS))  # of even sizes, because batch normalisation needs two images
    posteriors = [model.encode(to_input(part), fade=fade)[rung] for part in parts]
    mean, std, y = (torch.cat([getattr(each, name) for each in posteriors]) for name in ("mean", "std", "y"))
    codes, noise = mean.double().cpu().numpy(), np.diag(std.square().mean(0).double().cpu().numpy())
    if model.clusters_by_mixture(rung):
        named = clusters(directions(codes, noise) if by == "directions" else codes, model.K[rung], seed)
    else:
        named = y.argmax(-1).cpu().numpy()
    means, covariances = moments(codes, named, model.K[rung])
    model.prior(rung).start(torch.from_numpy(means), torch.from_numpy(covariances + noise))


def clusters(points: np.ndarray, K: int, seed: int) -> np.ndarray:
    """Return the cluster, int (N,), of each of N points by k-means."""
    from scipy.cluster.vq import kmeans2  # these imports cost a second each, and not every training needs them
    from sklearn.cluster import kmeans_plusplus  # scipy's own takes a minute for 200 clusters

    first, _ = kmeans_plusplus(points, min(K, len(points)), random_state=seed)
    return np.asarray(kmeans2(points, first, iter=20, minit="matrix")[1])


def directions(codes: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return u u^T of the whitened codes' directions u, its upper half as float (N, d (d + 1) / 2).

    A picture and its negative have opposite codes where the decoder is linear; here they are one point. The squared
    distance of two points is 2 - 2 cos^2 of the angle, as in the diametrical clustering of Dhillon et al. (2003).
    `noise`, (d, d): the covariance of q(z given x), so that an axis on which codes hardly differ stays short.
    """
    centred = codes - codes.mean(0)
    whitened = centred @ np.linalg.cholesky(np.linalg.inv(np.cov(centred.T) + noise))
    u = whitened / np.linalg.norm(whitened, axis=1, keepdims=True).clip(1e-12)
    row, column = np.triu_indices(codes.shape[1])
    return np.asarray(u[:, row] * u[:, column] * np.where(row == column, 1, np.sqrt(2)))


def moments(codes: np.ndarray, y: np.ndarray, K: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean, (K, d), and the covariance, (K, d, d), of each cluster.

    The covariance counts d codes of the average cluster in, so that a small or empty cluster has one too.
    """
    d = codes.shape[1]
    means = np.stack([codes[y == k].mean(0) if (y == k).any() else codes.mean(0) for k in range(K)])
    left = codes - means[y]
    average = left.T @ left / len(left)
    covariances = [(left[y == k].T @ left[y == k] + d * average) / ((y == k).sum() + d) for k in range(K)]
    return means, np.stack(covariances)
