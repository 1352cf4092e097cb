"""Atomic files: what a killed process leaves is cleared away, what a living one writes is not."""

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlac.errors import VlacError
from vlac.files import atomic, remove_leftovers, write_text
from vlac.tables import read_csv, write_csv

ROOT = Path(__file__).parents[1]
HALF = """
import sys, time
from pathlib import Path
from vlac.files import atomic
with atomic(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path):
    """Yield a process that has written half of tmp_path / "whole.json" and waits for a line to end it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HALF, str(tmp_path / "whole.json")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "half\n"
    yield process
    process.kill()
    process.communicate()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_killed_processes_have_left_is_removed_for_that_file_alone(tmp_path, writer):
    writer.kill()
    writer.wait()
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    for other in ("other.json", "whole.jso?", "*"):
        remove_leftovers(tmp_path / other)
    remove_leftovers(tmp_path / "whole.json", older=3600.0)
    assert left.exists()
    remove_leftovers(tmp_path / "whole.json")
    assert names(tmp_path) == []


def test_what_another_process_is_writing_is_left_alone(tmp_path, writer):
    write_text(tmp_path / "whole.json", "mine")
    assert (tmp_path / "whole.json").read_text() == "mine"
    assert len(names(tmp_path)) == 2
    writer.communicate("\n")
    assert writer.returncode == 0
    assert names(tmp_path) == ["whole.json"]
    assert (tmp_path / "whole.json").read_text() == "half"


def fail_halfway(path, error):
    with atomic(path) as file:
        file.write(b"half")
        raise error


def test_an_error_while_writing_leaves_the_former_file_alone(tmp_path):
    path = tmp_path / "whole.json"
    write_text(path, "former")
    with pytest.raises(ZeroDivisionError):
        fail_halfway(path, ZeroDivisionError())
    with pytest.raises(VlacError, match=r"whole\.json could not be written: the disk is full"):
        fail_halfway(path, OSError(errno.ENOSPC, "No space left on device"))
    assert names(tmp_path) == ["whole.json"]
    assert path.read_text() == "former"


def test_a_csv_file_has_six_digits_and_is_read_back(tmp_path):
    rows = [
        {"seed": 0, "name": 'k-means, of "x"', "value": 1 / 3, "count": np.int64(7)},
        {"seed": 1, "name": "plain", "value": float("nan"), "count": np.int64(8), "late": 1e-7},
    ]
    write_csv(tmp_path / "a.csv", rows)
    written = 'seed,name,value,count,late\n0,"k-means, of ""x""",0.333333,7,\n1,plain,,8,1e-07\n'
    assert (tmp_path / "a.csv").read_text() == written
    write_csv(tmp_path / "a.csv", read_csv(tmp_path / "a.csv"))
    assert (tmp_path / "a.csv").read_text() == written
    write_csv(tmp_path / "b.csv", [], ("seed", "epoch"))
    assert (tmp_path / "b.csv").read_text() == "seed,epoch\n"
    assert read_csv(tmp_path / "b.csv").empty
    for damaged in ("", "seed,elbo\n0,1,2\n0,1,2,3\n"):
        (tmp_path / "a.csv").write_text(damaged)
        with pytest.raises(VlacError, match=r"a\.csv is damaged"):
            read_csv(tmp_path / "a.csv")
    with pytest.raises(VlacError, match=r"c\.csv is missing"):
        read_csv(tmp_path / "c.csv")
