"""The ladder: recognition model of Eqs. (4)-(8) and generative model of Eqs. (1)-(3), for VLAE, VLAC and GM-DGM."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.models.distributions import MIN_STD, Prior, gumbel_softmax
from vlac.models.networks import Block, Climb, Render, rung_features


@dataclass(frozen=True)
class Spec:
    """The shape of a ladder: enough to rebuild it beside a file of weights."""

    K: dict[int, int]  # clusters per active rung, by rung (1..L from the pixels); 1 = standard normal prior, no mixture
    z: dict[int, int]  # size of z_l per active rung
    channels: tuple[int, int, int]  # feature maps of trunk 1 to 3
    hidden: int  # width of the fully connected layers of rung 4
    likelihood: str  # "gaussian" or "laplace"
    scale: float  # standard deviation or Laplace scale of p(x given z), in pixel units of [0, 1]

    @property
    def rungs(self) -> tuple[int, ...]:
        """Active rungs, from the pixels upwards."""
        return tuple(sorted(self.K))

    @property
    def mixture_rungs(self) -> tuple[int, ...]:
        """Rungs whose prior is a mixture."""
        return tuple(rung for rung in self.rungs if self.K[rung] > 1)

    @property
    def main_rung(self) -> int:
        """The rung of the largest mixture, whose clusters are scored."""
        return max(self.rungs, key=lambda rung: self.K[rung])


@dataclass
class Posterior:
    """q(y_l, z_l given x) of one rung for a batch.

    Attributes:
        y: float (B, K): the one-hot or relaxed cluster that `mean` and `std` are conditioned on; None where K = 1.
        log_q: float (B, K), log q(y_l given x); None where K = 1.
        mean, std: float (B, d), the Gaussian q(z_l given x, y).
        mean_by_cluster, std_by_cluster: float (B, K, d), the same for every y_l = k; None where K = 1.
    """

    y: Tensor | None
    log_q: Tensor | None
    mean: Tensor
    std: Tensor
    mean_by_cluster: Tensor | None = None
    std_by_cluster: Tensor | None = None

    @property
    def q(self) -> Tensor | None:
        """Probabilities q(y_l given x), float (B, K); None where K = 1."""
        return None if self.log_q is None else self.log_q.exp()


class Head(nn.Module):
    """pi_l, mu_l and sigma_l of one rung (Eq. 8): linear in the rung's features h_l and in the rung's cluster y_l.

    `cluster`, where given, takes the place of the linear pi_l, and `Ladder.encode` is told what it says.
    """

    def __init__(self, features: int, K: int, d: int, cluster: nn.Module | None = None) -> None:
        super().__init__()
        self.gaussian = nn.Linear(features, 2 * d)
        self.cluster = cluster or (nn.Linear(features, K) if K > 1 else None)
        self.by_cluster = nn.Parameter(torch.zeros(K, 2 * d)) if K > 1 else None

    def log_q(self, features: Tensor) -> Tensor | None:
        """Return log q(y_l given x), float (B, K), from the features that pi_l reads, or None where K = 1."""
        return None if self.cluster is None else F.log_softmax(self.cluster(features).float(), -1)

    def forward(self, h: Tensor, y: Tensor | None, log_q: Tensor | None) -> Posterior:
        """Return the posterior for features h, float (B, F), and cluster y, float (B, K) or None."""
        raw = self.gaussian(h).float()
        if y is None or self.by_cluster is None:
            return Posterior(None, None, *_mean_and_std(raw))
        # A sum of products, because autocast would round a matrix product to bfloat16.
        mean, std = _mean_and_std(raw + (y[:, :, None] * self.by_cluster).sum(1))
        every = _mean_and_std(raw[:, None] + self.by_cluster)
        return Posterior(y, log_q, mean, std, *every)


def _mean_and_std(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Split raw outputs; standard deviations stay within 0.001 and 1.001, as in the VLAE's published code."""
    mean, std = raw.chunk(2, -1)
    return mean, std.sigmoid() + MIN_STD


class Ladder(nn.Module):
    """A ladder with the active rungs and mixtures of `spec`.

    All rungs with K_l = 1 is the VLAE; all rungs with some K_l > 1 is VLAC; one rung alone is the GM-DGM.

    Attributes:
        K, rungs, mixture_rungs, main_rung: those of the spec.
        priors: p(z_l given y_l) of each active rung, by the rung's number as text.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec, self.K, self.rungs = spec, spec.K, spec.rungs
        self.mixture_rungs, self.main_rung = spec.mixture_rungs, spec.main_rung
        top = max(spec.rungs)
        self.trunk, self.features, self.heads = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.priors, self.side, self.climbs = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for rung in range(1, top):
            self.trunk[str(rung)] = Block((3, *spec.channels)[rung - 1], spec.channels[rung - 1])
        for rung in spec.rungs:
            features, size = rung_features(rung, spec.channels, spec.hidden)
            self.features[str(rung)] = features
            self.heads[str(rung)] = self.make_head(rung, size)
            self.priors[str(rung)] = Prior(spec.K[rung], spec.z[rung])
            if spec.K[rung] > 1 and rung < top:
                self.side[str(rung)] = nn.Linear(spec.K[rung], spec.channels[rung - 1], bias=False)
        for rung in range(top, 0, -1):
            self.climbs[str(rung)] = Climb(rung, spec.z.get(rung), rung < top, spec.channels, spec.hidden)
        self.render = Render(spec.channels[0])
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def prior(self, rung: int) -> Prior:
        """Return p(z_l given y_l) of a rung."""
        prior = self.priors[str(rung)]
        assert isinstance(prior, Prior)
        return prior

    def head(self, rung: int) -> Head:
        """Return pi_l, mu_l and sigma_l of a rung."""
        head = self.heads[str(rung)]
        assert isinstance(head, Head)
        return head

    def make_head(self, rung: int, features: int) -> Head:
        """Return a new head for a rung of so many features; for a subclass to replace."""
        return Head(features, self.spec.K[rung], self.spec.z[rung])

    def encode(
        self,
        x: Tensor,
        temperature: float | None = None,
        generator: torch.Generator | None = None,
        log_q: Mapping[int, Tensor] | None = None,
    ) -> dict[int, Posterior]:
        """Return q(y, z given x) rung by rung, Eqs. (6)-(8).

        As in the VLAE's published code, h_l is computed from the trunk below rung l and the trunk goes on beside it;
        y_{l-1} is added to that trunk, so that h_l and everything above have seen it.

        Args:
            x: float (B, 3, 32, 32) in [0, 1].
            temperature: of the Gumbel-softmax samples of y; None takes the most probable cluster instead.
            generator: source of the Gumbel noise.
            log_q: log q(y_l given x), float (B, K_l), of rungs whose clusters come from elsewhere than h_l.
        """
        given, below = log_q or {}, x
        posteriors: dict[int, Posterior] = {}
        for rung in range(1, max(self.rungs) + 1):
            if rung in self.spec.K:
                h = self.features[str(rung)](below)
                own = given[rung] if rung in given else self.head(rung).log_q(h)
                y = None if own is None else _choose(own, temperature, generator)
                posteriors[rung] = self.head(rung)(h, y, own)
            if rung < max(self.rungs):
                below = self.trunk[str(rung)](below)
                if str(rung) in self.side:
                    # y_l enters g_{l+1} as a bias per feature map.
                    below = below + self.side[str(rung)](posteriors[rung].y)[:, :, None, None]
        return posteriors

    def decode(self, z: dict[int, Tensor]) -> Tensor:
        """Return the mean image, float (B, 3, 32, 32) in [0, 1], of latents z_l, float (B, d_l), Eqs. (1)-(3)."""
        above: Tensor | None = None
        for rung in range(max(self.rungs), 0, -1):
            above = self.climbs[str(rung)](z.get(rung), above)
        image: Tensor = self.render(above)
        return image


def _choose(log_q: Tensor, temperature: float | None, generator: torch.Generator | None) -> Tensor:
    if temperature is None:
        return F.one_hot(log_q.argmax(-1), log_q.shape[-1]).to(log_q.dtype)
    return gumbel_softmax(log_q, temperature, generator)


def to_input(images: Tensor) -> Tensor:
    """Return uint8 images (B, 32, 32, 3) as float (B, 3, 32, 32) in [0, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255)
