"""The matrix rung x factor on codes that carry one factor in one rung by construction."""

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from vlac.errors import VlacError
from vlac.evaluation.factors import rung_factor_matrix

pytestmark = pytest.mark.filterwarnings("error")

SETTINGS = {"neighbours": 5, "seed": 0}


def planted(seed, images=600):
    """Rung 1 carries the ink, rung 3 the digit, rung 4 has collapsed; nothing carries the typeface."""
    generator = np.random.default_rng(seed)
    sizes = {"digit": 5, "ink_hue": 3, "typeface": 4}
    factors = {name: generator.integers(size, size=images).astype(np.uint8) for name, size in sizes.items()}
    means = {
        3: _around(factors["digit"], generator),
        1: _around(factors["ink_hue"], generator),
        4: np.zeros((images, 2), dtype=np.float32),
    }
    # Clusters of rung 3: two to a digit.
    return means, factors, {3: factors["digit"].astype(np.int64) * 2 + generator.integers(2, size=images)}


def _around(factor, generator):
    centres = np.random.default_rng(7).normal(size=(factor.max() + 1, 4)) * 4
    return (centres[factor] + 0.1 * generator.normal(size=(len(factor), 4))).astype(np.float32)


@pytest.fixture
def data():
    (fit_means, fit_factors, _), (test_means, test_factors, test_y) = planted(1), planted(2)
    return fit_means, fit_factors, test_means, test_y, test_factors


def values(table, measure):
    return table[table.measure == measure].set_index(["rung", "factor"])["value"].to_dict()


def test_every_rung_shows_the_factor_that_it_carries(data):
    table = rung_factor_matrix(*data, **SETTINGS)
    knn, chance = values(table, "knn"), values(table, "chance")
    assert knn[1, "ink_hue"] == knn[3, "digit"] == 1.0
    for rung, factor in [(1, "digit"), (1, "typeface"), (3, "ink_hue"), (3, "typeface")]:
        assert abs(knn[rung, factor] - chance[rung, factor]) < 0.1, (rung, factor)


def test_only_mixture_rungs_have_nmi_and_it_is_scikit_learns(data):
    _, _, _, test_y, test_factors = data
    nmi = values(rung_factor_matrix(*data, **SETTINGS), "nmi")
    assert set(nmi) == {(3, "digit"), (3, "ink_hue"), (3, "typeface")}
    for (rung, factor), value in nmi.items():
        assert value == normalized_mutual_info_score(test_factors[factor], test_y[rung])
    # Ten clusters that halve five digits: NMI is near H(digit) over the mean of H(digit) and H(digit) + ln 2.
    assert nmi[3, "digit"] == pytest.approx(np.log(5) / (np.log(5) + np.log(2) / 2), abs=0.01)
    assert nmi[3, "typeface"] < 0.05


def test_a_collapsed_rung_shows_the_category_that_is_largest_in_train(data):
    _, fit_factors, _, _, test_factors = data
    knn = values(rung_factor_matrix(*data, **SETTINGS), "knn")
    for name, factor in test_factors.items():
        assert knn[4, name] == np.mean(factor == np.bincount(fit_factors[name]).argmax())


def test_layout(data):
    table = rung_factor_matrix(*data, **SETTINGS)
    assert list(table.columns) == ["rung", "factor", "measure", "value"]
    assert len(table) == 3 * 3 * 2 + 3
    assert table.rung.is_monotonic_increasing
    assert table.rung.dtype == np.int64
    assert list(table.factor.drop_duplicates()) == ["digit", "ink_hue", "typeface"]
    digit = data[4]["digit"]
    assert values(table, "chance")[1, "digit"] == np.bincount(digit).max() / len(digit)


def test_limits_and_repetition(data):
    limited = rung_factor_matrix(*data, **SETTINGS, fit_limit=60, test_limit=40)
    assert limited.equals(rung_factor_matrix(*data, **SETTINGS, fit_limit=60, test_limit=40))
    full = rung_factor_matrix(*data, **SETTINGS)
    assert values(limited, "nmi") == values(full, "nmi")
    assert values(limited, "knn") != values(full, "knn")
    # An accuracy over 40 test images is a multiple of 1/40.
    hits = np.array(list(values(limited, "knn").values())) * 40
    np.testing.assert_allclose(hits, hits.round(), atol=1e-9)


def test_one_factor_alone_is_scored_as_among_others(data):
    fit_means, fit_factors, test_means, test_y, test_factors = data
    alone = {"digit": fit_factors["digit"]}, test_means, test_y, {"digit": test_factors["digit"]}
    table = rung_factor_matrix(fit_means, *alone, **SETTINGS)
    full = rung_factor_matrix(*data, **SETTINGS)
    assert table.equals(full[full.factor == "digit"].reset_index(drop=True))


def test_mismatches_are_refused(data):
    fit_means, fit_factors, test_means, test_y, test_factors = data
    with pytest.raises(VlacError, match="rungs differ"):
        rung_factor_matrix({1: fit_means[1]}, fit_factors, test_means, test_y, test_factors, **SETTINGS)
    with pytest.raises(VlacError, match="factors differ"):
        rung_factor_matrix(fit_means, {"digit": fit_factors["digit"]}, test_means, test_y, test_factors, **SETTINGS)
    with pytest.raises(VlacError, match="NaN or infinity"):
        rung_factor_matrix({**fit_means, 1: fit_means[1] * np.nan}, *data[1:], **SETTINGS)


def test_a_method_without_codes_has_the_nmi_of_its_clusters_alone(data):
    _, fit_factors, _, test_y, test_factors = data
    table = rung_factor_matrix({}, fit_factors, {}, {1: test_y[3]}, test_factors, **SETTINGS)
    full = rung_factor_matrix(*data, **SETTINGS)
    assert values(table, "nmi") == {(1, factor): value for (_, factor), value in values(full, "nmi").items()}
    assert set(table.measure) == {"nmi"}
