"""Updates of a training as one CUDA graph, so that the host launches one thing an update and not some five hundred."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from vlac.models.networks.layers import Scalar
from vlac.training.schedule import Weights

WARM_UP = 3
"""Updates that run one kernel at a time before a graph is captured, as CUDA's libraries ask for."""

Update = Callable[[Tensor, Weights], None]
"""Trains on the images of the given indices, int64 (B,)."""


class Captured:
    """Runs the updates of an epoch, from a graph once one is captured.

    The graph reads from the device which update it is: a place in the epoch's order of images and a row of its
    settings. Which rungs are left out or complete is fixed in a graph; when that changes, another one is captured.

    Args:
        generator: the only source of noise in an update.
    """

    def __init__(self, generator: torch.Generator, images: int, batch: int) -> None:
        self.generator, self.device = generator, generator.device
        self.order = torch.zeros(images, dtype=torch.int64, device=self.device)
        self.batch = torch.arange(batch, device=self.device)
        self.at = torch.zeros(1, dtype=torch.int64, device=self.device)
        self.settled: dict[int, Scalar] | None = None
        self.graph: torch.cuda.CUDAGraph | None = None
        self.warm = 0

    def begin(self, order: Tensor, settings: Sequence[Weights]) -> None:
        """Take over an epoch's order of images, int64 (N,), and the settings of its updates."""
        first = settings[0]
        settled = {rung: share for rung, share in first.fade.items() if all(at.fade[rung] == share for at in settings)}
        table = torch.tensor([_numbers(at) for at in settings])
        if settled != self.settled:
            self.settled, self.rungs, self.graph, self.warm = settled, list(first.fade), None, 0
            self.table = torch.zeros(table.shape, device=self.device)
        self.order.copy_(order)
        self.table.copy_(table)
        self.at.zero_()

    def __call__(self, update: Update) -> None:
        """Run the next update, always by the same function, which must not wait for the device."""
        if self.warm < WARM_UP:
            self.warm += 1
            self._next(update)
            return
        if self.graph is None:
            graph = torch.cuda.CUDAGraph()
            graph.register_generator_state(self.generator)
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
                self._next(update)
            self.graph = graph
        self.graph.replay()

    def _next(self, update: Update) -> None:
        row = list(self.table.index_select(0, self.at)[0].unbind())
        update(self.order[self.at * len(self.batch) + self.batch], self._weights(row))
        self.at += 1

    def _weights(self, row: list[Tensor]) -> Weights:
        """Return settings that are read from the device, but for rungs whose share stays what it is."""
        assert self.settled is not None
        by_rung: list[dict[int, Scalar]] = [
            dict(zip(self.rungs, row[start:], strict=False)) for start in range(1, len(row), len(self.rungs))
        ]
        return Weights(row[0], by_rung[0], by_rung[1], by_rung[2] | self.settled)


def _numbers(at: Weights) -> list[float]:
    """Return settings as a row of the table: temperature, KL_z, KL_y and share by rung."""
    return [
        float(each) for each in (at.temperature, *(by[rung] for by in (at.kl_z, at.kl_y, at.fade) for rung in at.fade))
    ]
