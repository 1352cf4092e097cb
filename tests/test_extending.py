"""The three examples of docs/extending.md, run from the document's own text."""

import re
from pathlib import Path

import yaml
from project import ROOT, Project

BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
EXAMPLES = dict(BLOCK.findall((ROOT / "docs/extending.md").read_text()))


def test_the_method_of_the_page_is_the_one_that_ships() -> None:
    assert EXAMPLES["vlac/methods/kmeans.py"] == (ROOT / "vlac/methods/kmeans.py").read_text()


def test_the_table_of_the_page_s_method_data_set_and_metric(tmp_path: Path) -> None:
    project = Project.make(tmp_path, real=True).with_one_seed()
    (tmp_path / "vlac/datasets/handwritten.py").write_text(EXAMPLES["vlac/datasets/handwritten.py"])
    method = EXAMPLES["vlac/methods/kmeans.py"].replace('"kmeans"', '"another"')
    (tmp_path / "vlac/methods/another.py").write_text(method)
    path, entry = tmp_path / "vlac/evaluation/metrics.py", "vlac/evaluation/metrics.py, a last entry of METRICS"
    metrics = re.sub(r"(^METRICS = \(.*?)(^\)$)", rf"\1{EXAMPLES[entry]}\2", path.read_text(), flags=re.M | re.S)
    path.write_text(metrics)
    model = yaml.safe_load(EXAMPLES["params.yaml, under models"])["kmeans"] | {"kind": "another", "K": 12}
    project.change("models", to={"pixels": model})
    project.change("data", "source", to=yaml.safe_load(EXAMPLES["params.yaml, under data"])["source"])
    project.change("experiment", to="handwritten")
    project.snakemake("reports/table1.md")
    table = (tmp_path / "reports/table1.md").read_text()
    assert "pixels: k-means on pixels, K = 12" in table
    assert "scikit-learn's handwritten digits" in table
    assert "| train_1597.npz" in table
    assert "Largest" in table
