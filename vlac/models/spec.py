"""What a model is, apart from its weights: enough to build it again beside a file of weights."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from vlac.params.schema import GmDgm, L, Likelihood, Network, Vlac, VlacPlus


@dataclass(frozen=True)
class Spec:
    """The shape of a ladder.

    Attributes:
        K: clusters per active rung, by rung (1..L from the pixels); 1 = standard normal prior, no mixture.
        z: size of z_l per active rung.
        channels: feature maps of trunk 1 to 3.
        hidden: width of the fully connected layers of rung 4.
        likelihood: "gaussian" or "laplace".
        scale: standard deviation or Laplace scale of p(x given z), in pixel units of [0, 1].
        pretext: channels (three), hidden and size of the pretext network of VLAC+; None for the paper's models.
    """

    K: dict[int, int]
    z: dict[int, int]
    channels: tuple[int, int, int]
    hidden: int
    likelihood: str
    scale: float
    pretext: tuple[int, ...] | None = None

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

    def to_dict(self) -> dict[str, Any]:
        """Return plain types that `from_dict` takes back."""
        pretext = None if self.pretext is None else list(self.pretext)
        return asdict(self) | {"channels": list(self.channels), "pretext": pretext}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Spec":
        """Return the spec that `to_dict` wrote."""
        pretext = None if content["pretext"] is None else tuple(content["pretext"])
        return cls(**content | {"channels": tuple(content["channels"]), "pretext": pretext})


def vlae_spec(network: Network, likelihood: Likelihood) -> Spec:
    """Return the VLAE: every rung active, every K_l = 1 (Eqs. 1-5)."""
    return _spec(dict.fromkeys(range(1, L + 1), 1), dict(enumerate(network.z, start=1)), network, likelihood)


def model_spec(model: Vlac | GmDgm, rung: int, network: Network, likelihood: Likelihood) -> Spec:
    """Return a model of params.yaml built around `rung`."""
    build = vlac_spec if isinstance(model, Vlac) else gmdgm_spec
    return build(model, rung, network, likelihood)  # type: ignore[arg-type]


def vlac_spec(model: Vlac, rung: int, network: Network, likelihood: Likelihood) -> Spec:
    """Return VLAC with its largest mixture on `rung`: that entry of K changes places with the one it finds there."""
    K = list(model.K)
    K[model.main_rung - 1], K[rung - 1] = K[rung - 1], K[model.main_rung - 1]
    spec = _spec(dict(enumerate(K, start=1)), dict(enumerate(network.z, start=1)), network, likelihood)
    if isinstance(model, VlacPlus):
        settings = model.pretext
        return replace(spec, pretext=(*settings.channels, settings.hidden, settings.size))
    return spec


def gmdgm_spec(model: GmDgm, rung: int, network: Network, likelihood: Likelihood) -> Spec:
    """Return the equivalent GM-DGM: `rung` alone is active, so trunk, head and decoder are those that it needs."""
    return _spec({rung: model.K}, {rung: model.z}, network, likelihood)


def _spec(K: dict[int, int], z: dict[int, int], network: Network, likelihood: Likelihood) -> Spec:
    c1, c2, c3 = network.channels
    return Spec(K, z, (c1, c2, c3), network.hidden, likelihood.form, likelihood.scale)
