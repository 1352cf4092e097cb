"""Counting before measuring: the floating-point operations and the bytes of one training step, by kind of operator."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from cases import Block
from kinds import OTHER, kind
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

WRITE_ONLY = frozenset({"normal_", "exponential_", "zero_", "fill_", "copy_", "uniform_"})
"""Operators whose first argument is overwritten unread."""

EMPTY = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})
"""Operators that touch no memory."""


@dataclass(frozen=True)
class Cost:
    """What something costs.

    Attributes:
        flops: of convolutions and matrix products, two per multiply-add; other arithmetic is not counted.
        bytes: read and written, if every operator reads its inputs and writes its outputs once and caches keep nothing.
    """

    flops: float = 0.0
    bytes: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.flops + other.flops, self.bytes + other.bytes)


class Traffic(TorchDispatchMode):
    """Sums the bytes that operators read and write, by kind, in the forward and the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: dict[str, float] = defaultdict(float)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.bytes[kind(str(func)) or OTHER] += _moved(func, args, kwargs or {}, out)
        return out


def _moved(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> float:
    name, schema = func.overloadpacket.__name__, func._schema
    given = {argument.name: value for argument, value in zip(schema.arguments, args, strict=False)} | kwargs
    written = {argument.name for argument in schema.arguments if argument.alias_info and argument.alias_info.is_write}
    written -= {"grads"}  # of fused Adam, which writes them only where a scaler of gradients is used
    inputs = {tensor.untyped_storage().data_ptr() for tensor in _tensors(given)}
    made = [tensor for tensor in _tensors(out) if tensor.untyped_storage().data_ptr() not in inputs]
    if name in EMPTY or not (made or written):
        return 0.0  # allocation, or a view
    unread = {schema.arguments[0].name} if name in WRITE_ONLY else set()
    read = [value for argument, value in given.items() if argument not in unread]
    changed = [value for argument, value in given.items() if argument in written]
    return _bytes(_tensors(read)) + _bytes(_tensors(changed)) + _bytes(made)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]


def _bytes(tensors: Iterable[Tensor]) -> float:
    """Return the bytes of tensors; what an expanded axis repeats is counted once."""
    total = 0
    for tensor in tensors:
        distinct = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
        total += math.prod(distinct) * tensor.element_size()
    return float(total)


def count(block: Block) -> dict[str, Cost]:
    """Return the cost of a block of one step by kind of operator.

    The block is run once before, so that the optimiser's state exists.
    """
    block()
    with FlopCounterMode(display=False) as counter, Traffic() as traffic:
        block()
    costs = {name: Cost(bytes=moved) for name, moved in traffic.bytes.items()}
    for operator, flops in counter.get_flop_counts().get("Global", {}).items():
        name = kind(str(operator)) or OTHER
        costs[name] = costs.get(name, Cost()) + Cost(flops=flops)
    return costs


def total(costs: Iterable[Cost]) -> Cost:
    """Return the sum."""
    return sum(costs, Cost())


def saved_bytes(block: Callable[[], object], model: nn.Module) -> int:
    """Return the bytes that a block of one step keeps from its forward pass for the backward, parameters aside."""
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        block()
    return sum(kept.values())


def parameter_bytes(model: nn.Module) -> int:
    """Return the bytes of the parameters."""
    return sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
