"""What fuzzing has found, each by the smallest file that shows it; of .mat files, in tests/test_data_svhn.py."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
import tracked
from tiny import tiny_spec, tiny_trainer

from vlac.cli import main
from vlac.data.mat import read_source
from vlac.data.svhn import locate
from vlac.errors import VlacError
from vlac.files import read_csv
from vlac.models.ladder import Ladder
from vlac.models.load import load_models, read_archive, write_archive
from vlac.params import load_params
from vlac.params.trials import load_search
from vlac.pipeline import figures
from vlac.stages import STAGES, Job
from vlac.stages.manifest import read_manifest
from vlac.tracking.content import finished_runs

ROOT = Path(__file__).resolve().parents[1]
TINY = (ROOT / "presets" / "tiny.yaml").read_text()
LAUGHS = "".join(f"lol{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 12))

# What stands in presets/tiny.yaml, what takes its place, and what the sentence must name.
FOUND = {
    "aliases of aliases": ("models:", f"lol0: &l0 ha\n{LAUGHS}models:", ["more than 20,000 values"]),
    "an alias of itself": ("seeds: [0-1]", "seeds: &a [*a]", ["alias that refers to itself"]),
    "a deep list": ("seeds: [0-1]", "seeds: " + "[" * 500, ["nested more than 20 deep"]),
    "a list a little too deep": ("seeds: [0-1]", "seeds: " + "[" * 30 + "]" * 30, ["nested more than 20 deep"]),
    "code in a tag": ("preset: tiny", "preset: !!python/name:os.system x", ["preset has the tag", "python/name"]),
    "another type by a tag": ("  epochs: 2", "  epochs: !!int '2'", ["line 29: training.epochs has the tag"]),
    "bytes by a tag": ("preset: tiny", "preset: !!binary aGk=", ["preset has the tag"]),
    "a line break of YAML 1.1": ("preset: tiny", "preset: tiny # \u2028", ["U+2028", "line break"]),
    "a hexadecimal number without end": ("  epochs: 2", "  epochs: 0x" + "F" * 9000, ["a number of 9002 characters"]),
    "a number that no machine counts to": ("  epochs: 2", "  epochs: 10000000000", ["training.epochs", "1000000000"]),
    "digits of another alphabet": ("seeds: [0-1]", "seeds: ['\u0663']", ["seeds.0", "no seed"]),
    "a name longer than a file's": ("  gmdgm:", f"  {'m' * 300}:", ["models", "64 characters"]),
    "a colour for the terminal": ("preset: tiny", 'preset: "\\e[31mred"', ["preset", "pattern"]),
    "a name of many lines": ("  gmdgm:", '  "a\\nb":', ["models", "pattern"]),
    "a value of many pages": ("  epochs: 2", f"  epochs: {'x' * 9000}", ["training.epochs", "integer", "..."]),
    "trainings without end": (
        "seeds: [0-1]",
        "seeds: [" + ", ".join(map(str, range(2, 900))) + "]\n",
        ["more than 10,000 trainings"],
    ),
    "more text than parameters have": ("preset: tiny", "preset: tiny #" + "x" * 200_000, ["larger than 200,000 bytes"]),
}


@pytest.mark.parametrize("found", FOUND.values(), ids=FOUND)
def test_it_is_one_sentence_now(
    found: tuple[str, str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    right, wrong, named = found
    assert TINY.count(right) == 1
    text = TINY.replace(right, wrong)
    if "trainings" in named[0]:
        text = text.replace("models:", "models:" + "".join(f"\n  m{n}: {{kind: gmdgm, K: 9, z: 4}}" for n in range(12)))
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(text)
    assert main(["plan"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: params.yaml")
    assert said.count("\n") == 1
    assert said[:-1].isprintable()
    assert len(said) < 900
    assert all(part in said for part in named), said


def test_many_seeds_take_no_time(tmp_path: Path) -> None:
    groups = ", ".join(f"{n}000-{n}999" for n in range(1, 400))
    (tmp_path / "params.yaml").write_text(TINY.replace("seeds: [0-1]", f"seeds: [{groups}]"))
    begun = time.process_time()
    assert len(load_params(tmp_path / "params.yaml").seeds) == 399
    assert time.process_time() - begun < 5  # 0.3 s; hours if every seed is looked for among all


@pytest.mark.parametrize("place", ["/dev/zero", "pipe", "."])
def test_what_is_no_file_is_not_read(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    search = (ROOT / "presets" / "searches" / "tiny.yaml").read_text()
    Path("search.yaml").write_text(search.replace("base: presets/tiny.yaml", f"base: {place}"))
    with pytest.raises(VlacError, match=rf"{place} is no file"):
        load_search(Path("search.yaml"))


def test_resolved_parameters_that_are_too_deep(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text("[" * 100_000)
    with pytest.raises(VlacError, match=r"params\.json is damaged"):
        load_params(tmp_path / "params.json")
    (tmp_path / "params.json").write_text("[" * 900 + "]" * 900)
    with pytest.raises(VlacError, match=r"nested|valid dictionary"):
        load_params(tmp_path / "params.json")


def test_weights_whose_spec_asks_for_all_memory(tmp_path: Path) -> None:
    spec = tiny_spec()
    weights = {0: Ladder(spec).state_dict()}
    write_archive(tmp_path / "model.pt", {"spec": replace(spec, hidden=10**9).to_dict(), "weights": weights})
    with pytest.raises(VlacError, match="damaged or is no model"):
        load_models(tmp_path / "model.pt")


@pytest.mark.parametrize("part", ["model", "optimiser", "groups", "generator", "history", "epoch"])
def test_a_checkpoint_that_does_not_fit_its_training(part: str, tmp_path: Path) -> None:
    path = tmp_path / "0.pt"
    next(tiny_trainer(path).epochs(checkpoint_seconds=0))
    content = read_archive(path)
    match part:
        case "model":
            del content["model"][next(iter(content["model"]))]
        case "optimiser":
            content["optimiser"]["state"][0]["exp_avg"] = torch.zeros(7)
        case "groups":
            content["optimiser"]["param_groups"][0]["lr"] = "fast"
        case "generator":
            content["generator"] = torch.zeros(3)
        case "history":
            content["history"] = [{"epoch": 5}]
        case "epoch":
            content["epoch"] = "one"
    write_archive(path, content)
    with pytest.raises(VlacError, match=r"0\.pt is damaged\. Delete it"):
        tiny_trainer(path).resume()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("seed,rung\n0,1\n0,1,2\n", "history.csv is damaged .*Expected 2 fields"),
        ("seed,elbo\n0,fast\n", "history.csv is damaged .*column elbo holds more than numbers"),
    ],
)
def test_a_table_with_something_else_than_numbers(table: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "history.csv").write_text(table)
    with pytest.raises(VlacError, match=said) as caught:
        read_csv(tmp_path / "history.csv")
    assert str(caught.value).isprintable()
    if "elbo" in said:
        assert list(read_csv(tmp_path / "history.csv", ["elbo"])["elbo"]) == ["fast"]


@pytest.mark.parametrize("content", ["1", "[]", "{}", '{"source": "svhn", "files": [1]}', "[" * 99_999, "\0"])
def test_a_list_of_files_of_another_shape(content: str, tmp_path: Path) -> None:
    (tmp_path / "source.json").write_text(content)
    with pytest.raises(VlacError, match=r"source\.json is damaged"):
        read_source(tmp_path / "source.json")


@pytest.mark.parametrize("name", ["x" * 300, "a/" * 3000, "a\nb", "\x1b[31mred", "\udcff", "\0"])
def test_a_name_that_no_folder_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(VlacError) as caught:
        locate(name, ["test"], tmp_path)
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("change", "said"), [("kl_y_3", "has no column kl_y_3"), ("rows", "no rows"), ("inf", "finite")]
)
def test_a_history_that_no_curve_can_be_drawn_of(change: str, said: str, tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path / "0.pt")
    history = pd.DataFrame([{"seed": 0} | row for row, _ in trainer.epochs()])
    match change:
        case "rows":
            history = history[:0]
        case "inf":
            history.loc[0, "elbo"] = float("inf")
        case column:
            history = history.drop(columns=column)
    history.to_csv(tmp_path / "history.csv", index=False)
    with pytest.raises(VlacError, match=rf"history\.csv .*{said}"):
        figures._history(tmp_path / "history.csv", trainer.model)


@pytest.mark.parametrize(
    ("file", "column", "to", "said"),
    [
        ("history.csv", "epoch", None, "has no column epoch"),
        ("history.csv", "epoch", float("inf"), "has an epoch that is no number"),
        ("history.csv", "epoch", float("nan"), "has an epoch that is no number"),
        ("scores.csv", "rung", None, "has no column rung"),
        ("factors.csv", "rung", None, "has no column rung"),
        ("factors.csv", "value", None, "has no column value"),
    ],
)
def test_a_table_that_its_manifest_vouches_for_and_the_view_cannot_show(
    file: str, column: str, to: float | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tracked.project(tmp_path))
    tables = tracked.tables

    def spoilt(job: Job) -> dict[str, pd.DataFrame]:
        other = tables(job)
        if file in other:
            other[file] = other[file].drop(columns=column) if to is None else other[file].assign(**{column: to})
        return other

    training, scored = tracked.ONE_LAYER, replace(tracked.ONE_LAYER, stage=STAGES["evaluate"])
    tracked.finish(training)
    tracked.finish(scored)
    assert len(finished_runs(training, load_params())) == 2
    monkeypatch.setattr(tracked, "tables", spoilt)
    tracked.finish(training)
    tracked.finish(scored)
    with pytest.raises(VlacError, match=rf"{file} {said}\. Run its stage again"):
        finished_runs(training, load_params())


@pytest.mark.parametrize("value", ["-Infinity", "NaN", "[" * 400 + "]" * 400])
def test_a_manifest_that_cannot_be_written_again(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = Job(STAGES["rung"])
    job.manifest.parent.mkdir(parents=True)
    job.manifest.write_text(f'{{"job": {value}, "seal": "0"}}')
    with pytest.raises(VlacError, match=r"rung/manifest\.json is damaged\."):
        read_manifest(job)
