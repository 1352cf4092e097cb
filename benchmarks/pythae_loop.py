"""Pythae's own VAE and trainer on the one-rung model's encoder and decoder, as a user of pythae would train them.

Import it only where pythae is installed: `pip install pythae`.
"""

import contextlib
import io
import logging
import tempfile
from importlib.metadata import version

import torch
from cases import Block, Case
from plain_loop import nchw_ladder
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor

from vlac.models.ladder import Ladder, to_input

VERSION = version("pythae")


class Encoder(BaseEncoder):  # type: ignore[misc]
    """q(z given x) of a ladder's one rung, in pythae's form."""

    def __init__(self, ladder: Ladder) -> None:
        BaseEncoder.__init__(self)
        self.trunk, self.features, self.heads = ladder.trunk, ladder.features, ladder.heads
        # Kept out of the module tree, which would hold the decoder twice.
        self.encode = ladder.encode

    def forward(self, x: Tensor) -> ModelOutput:
        """Return mean and log-variance of z for images (B, 3, 32, 32)."""
        (posterior,) = self.encode(x).values()
        return ModelOutput(embedding=posterior.mean, log_covariance=2 * posterior.std.log())


class Decoder(BaseDecoder):  # type: ignore[misc]
    """p(x given z) of a ladder's one rung, in pythae's form."""

    def __init__(self, ladder: Ladder) -> None:
        BaseDecoder.__init__(self)
        self.climbs, self.render = ladder.climbs, ladder.render
        self.rung = ladder.main_rung
        self.decode = ladder.decode

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the mean image, (B, 3, 32, 32)."""
        return ModelOutput(reconstruction=self.decode({self.rung: z}))


def pythae(case: Case) -> Block:
    """Return pythae's epoch on the case's one-rung network, with its defaults but for batch, learning rate and device.

    Raises:
        ValueError: the network has more than one rung or a mixture.
    """
    (rung,) = case.spec.rungs
    if case.spec.mixture_rungs:
        raise ValueError("pythae's VAE has a standard normal prior")
    logging.disable(logging.INFO)
    torch.manual_seed(0)
    ladder = nchw_ladder(case.spec)
    config = VAEConfig(input_dim=(3, 32, 32), latent_dim=case.spec.z[rung])
    model = VAE(config, encoder=Encoder(ladder), decoder=Decoder(ladder))
    data = BaseDataset(to_input(case.images).contiguous(), torch.zeros(len(case.images)))
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=case.batch,
            learning_rate=case.lr,
            no_cuda=case.device.type != "cuda",
        )
        trainer = BaseTrainer(model, data, training_config=settings)
        # Makes the optimiser and an output folder, which `train` would fill at its end.
        trainer.prepare_training()

    def block() -> None:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            trainer.train_step(1)

    return block
