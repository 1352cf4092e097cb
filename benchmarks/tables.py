"""The benchmark's tables in Markdown, each from what was counted and measured."""

import statistics
from collections.abc import Mapping

from bench import STEPS, Bench, Measured
from breakdown import Part, seconds_by_kind
from cases import rates
from count import Cost, total
from kinds import KINDS, OPTIMISER
from plain_loop import Recipe, ingredients, plain
from shipped_loop import operator_by_operator, shipped
from unit import ONE_RUNG, Preset, unit_seconds

from vlac.models.spec import Spec
from vlac.reporting.markdown import aligned

PROFILED = {"cpu": {"svhn_small": 16, "svhn_paper": 3}, "cuda": {"svhn_small": 20, "svhn_paper": 20}}
"""Steps of the block that is profiled."""


def count_table(found: Mapping[str, Measured]) -> str:
    """Return what a step of each model needs, before any clock is looked at."""
    heads = ["model", "parameters, M", "MFLOP per image", "GFLOP per step", "kept for backward, MB"]
    heads += ["moved per step, MB", "of it by the optimiser, MB", "FLOP per byte"]
    rows = []
    for model, one in found.items():
        step = total(one.costs.values())
        optimiser = one.costs[OPTIMISER].bytes
        cells = [one.parameters / 4e6, one.flops_per_image / 1e6, step.flops / 1e9, one.saved / 1e6]
        cells += [step.bytes / 1e6, optimiser / 1e6, step.flops / step.bytes]
        rows.append([model, *(f"{cell:.1f}" for cell in cells)])
    return aligned(heads, rows)


def speed_table(bench: Bench, found: Mapping[str, Measured]) -> str:
    """Return images per second of each loop, ratios and the fraction of the peak."""
    others = list(dict.fromkeys(side for one in found.values() for side in one.speeds if side != "ours"))
    sides = ["ours", *others]
    heads = ["model", *sides, *(f"ours / {side}" for side in others), *(f"of peak, {side}" for side in sides)]
    rows = []
    for model, one in found.items():
        cells = [spread(one.speeds[side]) if side in one.speeds else "" for side in sides]
        cells += [f"{one.rate('ours') / one.rate(side):.2f}" if side in one.speeds else "" for side in others]
        reached = {side: one.reached(side, bench.peaks, bench.bfloat16) for side in one.speeds}
        cells += [f"{reached[side]:.0%}" if side in reached else "" for side in sides]
        rows.append([model, *cells])
    return aligned(heads, rows)


def unit_row(name: str, preset: Preset, found: Mapping[str, Measured]) -> list[str]:
    """Return the seconds of the unit, plain and ours, for one epoch and for the preset's."""
    table = {model: one for model, one in found.items() if model != ONE_RUNG}
    seconds = [
        unit_seconds({model: one.rate(side) for model, one in table.items()}, epochs)
        for epochs in (1, preset.epochs)
        for side in ("plain", "ours")
    ]
    return [name, str(preset.epochs), *(f"{value:,.0f}" for value in seconds), f"{seconds[0] / seconds[1]:.2f}"]


def profile_table(bench: Bench, name: str, preset: Preset, one: Measured) -> str:
    """Return ours by kind of operator: share of the time, work, and what bounds it.

    The shares are the profiler's, the time that they share is that of a step without the profiler.
    """
    profiled = bench.case(preset, one.case.spec, PROFILED[bench.device.type][name])
    seconds = seconds_by_kind(operator_by_operator(profiled)[0], bench.device)
    whole, step = sum(seconds.values()), one.case.batch / one.rate("ours")
    rows = []
    for kind in KINDS:
        share = seconds.get(kind, 0.0) / whole
        part = Part(share * step, one.costs.get(kind, Cost()), bench.peaks, bench.bfloat16)
        work = [f"{part.cost.flops / 1e9:.2f}", f"{part.cost.bytes / 1e6:.1f}"]
        intensity = f"{part.cost.flops / part.cost.bytes:.0f}" if part.cost.bytes else ""
        reached = part.seconds and part.at_best
        at_best = [f"{part.at_best * 1e3:.2f}", f"{part.at_best / part.seconds:.0%}"] if reached else ["", ""]
        rows.append([kind, f"{part.seconds * 1e3:.2f}", f"{share:.0%}", *work, intensity, part.bound, *at_best])
    heads = ["part", "ms per step", "share", "GFLOP", "MB", "FLOP per byte", "bound by"]
    heads += ["ms at peak or copy speed", "reached"]
    return aligned(heads, rows)


def reachable_row(bench: Bench, name: str, one: Measured) -> list[str]:
    """Return how far ours is ahead of plain, and how far any loop of the same arithmetic could be."""
    precision = bench.peaks.product(bench.bfloat16) / bench.peaks.float32
    reached = one.reached("plain", bench.peaks, bench.bfloat16)
    parts = [Part(0.0, cost, bench.peaks, bench.bfloat16).at_best for cost in one.costs.values()]
    at_copy_speed = one.case.batch / sum(parts) / one.rate("plain")
    ratios = (precision, precision / reached, at_copy_speed, one.rate("ours") / one.rate("plain"))
    return [name, f"{reached:.0%}", *(f"{ratio:.2f}" for ratio in ratios)]


def ablation_table(bench: Bench, name: str, preset: Preset, spec: Spec) -> str:
    """Return the steps that lead from the plain loop to the shipped one, each with all of those above it."""
    case = bench.case(preset, spec, STEPS[bench.device.type][name])
    way = [Recipe("plain, 2 workers", workers=2), *ingredients(bench.bfloat16)]
    blocks = {recipe.name: plain(case, recipe) for recipe in way} | {"ours": shipped(case)[0]}
    found = rates(case, blocks, bench.rounds)
    first = statistics.median(found["plain"])
    rows = [[side, spread(values), f"{statistics.median(values) / first:.2f}"] for side, values in found.items()]
    return aligned(("loop", "images/s", "over plain"), rows)


def spread(values: list[float]) -> str:
    """Return the median, and the smallest and largest in brackets."""
    return f"{statistics.median(values):,.0f} ({min(values):,.0f}-{max(values):,.0f})"
