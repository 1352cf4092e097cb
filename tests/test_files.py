"""Atomic files: what a killed process leaves is cleared away, what a living one writes is not."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from vlac.errors import VlacError
from vlac.files import atomic, write_text

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


def test_what_a_killed_process_has_left_is_removed_by_the_next_writer_of_the_same_file(tmp_path, writer):
    writer.kill()
    writer.wait()
    (left,) = tmp_path.iterdir()
    assert left.read_bytes() == b"half"
    write_text(tmp_path / "other.json", "other")
    assert left.exists()
    write_text(tmp_path / "whole.json", "new")
    assert names(tmp_path) == ["other.json", "whole.json"]


def test_what_another_process_is_writing_is_left_alone(tmp_path, writer):
    write_text(tmp_path / "whole.json", "mine")
    assert (tmp_path / "whole.json").read_text() == "mine"
    assert len(names(tmp_path)) == 2
    writer.communicate("\n")
    assert writer.returncode == 0
    assert names(tmp_path) == ["whole.json"]
    assert (tmp_path / "whole.json").read_text() == "half"


def test_names_that_are_patterns_take_no_other_files_leftovers(tmp_path):
    (tmp_path / ".a.1.tmp").touch()
    write_text(tmp_path / "[a]", "bracket")
    write_text(tmp_path / "*", "star")
    assert names(tmp_path) == ["*", ".a.1.tmp", "[a]"]


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
