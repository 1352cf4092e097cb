"""The matrix rung x factor on codes that carry one factor in one rung by construction."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from vlac.evaluation.factors import rung_factor_matrix, seen_factors

pytestmark = pytest.mark.filterwarnings("error")

SETTINGS = {"neighbours": 5, "seed": 0}
NAMES = ["digit", "ink_hue", "typeface"]


def planted(seed, images=600):
    """Rung 1 carries the ink, rung 3 the digit, rung 4 has collapsed; nothing carries the typeface."""
    generator = np.random.default_rng(seed)
    factors = {n: generator.integers(k, size=images).astype(np.uint8) for n, k in zip(NAMES, (5, 3, 4), strict=True)}
    means = {3: around(factors["digit"], generator), 1: around(factors["ink_hue"], generator)}
    means[4] = np.zeros((images, 2), dtype=np.float32)
    # Clusters of rung 3: two to a digit.
    return means, factors, {3: factors["digit"].astype(np.int64) * 2 + generator.integers(2, size=images)}


def around(factor, generator):
    centres = np.random.default_rng(7).normal(size=(factor.max() + 1, 4)) * 4
    return (centres[factor] + 0.1 * generator.normal(size=(len(factor), 4))).astype(np.float32)


@pytest.fixture
def data():
    (fit_means, fit_factors, _), (test_means, test_factors, test_y) = planted(1), planted(2)
    return fit_means, fit_factors, test_means, test_y, test_factors


def values(rows, measure):
    return {(row["rung"], row["factor"]): row["value"] for row in rows if row["measure"] == measure}


def test_every_rung_shows_the_factor_that_it_carries(data):
    _, fit_factors, _, test_y, test_factors = data
    rows = rung_factor_matrix(*data, **SETTINGS)
    nmi, knn, chance = (values(rows, measure) for measure in ("nmi", "knn", "chance"))
    assert list(knn) == list(chance) == [(rung, name) for rung in (1, 3, 4) for name in NAMES]
    assert knn[1, "ink_hue"] == knn[3, "digit"] == 1.0
    for rung, factor in [(1, "digit"), (1, "typeface"), (3, "ink_hue"), (3, "typeface")]:
        assert abs(knn[rung, factor] - chance[rung, factor]) < 0.1, (rung, factor)
    for name, factor in test_factors.items():
        assert chance[1, name] == np.bincount(factor).max() / len(factor)
        # A collapsed rung shows the category that is largest in train.
        assert knn[4, name] == np.mean(factor == np.bincount(fit_factors[name]).argmax())
        assert nmi[3, name] == pytest.approx(normalized_mutual_info_score(factor, test_y[3]))
    # Ten clusters that halve five digits: NMI is near H(digit) over the mean of H(digit) and H(digit) + ln 2.
    assert nmi[3, "digit"] == pytest.approx(np.log(5) / (np.log(5) + np.log(2) / 2), abs=0.01)
    assert len(nmi) == 3


def test_limits_and_repetition(data):
    limited = rung_factor_matrix(*data, **SETTINGS, fit_limit=60, test_limit=40)
    assert limited == rung_factor_matrix(*data, **SETTINGS, fit_limit=60, test_limit=40)
    full = rung_factor_matrix(*data, **SETTINGS)
    assert values(limited, "nmi") == values(full, "nmi")
    # An accuracy over 40 test images is a multiple of 1/40.
    hits = np.array(list(values(limited, "knn").values())) * 40
    np.testing.assert_allclose(hits, hits.round(), atol=1e-9)


def test_a_method_without_codes_has_the_nmi_of_its_clusters_alone(data):
    _, fit_factors, _, test_y, test_factors = data
    rows = rung_factor_matrix({}, fit_factors, {}, {1: test_y[3]}, test_factors, **SETTINGS)
    assert [(row["rung"], row["factor"], row["measure"]) for row in rows] == [(1, name, "nmi") for name in NAMES]


def test_brightness_and_hue_are_those_of_the_mean_colour():
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (100, 100, 0), (10, 0, 0)]  # red, green, blue, yellow, dark red
    train = np.zeros((10, 32, 32, 3), np.uint8)
    train[:, :, ::2] = np.arange(0, 200, 20)[:, None, None, None]  # ten greys, half of each picture black
    test = np.tile(np.array(colours, np.uint8)[:, None, None], (1, 32, 32, 1))
    on_train, on_test = seen_factors(train, test)
    assert on_train.keys() == on_test.keys() == {"mean_brightness"}  # grey pictures have no hue
    assert on_train["mean_brightness"].tolist() == list(range(10))  # 0, 10, ... 90
    assert on_test["mean_brightness"].tolist() == [7, 7, 7, 7, 0]  # 66.7 is above seven of the edges 9, 18, ... 81
    red, green, blue, yellow, dark = seen_factors(test, test)[0]["mean_hue"]
    assert red == dark < yellow < green < blue
