"""What the benchmark counts and adds up, against figures worked out by hand, and against the presets."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from breakdown import Part, seconds_by_kind
from cases import Case, rates
from count import Cost, count, saved_bytes, total
from kinds import CONVOLUTIONS, COPIES, DATA, KINDS, NORM, OPTIMISER, OTHER, PRODUCTS, RELU, REST, kind
from peak import Peaks
from plain_loop import Recipe, plain
from seeds_at_once import compare, in_threads, in_turn, seeds_row
from shipped_loop import operator_by_operator
from torch import nn
from torch.nn import functional as F
from unit import MAIN, PRESETS, RUNG, Preset, one_rung_vae, table_models, unit_seconds

from vlac.models.ladder import Ladder, to_input
from vlac.models.objective import bound
from vlac.models.spec import gmdgm_spec, vlac_spec, vlae_spec
from vlac.params import Vlac, VlacPlus, load_params

HIDDEN = ("tqdm", "yaml", "mlflow", "filelock", "dvc", "snakemake", "requests", "pythae")
SMALL = Preset((4, 4, 8), 8, (2, 2, 3, 2), 3, 0.15, "enumerated", epochs=1, batch=4, lr=1e-3)


WHOLE_RUN = f"""
import sys
sys.modules.update(dict.fromkeys({HIDDEN}, None))  # as if they were not installed
import bench, peak, tables, training_speed
from unit import Preset
training_speed.PRESETS = dict.fromkeys(training_speed.PRESETS, {SMALL})
bench.STEPS["cpu"] = tables.PROFILED["cpu"] = dict.fromkeys(training_speed.PRESETS, 1)
peak.SIZES["cpu"], peak.COPIES["cpu"], peak.SECONDS = (16,), (1, 1), 0.01
training_speed.main()
"""


def case(model: str, steps: int = 1) -> Case:
    images = torch.randint(256, (steps * SMALL.batch, 32, 32, 3), dtype=torch.uint8)
    spec = (table_models(SMALL) | {"VAE": one_rung_vae(SMALL)})[model]
    return Case(spec, images, SMALL.batch, SMALL.lr, SMALL.kl_z, 1, torch.device("cpu"))


def test_a_convolution_counts_two_flops_per_multiply_add_in_each_of_its_three_products():
    convolution = nn.Conv2d(3, 5, 4, stride=2, padding=1, bias=False)
    x = torch.rand(2, 3, 8, 8, requires_grad=True)
    by_hand = 2 * (2 * 5 * 4 * 4) * (3 * 4 * 4)  # outputs times inputs of each
    costs = count(lambda: convolution(x).sum().backward())
    assert costs[CONVOLUTIONS].flops == 3 * by_hand
    assert total(costs.values()).flops == 3 * by_hand


def test_a_linear_layer_counts_as_matrix_products():
    linear = nn.Linear(7, 11, bias=False)
    x = torch.rand(3, 7, requires_grad=True)
    assert count(lambda: linear(x).sum().backward())[PRODUCTS].flops == 3 * 2 * 3 * 7 * 11


@pytest.mark.parametrize(
    ("call", "kind", "moved"),
    [
        (lambda x: F.leaky_relu(x, 0.1), RELU, 8),
        (lambda x: x.mul_(1.0), OTHER, 8),
        (lambda x: x.zero_(), OTHER, 4),
        (lambda x: x.to(torch.bfloat16), COPIES, 6),
        (lambda x: x.view(10, 10).t()[1:].flatten(), COPIES, 8 * 0.9),  # the copy alone, of nine tenths
        (lambda x: x[:1].expand(100) + x, OTHER, 8 + 0.04),  # one element read again and again, from a cache
    ],
)
def test_bytes_are_those_read_and_written(call, kind, moved):
    x = torch.rand(100)
    costs = count(lambda: call(x))
    assert costs[kind].bytes == pytest.approx(100 * moved)
    assert total(costs.values()).bytes == pytest.approx(100 * moved)


def test_fused_adam_reads_weight_gradient_and_moments_and_writes_all_but_the_gradient():
    weight = nn.Parameter(torch.rand(10_000))
    weight.grad = torch.rand(10_000)
    optimiser = torch.optim.Adam([weight], fused=True)
    assert count(optimiser.step)[OPTIMISER].bytes == pytest.approx(10_000 * 7 * 4, rel=1e-3)


def test_saved_bytes_are_those_kept_for_the_backward_pass_without_the_parameters():
    linear = nn.Linear(5, 5, bias=False)

    def block() -> None:
        # The product keeps its input (doubled) and its weight, the sine its own input.
        linear(torch.rand(3, 5) * 2).sin().sum().backward()

    assert saved_bytes(block, linear) == (15 + 15) * 4


@pytest.mark.parametrize("model", ["VLAE", "VLAC, K = (1, 5, 50, 1)", "GM-DGM, K = 50"])
def test_plain_and_ours_do_the_same_arithmetic(model):
    ours, theirs = (
        total(count(block).values()).flops
        for block in (operator_by_operator(case(model))[0], plain(case(model), Recipe()))
    )
    assert ours == theirs > 0


def test_the_unit_is_ten_seeds_of_every_model():
    assert unit_seconds({"one": 1000.0, "other": 500.0}, epochs=2) == pytest.approx(2 * 732.57 + 2 * 1465.14)


@pytest.mark.parametrize("name", PRESETS)
def test_the_units_presets_are_those_of_the_files(name):
    params, preset = load_params(Path("presets", f"{name}.yaml")), PRESETS[name]
    schedule = params.training
    assert (preset.epochs, preset.batch, preset.lr) == (schedule.epochs, schedule.batch, schedule.lr)
    assert preset.kl_z == params.objective.kl_z
    specs = [vlae_spec(params.network, params.likelihood)]
    for model in params.models.values():
        if isinstance(model, VlacPlus):
            continue  # the unit is the paper's table
        build = vlac_spec if isinstance(model, Vlac) else gmdgm_spec
        specs.append(build(model, RUNG, params.network, params.likelihood))
    assert list(table_models(preset).values()) == specs


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aten::mkldnn_convolution", CONVOLUTIONS),
        ("aten.convolution_backward.default", CONVOLUTIONS),
        ("aten::native_batch_norm_backward", NORM),
        ("aten::leaky_relu_", RELU),
        ("aten::addmm", PRODUCTS),
        ("aten::add", OTHER),
        ("aten::index", DATA),
        ("aten::_fused_adam_", OPTIMISER),
        ("Optimizer.step#Adam.step", OPTIMISER),
        ("aten::empty_strided", None),
        ("aten::transpose", None),
        ("aten::tanh", OTHER),
        ("autograd::engine::evaluate_function: ConvolutionBackward0", None),
    ],
)
def test_operators_have_kinds_and_what_moves_nothing_has_none(name, expected):
    assert kind(name) == expected


def test_the_profile_finds_every_part_of_a_step():
    seconds = seconds_by_kind(operator_by_operator(case("VLAC, K = (1, 5, 50, 1)"))[0], torch.device("cpu"))
    assert set(seconds) == set(KINDS)
    assert all(value > 0 for name, value in seconds.items() if name != REST)


def test_a_part_is_bound_by_what_takes_longer_at_the_peaks():
    peaks = Peaks(float32=100.0, bfloat16=200.0, copy=10.0, copy_cached=20.0)
    arithmetic, memory = Part(9.0, Cost(800.0, 30.0), peaks, True), Part(9.0, Cost(800.0, 50.0), peaks, True)
    assert (arithmetic.bound, arithmetic.at_best) == ("compute", 4.0)
    assert (memory.bound, memory.at_best) == ("memory", 5.0)
    assert Part(9.0, Cost(), peaks, True).bound == "overhead"


def test_rates_leave_the_first_round_out_and_divide_images_by_the_clock():
    ticks = iter([0.0, 100.0, 100.0, 102.0, 102.0, 110.0])
    images = torch.zeros(16, 32, 32, 3, dtype=torch.uint8)
    timed = Case(one_rung_vae(SMALL), images, 4, 1e-3, "sampled", 1, torch.device("cpu"), lambda: next(ticks))
    assert rates(timed, {"side": lambda: None}, rounds=2) == {"side": [8.0, 2.0]}


def test_threads_train_the_seeds_as_one_after_the_other_does():
    one = case(MAIN, steps=2)
    in_order = [row for row, _ in in_turn(one, 2)()]
    with in_threads(one, 2) as block:
        assert [row for row, _ in block()] == in_order
    assert in_order[0] != in_order[1]


@pytest.mark.parametrize("way", ["one after the other", "threads", "stacked"])
def test_every_way_of_training_seeds_runs_and_is_timed_by_the_wall(way):
    timed = replace(case(MAIN), clock=lambda: 0.0)  # would divide by zero
    found = compare(timed, 2, [way], rounds=2)
    assert set(found) == {way}
    assert len(found[way]) == 2
    assert all(rate > 0 for rate in found[way])


def test_a_row_of_seeds_is_the_medians_over_the_first_ways():
    found = {"one after the other": [90.0, 100.0, 130.0], "threads": [150.0, 180.0, 120.0]}
    assert seeds_row("tiny", 2, found) == ["tiny", "2", "100 (90-130)", "150 (120-180)", "1.50"]


@pytest.mark.slow
def test_the_whole_run_needs_neither_engines_nor_tracking_nor_yaml():
    path = os.pathsep.join([".", "benchmarks"])
    command = [sys.executable, "-c", WHOLE_RUN, "--device", "cpu", "--rounds", "1"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    _, at_once = done.stdout.split("### Seeds at once")
    rows = [line.split("|")[1:3] for line in at_once.splitlines() if line.startswith("| svhn")]
    assert [[cell.strip() for cell in row] for row in rows] == [["svhn_small", "2"], ["svhn_paper", "2"]]


def test_pythae_trains_the_same_network_on_the_same_objective():
    pythae_loop = pytest.importorskip("pythae_loop", reason="pythae is not installed", exc_type=ModuleNotFoundError)
    from pythae.models import VAE, VAEConfig

    one = case("VAE")
    ladder = Ladder(one.spec)
    model = VAE(
        VAEConfig(input_dim=(3, 32, 32), latent_dim=3), pythae_loop.Encoder(ladder), pythae_loop.Decoder(ladder)
    )
    x = to_input(one.images)
    torch.manual_seed(0)
    ours = bound(ladder, x, None, "sampled").elbo.mean()
    torch.manual_seed(0)
    theirs = model({"data": x}).loss
    constant = x[0].numel() * 0.5 * torch.tensor(2 * torch.pi).log()
    torch.testing.assert_close(theirs, -ours - constant, rtol=1e-5, atol=0)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in ladder.parameters())
    block = pythae_loop.pythae(one)
    assert total(count(block).values()).flops == total(count(operator_by_operator(one)[0]).values()).flops
