"""The three examples of docs/extending.md, run from the document's own text."""

import re

import pytest
import yaml
from project import ROOT, Project

BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
EXAMPLES = dict(BLOCK.findall((ROOT / "docs/extending.md").read_text()))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the page's method and data set, and nothing else, everything made."""
    project = Project.make(tmp_path_factory.mktemp("extended"), real=True).with_one_seed()
    (project.folder / "vlac/datasets/handwritten.py").write_text(EXAMPLES["vlac/datasets/handwritten.py"])
    method = EXAMPLES["vlac/methods/kmeans.py"].replace('"kmeans"', '"another"')
    (project.folder / "vlac/methods/another.py").write_text(method)
    entry = yaml.safe_load(EXAMPLES["params.yaml, under models"])["kmeans"] | {"kind": "another", "K": 12}
    project.change("models", to={"pixels": entry})
    project.change("data", "source", to=yaml.safe_load(EXAMPLES["params.yaml, under data"])["source"])
    project.change("experiment", to="handwritten")
    project.snakemake("reports/table1.md", "reports/handwritten/data.md", "reports/handwritten/figures/pixels/0")
    return project


def table(project: Project) -> str:
    return (project.folder / "reports/table1.md").read_text()


def test_the_method_of_the_page_is_the_one_that_ships() -> None:
    assert EXAMPLES["vlac/methods/kmeans.py"] == (ROOT / "vlac/methods/kmeans.py").read_text()


def test_a_method_is_a_module_and_an_entry_in_params(project: Project) -> None:
    assert "pixels: k-means on pixels, K = 12" in table(project)
    assert (project.folder / "reports/handwritten/figures/pixels/0/clusters.png").stat().st_size > 1000


def test_a_data_set_is_a_module_and_its_name(project: Project) -> None:
    assert "scikit-learn's handwritten digits" in table(project)
    assert "| train_1597.npz" in table(project)


def test_a_metric_is_one_entry(project: Project) -> None:
    path = project.folder / "vlac/evaluation/metrics.py"
    entry = EXAMPLES["vlac/evaluation/metrics.py, a last entry of METRICS"]
    path.write_text(re.sub(r"(^METRICS = \(.*?)(^\)$)", rf"\1{entry}\2", path.read_text(), flags=re.M | re.S))
    assert not {command for command in project.planned() if command.startswith("train")}
    project.snakemake("reports/table1.md")
    assert "Largest" in table(project)
