"""One update as a CUDA graph: the host starts its hundreds of kernels by one call.

Written after torch's documentation of whole-network capture. No CUDA device was at hand: this module has not run yet.
`tests/test_training_graph.py` holds it against the plain step where there is one.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vlac.training.step import Step

WARM_UP = 3
"""Updates before the capture, in which libraries choose kernels and the optimiser makes its state."""


def captured(step: Step, stream: torch.cuda.Stream) -> Callable[[], None]:
    """Return what makes the next update of the epoch, as `step()` does, when called with `stream` the current one.

    Nothing is changed by the way: the warm-up's updates are taken back. No other thread may use CUDA meanwhile.
    """
    fresh = not step.optimiser.state
    before = [(tensor, tensor.clone()) for tensor in _state(step)]
    noise = step.generator.get_state()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step.update.zero_()
            step()
        if fresh:  # Adam makes its state on the first update, of zeros; a graph must find it made
            for tensor in _moments(step.optimiser):
                tensor.zero_()
        for tensor, value in before:
            tensor.copy_(value)
        step.optimiser.zero_grad(set_to_none=True)
    step.generator.set_state(noise)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(step.generator)  # else every replay would draw the same noise
    with torch.cuda.graph(graph, stream=stream):
        step()
    return graph.replay


def _state(step: Step) -> list[Tensor]:
    """Return every tensor that an update changes and another reads, as far as they exist."""
    return [
        *(tensor.detach() for tensor in (*step.model.parameters(), *step.model.buffers())),
        *_moments(step.optimiser),
        *step.record.tensors(),
        step.update,
    ]


def _moments(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [value for state in optimiser.state.values() for value in state.values() if isinstance(value, Tensor)]
