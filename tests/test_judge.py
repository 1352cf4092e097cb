"""The judge of samples: it learns labels, and is the same each time."""

import numpy as np
import torch
from tiny import tiny_images

from vlac.evaluation.judge import Judge


def taught(images, labels):
    torch.manual_seed(0)
    judge = Judge(2)
    judge.learn(images, labels, torch.device("cpu"))
    return judge


def test_the_judge_tells_classes_apart():
    images = tiny_images(600, seed=0)
    labels = np.arange(600) % 2
    images[labels == 1, :, 16:] = 255 - images[labels == 1, :, 16:]
    images[labels == 1, 8:24, 8:24] = 0
    judge = taught(images[:400], labels[:400])
    said = judge.classes(images[400:])
    assert said.dtype == np.int64
    assert np.mean(said == labels[400:]) > 0.95
    again = taught(images[:400], labels[:400])
    assert all(torch.equal(a, b) for a, b in zip(judge.state_dict().values(), again.state_dict().values(), strict=True))
