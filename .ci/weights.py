"""Make trained weights that vlac ships, and measure them: python .ci/weights.py PROJECT MODEL SEED NAME.

PROJECT is a folder in which the pipeline has trained and scored the model. Writes vlac/weights/NAME.pt, in float16, and
prints its ACC and that of the model in float32.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from vlac.data.split import Split
from vlac.evaluation.metrics import accuracy, majority_mapping
from vlac.files import sha256
from vlac.models.load import load_method, read_archive, write_archive
from vlac.params.load import load_params
from vlac.tables import read_csv

WEIGHTS = Path(__file__).resolve().parents[1] / "vlac/weights"
BATCH = 5000


def main() -> None:
    project, model, seed, name = Path(sys.argv[1]), *sys.argv[2:]
    params = load_params(project / "params.yaml")
    at = Path(params.experiment, "{}", model, seed)
    content = read_archive(project / "results" / str(at).format("train") / "model.pt")
    weights = content["state"]["weights"]
    content["state"]["weights"] = {key: w.half() if w.is_floating_point() else w for key, w in weights.items()}
    path = WEIGHTS / f"{name}.pt"
    write_archive(path, content)

    method = load_method(path, params)
    clusters, labels = {}, {}
    for part in ("train", "test"):
        split = Split.load(project / "data" / params.experiment / f"{part}.npz")
        batches = np.split(split.images, range(BATCH, len(split), BATCH))
        clusters[part] = np.concatenate([method.encode(batch).y[method.main_rung] for batch in batches])
        labels[part] = split.labels
    mapping = majority_mapping(
        clusters["train"], labels["train"], method.K[method.main_rung], int(labels["test"].max()) + 1
    )
    scores = read_csv(project / "results" / str(at).format("evaluate") / "scores.csv")
    print(f"{path.name}: {path.stat().st_size:,} bytes, sha256 {sha256(path)}")
    print(f"ACC {accuracy(clusters['test'], labels['test'], mapping):.4f}, in float32 {scores[0]['acc']:.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
