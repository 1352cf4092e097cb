"""Files of trained methods: intact, reproducible, and harmless to open."""

import pytest
import torch
from tiny import SETTINGS, lively_ladder, tiny_input, tiny_method, tiny_params, tiny_spec

from vlac.archive import write_archive
from vlac.errors import VlacError
from vlac.models import load
from vlac.models.load import load_method, save_method


@pytest.fixture(scope="module")
def method():
    trained = tiny_method("vlac")
    trained.model = lively_ladder(trained.spec())
    return trained


@pytest.fixture
def file(tmp_path, method):
    save_method(tmp_path / "model.pt", method)
    return tmp_path / "model.pt"


def content_of(method):
    return {"kind": "vlac", "settings": {"kind": "vlac"} | SETTINGS["vlac"], "state": method.state()}


@torch.no_grad()
def test_what_was_saved_is_loaded(file, method):
    loaded = load_method(file, tiny_params())
    assert (type(loaded), loaded.settings, loaded.rung) == (type(method), method.settings, 3)
    assert not loaded.model.training
    assert loaded.model.spec == method.model.spec
    ours, theirs = loaded.model.encode(tiny_input(3)), method.model.encode(tiny_input(3))
    for rung in (1, 2, 3, 4):
        assert torch.equal(ours[rung].mean, theirs[rung].mean)
        assert torch.equal(loaded.model.prior(rung).scale, method.model.prior(rung).scale)


def test_equal_methods_have_equal_bytes_under_any_name(file, tmp_path):
    again = tmp_path / "elsewhere" / "other.name"
    save_method(again, load_method(file, tiny_params()))
    assert again.read_bytes() == file.read_bytes()


def test_half_a_file_and_one_wrong_bit_in_the_weights_are_refused(file, method):
    content = file.read_bytes()
    weight = method.model.heads["3"].gaussian.weight.detach().numpy().tobytes()
    flipped = bytearray(content)
    flipped[content.index(weight) + len(weight) // 2] ^= 1
    for damaged in (b"", content[: len(content) // 2], bytes(flipped)):
        file.write_bytes(damaged)
        with pytest.raises(VlacError, match="damaged"):
            load_method(file, None)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [1, 2],
        lambda content: content | {"kind": "other"},
        lambda content: content | {"settings": {"kind": "vlac", "K": [1, 1, 1, 1]}},
        lambda content: content | {"state": content["state"] | {"spec": vars(tiny_spec(z=3))}},
    ],
    ids=["list", "no kind of ours", "no settings of ours", "another spec"],
)
def test_another_file_of_torch_is_refused(change, file, method):
    write_archive(file, change(content_of(method)))
    with pytest.raises(VlacError, match="no model of this package"):
        load_method(file, None)


def test_weights_of_few_bits_are_near(file, method, monkeypatch):
    monkeypatch.setattr(load, "LARGE", 1)
    content = content_of(method)
    content["state"]["weights"] = {name: load.compact(weight) for name, weight in content["state"]["weights"].items()}
    write_archive(file, content)
    assert content["state"]["weights"]["heads.3.gaussian.weight"][0].dtype == torch.int8
    ours, theirs = method.model.state_dict(), load_method(file, tiny_params()).model.state_dict()
    for name, weight in ours.items():
        rows = weight.reshape(len(weight), -1) if weight.dim() > 1 else weight.reshape(-1, 1)
        off = (theirs[name] - weight).reshape(rows.shape).abs().amax(1)
        assert (off <= rows.abs().amax(1) / 250 + 1e-4).all(), name


def test_a_missing_file_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(VlacError, match=r"missing\. Train it first: `snakemake"):
        load_method(tmp_path / "model.pt", None)
