"""Kinds of operators, by their names in torch: what the count and the profile are broken down into."""

import re

CONVOLUTIONS, PRODUCTS, NORM, RELU = "convolutions", "matrix products", "batch norm", "leaky ReLU"
COPIES, OTHER, OPTIMISER, DATA = "casts and copies", "other elementwise", "optimiser", "data"
REST = "Python, autograd, dispatch"

KINDS = (CONVOLUTIONS, PRODUCTS, NORM, RELU, COPIES, OTHER, OPTIMISER, DATA, REST)

_NAMES = dict.fromkeys(("mm", "addmm", "bmm", "baddbmm", "linear", "matmul"), PRODUCTS)
_NAMES |= dict.fromkeys(("index", "randperm", "div_"), DATA)  # shuffling, and bytes to [0, 1]
_NAMES |= dict.fromkeys(("copy_", "_to_copy", "clone", "cat", "contiguous"), COPIES)
_PARTS = {"conv": CONVOLUTIONS, "batch_norm": NORM, "leaky_relu": RELU, "_fused_adam": OPTIMISER}

_PLUMBING = re.compile(
    "(empty|new_empty|resize_|set_|result_type|to|as_strided|alias|detach|expand|flatten|unflatten|narrow|permute"
    "|reshape|select|slice|split|chunk|squeeze|unsqueeze|t|transpose|view|_unsafe_view|_reshape_alias|item)(_.*)?"
)
"""Allocation, views and the like: they move nothing, and their time belongs to whoever called them."""


def kind(name: str) -> str | None:
    """Return the kind of an operator such as "aten::mm" or "aten.mm.default"; None for what belongs to its caller."""
    if name.startswith("Optimizer."):
        return OPTIMISER
    aten = re.match(r"aten(?:::|\.)(\w+)", name)
    if not aten:
        return None
    base = aten[1]
    if base in _NAMES:
        return _NAMES[base]
    for part, found in _PARTS.items():
        if part in base:
            return found
    return None if _PLUMBING.fullmatch(base) else OTHER
