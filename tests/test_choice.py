"""The rule of a search on hand-made scores."""

import math

import pytest

from vlac.evaluation.choice import Choice, choose

NAN = math.nan


@pytest.mark.parametrize(
    ("scores", "lead", "chosen"),
    [
        # means 0.30 and 0.33
        ({"base": [0.2, 0.4], "other": [0.33, 0.33]}, 0.02, Choice("other", "other", 0.03)),
        ({"base": [0.2, 0.4], "other": [0.33, 0.33]}, 0.04, Choice("base", "other", 0.03)),
        ({"base": [0.2, 0.4], "other": [0.25, 0.25]}, 0.0, Choice("base", "other", -0.05)),
        # A lead met exactly: in floating point 0.29 - 0.28 is below 0.01.
        ({"base": [0.28], "other": [0.29]}, 0.01, Choice("other", "other", 0.01)),
        # Equal means: the base stays, even where no lead is asked for; of two others the first counts.
        ({"base": [0.3], "other": [0.3]}, 0.0, Choice("base", "other", 0.0)),
        ({"first": [0.4], "base": [0.3], "second": [0.4]}, 0.05, Choice("first", "first", 0.1)),
        # One seed that failed rules a trial out, whatever the others reached.
        ({"base": [0.3, 0.3], "other": [0.9, NAN]}, 0.01, Choice("base", None, None)),
        ({"base": [0.3, 0.3], "other": [0.9, NAN], "third": [0.4, 0.4]}, 0.01, Choice("third", "third", 0.1)),
        ({"base": [NAN, 0.9], "other": [0.1, 0.2]}, 0.5, Choice("other", "other", None)),
        ({"base": [NAN], "other": [NAN]}, 0.0, Choice(None, None, None)),
        ({"base": [0.3]}, 0.0, Choice("base", None, None)),
    ],
)
def test_choice(scores: dict[str, list[float]], lead: float, chosen: Choice) -> None:
    made = choose(scores, "base", lead)
    assert (made.trial, made.best) == (chosen.trial, chosen.best)
    assert made.lead == pytest.approx(chosen.lead)
