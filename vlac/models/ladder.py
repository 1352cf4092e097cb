"""The ladder: recognition model of Eqs. (4)-(8) and generative model of Eqs. (1)-(3), for VLAE, VLAC and GM-DGM."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vlac.models.distributions import MIN_STD, Prior, gumbel_softmax
from vlac.models.networks import FORMS
from vlac.models.networks.layers import Scalar, left_out

PART = 500
"""Images that are encoded at a time."""


@dataclass(frozen=True)
class Spec:
    """The shape of a ladder: enough to rebuild it beside a file of weights."""

    K: dict[int, int]  # clusters per active rung, by rung (1..L from the pixels); 1 = standard normal prior, no mixture
    z: dict[int, int]  # size of z_l per active rung
    channels: tuple[int, int, int]  # feature maps of trunk 1 to 3
    hidden: int  # width of the fully connected layers of rung 4
    likelihood: str  # "gaussian" or "laplace"
    scale: float  # standard deviation or Laplace scale of p(x given z), in pixel units of [0, 1]
    y_above: tuple[int, ...]  # rungs whose y_l is an input of g_{l+1}; the paper's are all (Eq. 7)
    form: str  # of the sub-networks: a key of `networks.FORMS`
    covariance: str  # of p(z_l given y_l): "full" or "diagonal"
    q_y: str  # how q(y_l given x) is found: "head", "responsibilities" or "distilled"
    side: int = field(default=32, kw_only=True)  # height and width of the images: 32, or in form "strided" 64

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
        z: float (B, d), a sample of it; the mean where nothing is sampled.
        kl: float (B, K), KL(q(z_l given x, y) || p(z_l given y_l)) for every y_l = k; (B, 1) where K = 1. In closed
            form where q(y_l given x) comes from a head, else estimated at `z`.
        log_pi: float (B, K), what the network pi_l says while it is taught (`distilled`); else None.
    """

    y: Tensor | None
    log_q: Tensor | None
    mean: Tensor
    std: Tensor
    z: Tensor
    kl: Tensor
    log_pi: Tensor | None = None

    @property
    def q(self) -> Tensor | None:
        """Probabilities q(y_l given x), float (B, K); None where K = 1."""
        return None if self.log_q is None else self.log_q.exp()


class Head(nn.Module):
    """mu_l and sigma_l of one rung (Eq. 8), linear in its features h_l and, if asked, in its cluster y_l; and pi_l.

    Args:
        cluster: pi_l, a network from features to K numbers; None where q(y_l given x) needs none.
        z_given_y: whether mu_l and sigma_l depend on y_l.
    """

    def __init__(self, features: int, K: int, d: int, cluster: nn.Module | None, z_given_y: bool) -> None:
        super().__init__()
        self.gaussian = nn.Linear(features, 2 * d)
        self.cluster = cluster
        self.by_cluster = nn.Parameter(torch.zeros(K, 2 * d)) if z_given_y else None

    def log_pi(self, features: Tensor) -> Tensor:
        """Return log pi_l(x), float (B, K), from the features that pi_l reads."""
        assert self.cluster is not None
        return F.log_softmax(self.cluster(features).float(), -1)

    def each(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation for every y_l = k, float (B, K, d), or (B, d) where y_l is not read."""
        return _mean_and_std(raw if self.by_cluster is None else raw[:, None] + self.by_cluster)

    def at(self, raw: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation, float (B, d), at a cluster y, float (B, K)."""
        if self.by_cluster is None or y is None:
            return _mean_and_std(raw)
        # A sum of products, because autocast would round a matrix product to bfloat16.
        return _mean_and_std(raw + (y[:, :, None] * self.by_cluster).sum(1))


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
        top, networks = max(spec.rungs), FORMS[spec.form](spec.channels, spec.hidden, spec.side)
        self.beside_trunk = networks.beside_trunk
        self.trunk, self.features, self.heads = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        self.priors, self.side, self.climbs = nn.ModuleDict(), nn.ModuleDict(), nn.ModuleDict()
        for rung in range(1, top if self.beside_trunk else top + 1):
            self.trunk[str(rung)] = networks.trunk(rung)
        for rung in spec.rungs:
            features, size = networks.features(rung)
            self.features[str(rung)] = features
            self.heads[str(rung)] = self.make_head(rung, size)
            self.priors[str(rung)] = Prior(spec.K[rung], spec.z[rung], spec.covariance)
            if spec.K[rung] > 1 and rung < top and rung in spec.y_above:
                self.side[str(rung)] = nn.Linear(spec.K[rung], spec.channels[rung - 1], bias=False)
        climbs, self.render = networks.decoder(spec.z)
        self.climbs.update({str(rung): climb for rung, climb in climbs.items()})
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
        K, q_y = self.spec.K[rung], self.spec.q_y
        cluster = nn.Linear(features, K) if K > 1 and q_y != "responsibilities" else None
        return Head(features, K, self.spec.z[rung], cluster, z_given_y=K > 1 and q_y == "head")

    def clusters_by_mixture(self, rung: int) -> bool:
        """Return whether q(y_l given x) of a rung is read off its mixture, and not said by a network in training."""
        return self.spec.q_y != "head"

    def encode(
        self,
        x: Tensor,
        temperature: Scalar | None = None,
        generator: torch.Generator | None = None,
        log_q: Mapping[int, Tensor] | None = None,
        fade: Mapping[int, Scalar] | None = None,
    ) -> dict[int, Posterior]:
        """Return q(y, z given x) rung by rung, Eqs. (6)-(8).

        y_{l-1}, if it is one of `y_above`, is added to the trunk: h_l and everything above have seen it. As in the
        VLAE's published code, networks of form `vlae` compute h_l beside the trunk, from the trunk below rung l.

        Args:
            x: float (B, 3, H, H) in [0, 1], H the spec's side.
            temperature: of the Gumbel-softmax samples of y; None samples nothing: the most probable cluster, and the
                mean of z.
            generator: source of the noise of y and z.
            log_q: log q(y_l given x), float (B, K_l), of rungs whose clusters come from elsewhere than h_l.
            fade: how far each rung has entered, 0 to 1; a rung at 0 is left out. None: all have.
        """
        given, below = log_q or {}, x
        posteriors: dict[int, Posterior] = {}
        for rung in range(1, max(self.rungs) + 1):
            name = str(rung)
            entered: Scalar = 1.0 if fade is None else fade.get(rung, 1.0)
            own = self.trunk[name](below) if name in self.trunk else below
            if rung in self.spec.K and not left_out(entered):
                h = self.features[name](below if self.beside_trunk else own)
                posteriors[rung] = self._posterior(rung, h, given.get(rung), temperature, generator)
                if name in self.side:
                    # y_l enters g_{l+1} as a bias per feature map.
                    own = own + entered * self.side[name](posteriors[rung].y)[:, :, None, None]
            below = own
        return posteriors

    def _posterior(
        self, rung: int, h: Tensor, log_q: Tensor | None, temperature: Scalar | None, generator: torch.Generator | None
    ) -> Posterior:
        """Return q(y_l, z_l given x) from h_l, float (B, F); `log_q` as for `encode`."""
        head, prior, sampled = self.head(rung), self.prior(rung), temperature is not None
        raw = head.gaussian(h).float()
        if self.K[rung] == 1:
            mean, std = head.at(raw, None)
            return Posterior(None, None, mean, std, _sample(mean, std, sampled, generator), prior.kl(mean, std))
        # A network that is taught changes nothing but itself.
        seen = h if self.spec.q_y == "head" else h.detach()
        log_pi = None if head.cluster is None or log_q is not None else head.log_pi(seen)
        if log_q is not None or self.spec.q_y == "head":
            log_q = log_pi if log_q is None else log_q
            assert log_q is not None
            y = _choose(log_q, temperature, generator)
            mean, std = head.at(raw, y)
            return Posterior(y, log_q, mean, std, _sample(mean, std, sampled, generator), prior.kl(*head.each(raw)))
        mean, std = head.at(raw, None)
        z = _sample(mean, std, sampled, generator)
        kl = prior.kl_at(z, std)
        # p(y_l given z_l), because p(y_l) is uniform. Once taught, a network pi_l stands on its own, as in the paper.
        log_q = F.log_softmax(-kl, -1) if log_pi is None or self.training else log_pi
        return Posterior(_choose(log_q, temperature, generator), log_q, mean, std, z, kl, log_pi)

    def decode(self, z: Mapping[int, Tensor], fade: Mapping[int, Scalar] | None = None) -> Tensor:
        """Return the mean image, float (B, 3, H, H) in [0, 1], of latents z_l, float (B, d_l), Eqs. (1)-(3).

        `fade` as for `encode`; a rung at 0 needs no z_l.
        """
        above: Tensor | None = None
        like = next(iter(z.values()))
        for rung in range(max(self.rungs), 0, -1):
            own = z.get(rung)
            if own is None and rung in self.spec.z:
                own = like.new_zeros(len(like), self.spec.z[rung])
            above = self.climbs[str(rung)](own, above, 1.0 if fade is None else fade.get(rung, 1.0))
        image: Tensor = self.render(above)
        return image


def _choose(log_q: Tensor, temperature: Scalar | None, generator: torch.Generator | None) -> Tensor:
    if temperature is None:
        return F.one_hot(log_q.argmax(-1), log_q.shape[-1]).to(log_q.dtype)
    return gumbel_softmax(log_q, temperature, generator)


def _sample(mean: Tensor, std: Tensor, sampled: bool, generator: torch.Generator | None) -> Tensor:
    return mean + std * torch.empty_like(mean).normal_(generator=generator) if sampled else mean


def to_input(images: Tensor) -> Tensor:
    """Return uint8 images (B, H, W, 3) as float (B, 3, H, W) in [0, 1], channels last in memory."""
    return images.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def to_inputs(images: Tensor, device: torch.device | None = None) -> Iterator[Tensor]:
    """Yield N images as `to_input` returns them, a part at a time, on a device, or where they are."""
    for part in images.split(PART):
        yield to_input(part.to(device))
