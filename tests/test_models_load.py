"""Files of weights: whole, reproducible, and harmless to open."""

import pickle

import pytest
import torch
from tiny import lively_ladder, tiny_input, tiny_spec

from vlac.errors import VlacError
from vlac.models.ladder import Ladder
from vlac.models.load import load_models, save_models

SPEC = tiny_spec()


@pytest.fixture(scope="module")
def models():
    return {seed: lively_ladder(SPEC, seed) for seed in (0, 7)}


@pytest.fixture
def file(tmp_path, models):
    path = tmp_path / "model.pt"
    save_models(path, SPEC, {seed: model.state_dict() for seed, model in models.items()})
    return path


@torch.no_grad()
def test_what_was_saved_is_loaded(file, models):
    loaded = load_models(file)
    assert list(loaded) == [0, 7]
    for seed, model in loaded.items():
        assert isinstance(model, Ladder)
        assert not model.training
        assert model.spec == SPEC
        ours, theirs = model.encode(tiny_input(3)), models[seed].encode(tiny_input(3))
        for rung in model.rungs:
            assert torch.equal(ours[rung].mean, theirs[rung].mean)
            assert torch.equal(model.prior(rung).std, models[seed].prior(rung).std)
    assert not torch.equal(loaded[0].prior(3).mean, loaded[7].prior(3).mean)


def test_equal_models_have_equal_bytes_under_any_name(file, tmp_path):
    again = tmp_path / "elsewhere" / "other.name"
    save_models(again, SPEC, {seed: model.state_dict() for seed, model in load_models(file).items()})
    assert again.read_bytes() == file.read_bytes()


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("place", ["whole", "spec", "weights", "pickle"])
def test_code_in_a_file_is_refused_and_not_run(place, file, tmp_path, models):
    sprung = tmp_path / "sprung"
    content = {"spec": SPEC.to_dict(), "weights": {0: models[0].state_dict()}}
    match place:
        case "spec":
            content["spec"]["likelihood"] = Trap(sprung)
        case "weights":
            content["weights"][1] = {"x": Trap(sprung)}
        case _:
            content = Trap(sprung)
    if place == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file)
    with pytest.raises(VlacError, match="damaged or is no model"):
        load_models(file)
    assert not sprung.exists()
    if place == "whole":  # the trap is a real one
        torch.load(file, weights_only=False).close()
        assert sprung.exists()


def test_a_file_cut_anywhere_is_refused(file):
    content = file.read_bytes()
    for length in (0, 1, 100, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(VlacError, match="damaged"):
            load_models(file)


def test_one_wrong_bit_in_the_weights_is_refused(file, models):
    content = bytearray(file.read_bytes())
    weight = models[0].heads["3"].gaussian.weight.detach().numpy().tobytes()
    content[content.index(weight) + len(weight) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(VlacError, match="damaged"):
        load_models(file)


@pytest.mark.parametrize(
    "content",
    [
        [1, 2],
        {"weights": {}},
        {"spec": {"K": {9: 2}}, "weights": {}},
        {"spec": SPEC.to_dict() | {"K": {9: 2}}, "weights": {0: {}}},
        {"spec": SPEC.to_dict(), "weights": {0: {}}},
        {"spec": tiny_spec(z=3).to_dict(), "weights": {0: Ladder(SPEC).state_dict()}},
    ],
    ids=["list", "no spec", "half a spec", "a rung that is not there", "no weights", "weights of another spec"],
)
def test_another_file_of_torch_is_refused(content, file):
    torch.save(content, file)
    with pytest.raises(VlacError, match="no model of this package"):
        load_models(file)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(VlacError, match=r"missing\. Train it first: `snakemake"):
        load_models(tmp_path / "model.pt")
