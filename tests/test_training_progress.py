"""Which epochs of a training are shown outside a terminal."""

import logging
from types import SimpleNamespace

import pytest

from vlac.training import progress


@pytest.mark.parametrize(("seconds", "seen"), [(30.0, [1, 4, 7, 8]), (0.0, list(range(1, 9)))])
def test_epochs_have_a_line_every_half_minute_and_the_first_and_the_last_in_any_case(
    monkeypatch, caplog, seconds, seen
):
    caplog.set_level(logging.INFO, "vlac")
    monkeypatch.setattr(progress, "LINES", seconds)
    of = progress.Progress("vlac seed 0", 20, 0)
    for epoch in range(1, 9):  # of ten seconds each
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda epoch=epoch: 10.0 * epoch))
        of.show({"epoch": epoch, "loss": 0.5}, 100, 10.0, done=epoch == 8)
    assert len(caplog.records) == 8  # the log file has all
    shown = [record.getMessage() for record in caplog.records if not record.only_in_file]
    assert [int(line.split("epoch ")[1].split("/")[0]) for line in shown] == seen
    assert shown[0] == "vlac seed 0 epoch 1/20: loss 0.500  10 images/s, 3.2 min left"
