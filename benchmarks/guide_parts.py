"""What each part of VLAC+'s guide costs and brings, from nothing: seconds, and ACC on the test images.

    VLAC_DATA=FOLDER python benchmarks/guide_parts.py          prints a Markdown table; 20 minutes of one core on SVHN

ACC is Eq. (10) by the mapping from the labels of the training images. Finding it costs no seconds, imports neither.
"""

import argparse
import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from torch import nn
from training_speed import preset

from vlac.data.split import joined
from vlac.datasets import datasets
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.methods.vlac_plus.learn import GuideTrainer
from vlac.models.ladder import to_input
from vlac.reporting.markdown import aligned, number, paragraph
from vlac.training.device import keep_freed_memory, settle


def main() -> None:
    """Read the options, learn the guide of the preset's first VLAC+, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="svhn_small")
    options = parser.parse_args()
    params = preset(options.preset, "cpu")
    if os.path.isdir(path := os.environ.get("VLAC_DATA", "")):
        os.environ["VLAC_DATA"] = os.path.abspath(path)
    settings: Any = next(model for model in params.models.values() if model.kind == "vlac_plus")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        dataset = datasets()[params.data.source](params.data, Path("raw"))
        files = dataset.fetch()
        train, test = (joined([dataset.read(f) for f in files if (f.split == "test") == of]) for of in (False, True))
        keep_freed_memory()  # as a training stage does
        device = settle(params.training)
        rows: list[list[str]] = []
        clock = [time.perf_counter(), time.process_time()]

        @torch.no_grad()
        def clusters(network: Any, images: np.ndarray) -> np.ndarray:
            parts = map(to_input, torch.from_numpy(images).split(500))
            if hasattr(network, "look"):  # a student
                return torch.cat([network.look(x)[0].argmax(1) for x in parts]).numpy()
            return torch.cat([network.clusters(network.features(x)).argmax(1) for x in parts]).numpy()

        class Watched(GuideTrainer):
            def _train(self, name: str, network: nn.Module, *rest: Any) -> None:
                super()._train(name, network, *rest)
                now = time.perf_counter(), time.process_time()
                acc = ""
                if name != "pretext":
                    y_train, y_test = (clusters(network.eval(), split.images) for split in (train, test))
                    mapping = majority_mapping(y_train, train.labels, settings.students.clusters, len(train.classes))
                    acc = number(accuracy(y_test, test.labels, mapping))
                rows.append([name, *(f"{at - began:.0f}" for at, began in zip(now, clock, strict=True)), acc])
                for which, read in enumerate((time.perf_counter, time.process_time)):
                    clock[which] += read() - now[which]

        K = settings.students.clusters
        Watched(torch.from_numpy(train.images), settings, K, params.seeds[0], device, {}, Path("guide")).run()
    print(paragraph(f"{machine(device.torch)}. One thread, seed {params.seeds[0]}, K = {K}.") + "\n")
    print(aligned(["After", "Seconds", "CPU seconds", "ACC"], rows))


if __name__ == "__main__":
    main()
