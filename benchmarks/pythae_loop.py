"""Pythae's own VAE and trainer around the one-rung network, as a user of pythae would train it.

Import it only where pythae is installed: `pip install -c constraints.txt -e ".[bench]"`.
"""

import contextlib
import io
import logging
import tempfile

import torch
from loops import Case, Epoch, built, in_nchw
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor

from vlac.models.ladder import Ladder, to_input


class Encoder(BaseEncoder):  # type: ignore[misc]
    """q(z given x) of a ladder's one rung, in pythae's form."""

    def __init__(self, ladder: Ladder) -> None:
        BaseEncoder.__init__(self)
        self.trunk, self.features, self.heads = ladder.trunk, ladder.features, ladder.heads
        self.encode = ladder.encode  # a function, so that the module tree does not hold the decoder too

    def forward(self, x: Tensor) -> ModelOutput:
        """Return mean and log-variance of z for images (B, 3, 32, 32)."""
        (posterior,) = self.encode(x).values()
        return ModelOutput(embedding=posterior.mean, log_covariance=2 * posterior.std.log())


class Decoder(BaseDecoder):  # type: ignore[misc]
    """p(x given z) of a ladder's one rung, in pythae's form."""

    def __init__(self, ladder: Ladder) -> None:
        BaseDecoder.__init__(self)
        self.climbs, self.render = ladder.climbs, ladder.render
        self.rung, self.decode = ladder.main_rung, ladder.decode

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the mean image, (B, 3, 32, 32)."""
        return ModelOutput(reconstruction=self.decode({self.rung: z}))


def as_pythae(ladder: Ladder) -> VAE:
    """Return pythae's VAE of a one-rung ladder without a mixture."""
    config = VAEConfig(input_dim=(3, 32, 32), latent_dim=ladder.spec.z[ladder.main_rung])
    return VAE(config, encoder=Encoder(ladder), decoder=Decoder(ladder))


def pythae(case: Case, model: VAE | None = None) -> Epoch:
    """Return pythae's epoch, with its defaults but for batch, learning rate and device, of the case's network.

    The copy of the best model that its `train` makes after each epoch is left out, in its favour.
    """
    training = case.method.params.training
    model = model or as_pythae(in_nchw(built(case.method)))
    data = BaseDataset(to_input(case.images).contiguous(), torch.zeros(len(case.images)))
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            per_device_train_batch_size=training.batch,
            learning_rate=training.lr,
            no_cuda=case.device.type != "cuda",
        )
        trainer = BaseTrainer(model, data, training_config=settings)
        trainer.prepare_training()  # makes the optimiser, and a folder that only `train` would fill
    logging.disable(logging.NOTSET)

    def epoch() -> None:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            trainer.train_step(1)

    return epoch
