"""The unit of work, "Table 1 on SVHN": every model of the table, ten seeds each, for the epochs of a preset.

A preset's numbers stand here a second time, because a machine that only trains may lack a reader of YAML;
tests/test_benchmarks.py holds them against the files.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from cases import Case, Clock

from vlac.models.spec import Spec, gmdgm_spec, vlac_spec, vlae_spec
from vlac.params.schema import GmDgm, Likelihood, Network, Vlac

SVHN_IMAGES = 73_257
SEEDS = 10
RUNG = 3
ONE_RUNG = "VAE, rung 3 alone"

MAIN = "VLAC, K = (1, 1, 50, 1)"
"""The model of the unit that stands for all where one is enough."""


@dataclass(frozen=True)
class Preset:
    """What a preset's speed depends on; names are those of its file."""

    channels: tuple[int, int, int]
    hidden: int
    z: tuple[int, int, int, int]
    gmdgm_z: int
    scale: float
    kl_z: str
    epochs: int
    batch: int
    lr: float

    @property
    def network(self) -> Network:
        """The preset's section `network`."""
        return Network(channels=list(self.channels), hidden=self.hidden, z=list(self.z))


PRESETS = {
    "svhn_small": Preset((16, 32, 64), 128, (6, 4, 10, 2), 10, 0.1, "enumerated", epochs=5, batch=64, lr=2e-3),
    "svhn_paper": Preset((64, 128, 256), 1024, (5, 5, 5, 10), 5, 0.15, "sampled", epochs=100, batch=100, lr=2e-4),
}


def table_models(preset: Preset) -> dict[str, Spec]:
    """Return the four models of the unit: the VLAE of the probe, both VLACs and the GM-DGM."""
    network, likelihood = preset.network, Likelihood(form="gaussian", scale=preset.scale)
    vlac = [Vlac(kind="vlac", K=[1, 1, 50, 1]), Vlac(kind="vlac", K=[1, 5, 50, 1])]
    ladders = {f"VLAC, K = ({', '.join(map(str, m.K))})": vlac_spec(m, RUNG, network, likelihood) for m in vlac}
    gmdgm = gmdgm_spec(GmDgm(kind="gmdgm", K=50, z=preset.gmdgm_z), RUNG, network, likelihood)
    return {"VLAE": vlae_spec(network, likelihood)} | ladders | {"GM-DGM, K = 50": gmdgm}


def one_rung_vae(preset: Preset) -> Spec:
    """Return the plain VAE with the GM-DGM's encoder and decoder, of unit scale as pythae's squared error has it."""
    return Spec({RUNG: 1}, {RUNG: preset.gmdgm_z}, preset.channels, preset.hidden, "gaussian", scale=1.0)


def noise_case(
    preset: Preset, spec: Spec, steps: int, threads: int, device: torch.device, clock: Clock = time.perf_counter
) -> Case:
    """Return a training of so many steps a block, on images of noise: their content changes no time."""
    images = torch.randint(256, (steps * preset.batch, 32, 32, 3), dtype=torch.uint8)
    return Case(spec, images, preset.batch, preset.lr, preset.kl_z, threads, device, clock)


def unit_seconds(rates: Mapping[str, float], epochs: int) -> float:
    """Return the seconds of one unit, its trainings one after the other, from each model's images per second."""
    return sum(SEEDS * SVHN_IMAGES * epochs / rate for rate in rates.values())
