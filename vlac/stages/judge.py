"""Stage judge: the network that says which class a model's samples show."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from vlac.archive import write_archive
from vlac.data.split import Split
from vlac.evaluation.judge import Judge
from vlac.training.device import settle_device
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin

SEED = 0


def judge(job: Job, params: Any, origin: Origin) -> None:
    """Teach the judge the training labels, and write it with its accuracy on the test images."""
    train, test = (Split.load(Path(path)) for path in origin.inputs)
    torch.manual_seed(SEED)
    network = Judge(len(train.classes))
    network.learn(train.images, train.labels, settle_device(params.training.device, params.training.threads), SEED)
    accuracy = float(np.mean(network.classes(test.images) == test.labels))
    write_archive(job.output("judge.pt"), {"accuracy": accuracy, "weights": network.state_dict()})
