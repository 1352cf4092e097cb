"""Accuracy against seconds: ours, and what one would pick instead, one after the other on one core each.

    python benchmarks/time_to_accuracy.py          prints a Markdown table; 5 minutes for each side

- Ours: the preset's first VLAC, as it is trained by the pipeline, for the preset's epochs or until the time is up.
- pythae + GMM: pythae's VAE on the networks of our one rung, of the same channels and as many latent numbers as all of
  our rungs have, with our batch and learning rate, else its defaults; and scikit-learn's GaussianMixture of K
  components, with its defaults, on the means of the codes. The mixture's time counts, each time from the start.
- VaDE of ClustPy: K clusters, as many latent numbers, else its defaults, but that both of its phases are shortened in
  proportion so as to fit into the time. It has no clusters before the second; they are those of a mixture that starts
  from its means, as its `labels_` are. ClustPy needs a torchvision that belongs to the torch that is there.

A side whose package is not there is left out.

ACC is Eq. (10) on the hold-out of the training split, by the mapping from the labels of the other training images,
which all sides train on. Neither finding it nor imports cost seconds, which are those of the processor.
"""

import argparse
import importlib
import io
import math
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from loops import Case, built, in_nchw
from machine import machine
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor
from training_speed import methods, preset, vae

from vlac.data.split import DIGITS, Split, hold_out
from vlac.datasets import datasets
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.methods import vlac
from vlac.methods.base import Job
from vlac.models.ladder import to_input
from vlac.models.method import LadderMethod
from vlac.params.schema import Params
from vlac.reporting.markdown import aligned, number, paragraph
from vlac.training.device import keep_freed_memory, settle

LEAST = 1 / 40
"""Least share of the time between two measurements."""

Clusters = Callable[[np.ndarray], np.ndarray]
"""From images, uint8 (N, 32, 32, 3), to their clusters, (N,)."""


class TimeIsUpError(Exception):
    """A side has had its seconds."""


class Watch:
    """The clock of one side, and its accuracies: `points` of seconds and ACC."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, holdout: int, K: int, seconds: float) -> None:
        held, rest = hold_out(holdout, len(images))
        self.images, self.labels = images[rest], labels[rest]
        self.held = images[held], labels[held]
        self.K, self.seconds = K, seconds
        self.points: list[tuple[float, float]] = []
        self.started = math.nan

    def start(self) -> None:
        """Start the clock."""
        self.started = time.process_time()

    def look(self, ready: Callable[[], Clusters]) -> None:
        """Measure, unless that was just done; the time of `ready`, which returns the clusters, counts for this alone.

        Raises:
            TimeIsUpError: the seconds are over.
        """
        now = time.process_time()
        late = now - self.started >= self.seconds
        if not late and self.points and now - self.started - self.points[-1][0] < LEAST * self.seconds:
            return
        clusters = ready()
        at = time.process_time() - self.started
        mapping = majority_mapping(clusters(self.images), self.labels, self.K, len(DIGITS))
        self.points.append((at, accuracy(clusters(self.held[0]), self.held[1], mapping)))
        self.started += time.process_time() - now
        if late:
            raise TimeIsUpError


def first_vlac(params: Params) -> LadderMethod:
    """Return the preset's first VLAC, untrained."""
    return next(method for method in methods(params) if isinstance(method, vlac.Method))


def ours(params: Params, watch: Watch) -> None:
    """Train ours, measured after epochs."""
    method = first_vlac(params)

    def clusters(images: np.ndarray) -> np.ndarray:
        return method.encode(images).y[method.main_rung]

    def epoch(row: object) -> None:
        watch.look(lambda: clusters)
        method.model.train()  # encoding has ended that

    with tempfile.TemporaryDirectory() as folder:
        watch.start()
        method.fit(watch.images, params.seeds[0], Job("ours", Path(folder, "checkpoint.pt"), {}, epoch=epoch))


def mixed(watch: Watch, codes: Callable[[Tensor], Tensor], **settings: Any) -> Clusters:
    """Return the clusters of scikit-learn's Gaussian mixture on codes of images, uint8 (B, 32, 32, 3)."""

    @torch.no_grad()
    def of(images: np.ndarray) -> np.ndarray:
        return torch.cat([codes(part) for part in torch.from_numpy(images).split(500)]).numpy()

    mixture = GaussianMixture(watch.K, random_state=0, **settings).fit(of(watch.images))
    return lambda images: mixture.predict(of(images))


def pythae_gmm(params: Params, watch: Watch) -> None:
    """Train pythae's VAE, and after epochs a mixture on its codes."""
    from pythae_loop import as_pythae, pythae

    network = params.network.model_copy(update={"z": [sum(params.network.z)] * len(params.network.z)})
    one = vae(params.model_copy(update={"network": network}))
    model = as_pythae(in_nchw(built(one)))
    epoch = pythae(Case(one, torch.from_numpy(watch.images)), model)

    def codes(part: Tensor) -> Tensor:
        return model.eval().encoder(to_input(part)).embedding

    watch.start()
    while True:
        epoch()
        watch.look(lambda: mixed(watch, codes))


def vade(params: Params, watch: Watch) -> None:
    """Train ClustPy's VaDE, measured after epochs of its second phase."""
    from clustpy.deep import VaDE
    from clustpy.deep import vade as module

    def flat(images: Tensor) -> Tensor:
        return images.flatten(1).float() / 255

    x = flat(torch.from_numpy(watch.images)).numpy()
    settings = {"n_clusters": watch.K, "embedding_size": sum(params.network.z), "device": "cpu", "random_state": 0}
    default, learn = VaDE(**settings), module._VaDE_Module.fit

    def observed(self: Any, network: Any, tests: Any, loader: Any, epochs: int, *rest: Any) -> None:
        def ready() -> Clusters:
            return mixed(watch, lambda part: network.encode(flat(part))[0], means_init=self.p_mean.detach().numpy())

        while True:
            learn(self, network, tests, loader, 1, *rest)
            watch.look(ready)

    module._VaDE_Module.fit = observed
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        # How many epochs fit is found beforehand, and costs it nothing.
        trial = module._VaDE_VAE([x.shape[1], 500, 500, 2000, settings["embedding_size"]])
        began = time.process_time()
        trial.fit(n_epochs=1, batch_size=default.batch_size, data=x, ssl_loss_fn=default.ssl_loss_fn)
        share = default.pretrain_epochs / (default.pretrain_epochs + default.clustering_epochs)
        epochs = min(default.pretrain_epochs, int(share * watch.seconds / (time.process_time() - began)))
        watch.start()
        VaDE(pretrain_epochs=max(1, epochs), **settings).fit(x)


SIDES = {"VLAC (ours)": ours, "pythae + GMM": pythae_gmm, "VaDE": vade}


def table(points: dict[str, list[tuple[float, float]]], seconds: float) -> str:
    """Return the ACC that each side has at ten times: the last that was measured by then."""
    rows = []
    for now in np.linspace(seconds / 10, seconds, 10):
        last = [[acc for at, acc in found if at <= now][-1:] for found in points.values()]
        rows.append([f"{now:g}", *(number(acc[0]) if acc else "" for acc in last)])
    ends = [f"{number(found[-1][1])} ({found[-1][0]:.0f} s)" for found in points.values()]
    return aligned(("seconds", *points), [*rows, ["last", *ends]])


def main() -> None:
    """Read the options, train every side, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="digits")
    parser.add_argument("--seconds", type=float, default=300, help="of each side (default: 300)")
    options = parser.parse_args()
    params = preset(options.preset, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        dataset = datasets()[params.data.source](params.data, Path(folder))
        split: Split = next(dataset.read(file) for file in dataset.fetch() if file.split == "train")
    keep_freed_memory()  # as a training stage does; here it speeds up every side
    settle(params.training)
    # These are imported at first use; no side is to pay for them.
    importlib.import_module("scipy.cluster.vq")
    torch.optim.Adam([torch.ones(1, requires_grad=True)])
    first = first_vlac(params)
    points = {}
    with threadpool_limits(1):
        for name, train in SIDES.items():
            watch = Watch(split.images, split.labels, params.data.holdout, first.K[first.main_rung], options.seconds)
            try:
                train(params, watch)
            except TimeIsUpError:
                pass
            except ImportError as error:
                print(f"{name} is left out: {error}.\n")
                continue
            points[name] = watch.points
    print(paragraph(f"{machine(torch.device('cpu'))}. Each side on one core, ours is {first.label()}.") + "\n")
    print(table(points, options.seconds))


if __name__ == "__main__":
    main()
