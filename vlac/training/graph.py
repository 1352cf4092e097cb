"""One update as a CUDA graph: the host starts its hundreds of kernels by one call.

Written after torch's documentation of whole-network capture. No CUDA device was at hand: but for `warm_up`, this module
has not run yet. `tests/test_training_graph.py` holds it against the plain step where there is a device.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vlac.training.step import Step

WARM_UP = 3
"""Updates before the capture."""


def captured(step: Step, stream: torch.cuda.Stream) -> Callable[[], None]:
    """Return what makes the next update of the epoch, as `step()` does, when called with `stream` the current one.

    Training stands where it stood. No other thread may use CUDA during this call.
    """
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        warm_up(step)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(step.generator)  # else every replay would draw the same noise
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph.replay


def warm_up(step: Step) -> None:
    """Make some updates and take them back: libraries choose their kernels, and the optimiser makes its state.

    A graph must find that state made, or each replay would make it anew.
    """
    fresh = not step.optimiser.state
    before = [(tensor, tensor.clone()) for tensor in _changed(step)]
    noise = step.generator.get_state()
    for _ in range(WARM_UP):
        step.update.zero_()
        step()
    if fresh:
        for tensor in _moments(step.optimiser):
            tensor.zero_()  # as Adam makes them on its first update
    for tensor, value in before:
        tensor.copy_(value)
    step.generator.set_state(noise)
    step.optimiser.zero_grad(set_to_none=True)


def _changed(step: Step) -> list[Tensor]:
    """Return every tensor that an update changes and a later one reads."""
    learnt = [tensor.detach() for tensor in (*step.model.parameters(), *step.model.buffers())]
    return [*learnt, *_moments(step.optimiser), *step.record.tensors(), step.update]


def _moments(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for state in optimiser.state.values() for value in state.values() if isinstance(value, Tensor)]
