"""The demand on what a failing command says: one sentence, for people."""

import re

UNSEEN = "MLflow does not show this run: .*`python -m vlac track` shows it later"
"""The warning of a stage that goes on without its view."""


def error_sentence(said: str, *patterns: str) -> str:
    """Return the one error sentence in a command's words; an engine may show it twice, from console and log.

    Raises:
        AssertionError: there is none, or several, or one of the patterns is not in it, or it blames a bug.
    """
    found = {line.strip().removeprefix("error: ") for line in said.splitlines() if line.strip().startswith("error: ")}
    assert len(found) == 1, f"{len(found)} error sentences: {said}"
    (sentence,) = found
    missing = [pattern for pattern in patterns if not re.search(pattern, sentence)]
    assert not missing, f"{missing} not in: {sentence}"
    assert "This is a bug" not in sentence, sentence
    return sentence


def warnings(said: str, pattern: str) -> list[str]:
    """Return the lines that match."""
    return [line.strip() for line in said.splitlines() if re.search(pattern, line)]
