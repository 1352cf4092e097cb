"""The shipped training loop, called as a training stage calls it."""

from pathlib import Path

from cases import Block, Case

from vlac.models.ladder import Ladder
from vlac.params.schema import Objective, Training
from vlac.training import Trainer

TEMPERATURE = 0.5


def shipped(case: Case, seed: int = 0) -> tuple[Block, Ladder]:
    """Return the shipped loop, and its network.

    A block is an epoch with its bookkeeping, but of few steps: a real training spreads that over more. No checkpoint
    is written.
    """
    trainer = _trainer(case, seed)
    epochs = trainer.epochs(checkpoint_seconds=float("inf"))
    return lambda: next(epochs), trainer.model


def operator_by_operator(case: Case) -> tuple[Block, Ladder]:
    """Return the same updates as single operators, and their network.

    That is what the shipped loop does on a CPU. On CUDA it replays a graph, in which no operator can be counted.
    """
    trainer = _trainer(case, 0)

    def block() -> None:
        trainer.step.begin(0)
        for _ in range(trainer.step.count):
            trainer.step()
        trainer.step.record.row()

    return block, trainer.model


def _trainer(case: Case, seed: int) -> Trainer:
    machine = {"precision": "auto", "device": case.device.type, "threads": case.threads, "at_once": 1}
    schedule = {"epochs": 1_000_000, "batch": case.batch, "lr": case.lr, "lr_prior": case.lr}
    # Neither weights nor warm-ups nor annealing: the objective of the plain loop.
    weights = {"kl_z_weight": [1.0] * 4, "kl_y_weight": 1.0, "kl_z_warmup": 0.0, "kl_y_warmup": 0.0}
    temperature = {"temperature_start": TEMPERATURE, "temperature_end": TEMPERATURE, "temperature_until": 0.0}
    objective = Objective.model_validate({"kl_z": case.kl_z} | weights | temperature)
    training = Training.model_validate(schedule | machine)
    return Trainer(case.spec, case.images, training, objective, seed, Path("unused"), {})
