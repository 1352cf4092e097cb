"""Many clusters joined to few, by the normalised cut of Shi and Malik (2000)."""

import numpy as np

STARTS = 30
"""Local searches, of which the best counts."""


def join(ties: np.ndarray, K: int, seed: int) -> np.ndarray:
    """Return which of K groups each of n clusters belongs to, int64 (n,).

    It maximises the normalised association, summed over the groups: the share of a group's ties that stay within it.
    Unlike mutual information this does not ask for groups of equal size.

    Args:
        ties: float (n, n), symmetric: how often images of two clusters are neighbours.
        K: of the groups, at most n.
        seed: of the starts, from each of which single clusters change their group as long as that helps.
    """
    generator = np.random.default_rng(seed)
    found = [_search(ties, generator.permutation(np.arange(len(ties)) % K), K, generator) for _ in range(STARTS)]
    return max(found, key=lambda groups: association(ties, groups, K))


def association(ties: np.ndarray, groups: np.ndarray, K: int) -> float:
    """Return the normalised association of a grouping, at most K."""
    member = np.eye(K)[groups]
    of_groups = member.T @ ties @ member
    return float((of_groups.diagonal() / of_groups.sum(1).clip(1e-12)).sum())


def _search(ties: np.ndarray, groups: np.ndarray, K: int, generator: np.random.Generator) -> np.ndarray:
    """Return a grouping that no change of a single cluster betters."""
    best, moved = association(ties, groups, K), True
    while moved:
        moved = False
        for cluster in generator.permutation(len(ties)):
            others = np.repeat(groups[None], K, 0)
            others[:, cluster] = np.arange(K)
            values = [association(ties, other, K) for other in others]
            if max(values) > best + 1e-9:
                best, groups, moved = max(values), others[int(np.argmax(values))], True
    return groups
