"""README and docs against the published tables, and the table of SVHN against the scores of its seeds."""

import re
import runpy

import pandas as pd
import pytest
from project import ROOT

PUBLISHED = ROOT / "reports/published"
OF_OTHERS = {"0.563 ± 0.009"}
"""MFCVAE's, as its authors print it."""


def test_the_table_of_svhn_is_made_of_the_scores_of_its_seeds(tmp_path):
    # Where the words of the table change: python reports/published/svhn_small/table.py.
    runpy.run_path(str(PUBLISHED / "svhn_small/table.py"))["write_table"](tmp_path)
    assert (tmp_path / "table1.md").read_text() == (PUBLISHED / "svhn_small/table1.md").read_text()
    made, kept = (pd.read_csv(folder / "table1.csv") for folder in (tmp_path, PUBLISHED / "svhn_small"))
    pd.testing.assert_frame_equal(made, kept)


@pytest.mark.parametrize("page", ["README.md", "docs/baselines.md", "docs/results.md"])
def test_numbers_of_a_page_s_tables_are_published(page):
    known = numbers(PUBLISHED / "digits/table1.md") | numbers(PUBLISHED / "svhn_small/table1.md") | OF_OTHERS
    said = numbers(ROOT / page)
    assert len(said) > 20
    assert said <= known


def numbers(page):
    """Return the means with their spread that the tables of a page hold."""
    lines = page.read_text().replace("\N{NO-BREAK SPACE}", " ").splitlines()
    return {number for line in lines if line.startswith("|") for number in re.findall(r"\d\.\d{3} ± \d\.\d{3}", line)}
