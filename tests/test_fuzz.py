"""A few wrong inputs of every kind; `python -m tests.fuzz` runs thousands."""

import mmap
import shutil
from contextlib import chdir
from pathlib import Path

import pytest
from fuzz import folders, params, project, results
from fuzz.campaign import campaign
from fuzz.words import SPRUNG
from hypothesis import strategies as st

from vlac.errors import VlacError

KINDS = {
    "params": (params.files(params.PARAMS), params.plan, 120),
    "searches": (params.files(params.SEARCHES), params.search, 40),
    "folders": (folders.folders(), folders.download, 30),
    "results": (results.files(), results.read, 20),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_wrong_input_gives_a_result_or_one_sentence(kind: str) -> None:
    inputs, work, count = KINDS[kind]
    tally = campaign(kind, inputs, work, count, 0)
    assert not tally.failures
    assert tally.inputs > count * 0.8
    assert tally.results > 0
    assert tally.sentences.total() > count / 2


def test_what_was_met_badly_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.judge.MEGABYTES", 20.0)
    monkeypatch.setattr("fuzz.judge.SECONDS", 1.0)

    def work(content: str) -> None:
        match content:
            case "bug":
                raise KeyError("no sentence")
            case "memory":
                with mmap.mmap(-1, 60_000_000) as fresh:  # no memory that the process has freed and kept
                    for page in range(0, len(fresh), mmap.PAGESIZE):
                        fresh[page] = 1
            case "hang":
                while True:
                    pass
            case "lines":
                raise VlacError("two\nlines.")
            case "trap":
                Path("project").mkdir()
                Path("project", SPRUNG).touch()
            case "trap and sentence":
                Path(SPRUNG).touch()
                raise VlacError("One sentence.")

    kinds = ["bug", "memory", "hang", "lines", "trap", "trap and sentence", "nothing"]
    tally = campaign("failures", st.sampled_from(kinds), work, 50, 0)
    assert tally.results == 1
    failures = {given: failure for failure, given in tally.failures}
    assert "KeyError: 'no sentence'" in failures["bug"]
    assert "MB" in failures["memory"]
    assert "too long" in failures["hang"]
    assert "not printable" in failures["lines"]
    assert f"project/{SPRUNG}" in failures["trap"]
    assert SPRUNG in failures["trap and sentence"]
    assert len(failures) == 6


def test_manifests_that_are_made_to_fit_vouch_for_other_bytes(tmp_path: Path) -> None:
    shutil.copytree(project.project(), tmp_path / "project", symlinks=True)
    made = ("results/rung/rung.json", "results/train/one/0/model.pt", "data/train.npz", "data/source.json")
    with chdir(tmp_path / "project"):
        for root in (Path(), Path("pack")):
            for name in made if root == Path() else made[1:2]:
                assert results.vouched_for(root, name)
                (root / name).write_bytes((root / name).read_bytes() + b" ")
                assert not results.vouched_for(root, name)
                results.make_fit(root, name)
                assert results.vouched_for(root, name)
