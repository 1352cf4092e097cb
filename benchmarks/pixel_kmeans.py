"""Eq. (10) for k-means on raw pixels, the clustering that needs no model: what the table's rows have to beat.

    python benchmarks/pixel_kmeans.py

Reads data/train.npz and data/test.npz, as `python -m vlac prepare` leaves them.
"""

from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from vlac.data.split import DIGITS, Split
from vlac.evaluation.metrics import score

K = 50
SEEDS = (0, 1, 2)


def main() -> None:
    """Print accuracy with the mapping fitted on training labels, and on the scored labels, over seeds."""
    train, test = Split.load(Path("data/train.npz")), Split.load(Path("data/test.npz"))
    pixels = [split.images.reshape(len(split), -1).astype(np.float32) / 255 for split in (train, test)]
    rows = []
    for seed in SEEDS:
        kmeans = KMeans(K, n_init=1, random_state=seed).fit(pixels[0])
        y_train, y_test = kmeans.labels_.astype(np.int64), kmeans.predict(pixels[1]).astype(np.int64)
        rows.append(score(y_train, train.labels, y_test, test.labels, K, len(DIGITS)))
    for name in ("acc", "acc_test_map"):
        values = [row[name] for row in rows]
        print(f"{name}: {np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} over {len(SEEDS)} seeds")


if __name__ == "__main__":
    main()
