"""A few wrong inputs of every kind; `python -m tests.fuzz` runs thousands."""

import mmap

import pytest
from fuzz import folders, mats, params
from fuzz.campaign import campaign
from hypothesis import strategies as st

from vlac.errors import VlacError

KINDS = {
    "params": (params.files(params.PARAMS), params.plan, 120),
    "searches": (params.files(params.SEARCHES), params.search, 40),
    "mats": (mats.files(), mats.read, 100),
    "folders": (folders.folders(), folders.download, 30),
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

    tally = campaign("failures", st.sampled_from(["bug", "memory", "hang", "lines", "nothing"]), work, 50, 0)
    assert tally.results == 1
    failures = {given: failure for failure, given in tally.failures}
    assert "KeyError: 'no sentence'" in failures["bug"]
    assert "MB" in failures["memory"]
    assert "too long" in failures["hang"]
    assert "not printable" in failures["lines"]
