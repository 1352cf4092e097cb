"""Make trained weights that vlac ships, and measure them: python .ci/weights.py PROJECT MODEL SEED NAME.

PROJECT is a folder in which the pipeline has trained and scored the model. Writes vlac/weights/NAME.pt, as small as it
gets, and prints its ACC and that of the model in float32.
"""

import sys
from pathlib import Path

import torch

from vlac.archive import read_archive, write_archive
from vlac.data.split import Split
from vlac.estimator import WEIGHTS
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.files import sha256
from vlac.models.load import compact, load_method
from vlac.params.load import load_params
from vlac.tables import read_csv


def main() -> None:
    project, model, seed, name = Path(sys.argv[1]), *sys.argv[2:]
    params = load_params(project / "params.yaml")
    at = Path(params.experiment, "{}", model, seed)
    content = read_archive(project / "results" / str(at).format("train") / "model.pt")
    content["state"].pop("pretext", None)  # of VLAC+, not needed to name clusters or to draw
    content["state"]["weights"] = {key: compact(weight) for key, weight in content["state"]["weights"].items()}
    path = WEIGHTS / f"{name}.pt"
    write_archive(path, content)

    method = load_method(path, params)
    train, test = (Split.load(project / "data" / params.experiment / f"{part}.npz") for part in ("train", "test"))
    y_train, y_test = (method.encode(split.images).y[method.main_rung] for split in (train, test))
    mapping = majority_mapping(y_train, train.labels, method.K[method.main_rung], len(train.classes))
    scores = read_csv(project / "results" / str(at).format("evaluate") / "scores.csv")
    print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {sha256(path)}")
    used = [y for y in range(len(mapping)) if (y_train == y).any()]
    for t, class_name in enumerate(train.classes):
        print(f"Clusters of class {class_name}: {[y for y in used if mapping[y] == t]}")
    print(f"ACC {accuracy(y_test, test.labels, mapping):.4f}, in float32 {scores['acc'][0]:.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
