"""A training in a process of its own, ended by signals and resumed, on a node that has only what training needs."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT, tiny_project

from vlac.cli import main

TRAIN = ["train", "--model", "vlac", "--seed", "1"]
MAIN = "import vlac.cli as c; exit(c.main())"
SHOWN = "from vlac.training import epochs, progress; progress.LINES = 0; "
CHATTY = ("-c", SHOWN + MAIN)
"""The same, but with a line after every epoch, however short."""
EAGER = ("-c", SHOWN + "epochs.CHECKPOINT_SECONDS = 0; " + MAIN)
"""With a checkpoint after every epoch, too."""

FOLDER = Path("results/tiny/train/vlac/1")
CHECKPOINT = "checkpoints/tiny/train/vlac/1.pt"
EPOCHS = 24


def start(*python):
    """Start a training of seed 1 in the working folder, on a node that has nothing but what this training needs."""
    bare = Path("bare")
    bare.mkdir(exist_ok=True)
    for module in ("mlflow", "sklearn", "tqdm", "dvc", "snakemake"):
        (bare / f"{module}.py").write_text("raise ImportError('not on this node')\n")
    environment = os.environ | {"PYTHONPATH": f"{bare.resolve()}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, *python, *TRAIN], env=environment, stderr=subprocess.PIPE, text=True)


def read_until(process, words):
    """Read the process's lines up to one that holds `words`; return them."""
    lines = ""
    for line in process.stderr:
        lines += line
        if words in line:
            return lines
    raise AssertionError(f"it ended without {words!r}:\n{lines}")


@pytest.mark.slow
def test_terminated_and_killed_it_ends_in_the_bytes_of_an_uninterrupted_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_project(tmp_path / "calm", EPOCHS))
    monkeypatch.setenv("VLAC_TRACKING", "later")
    assert main(TRAIN) == 0
    calm = FOLDER.resolve()

    monkeypatch.chdir(tiny_project(tmp_path / "rough", EPOCHS))
    process = start(*CHATTY)
    read_until(process, f"epoch 2/{EPOCHS}")
    process.send_signal(signal.SIGTERM)
    rest = process.communicate()[1]
    assert process.returncode == 143
    assert rest.endswith("interrupted: the same command resumes, from the last checkpoint if there is one.\n")
    assert "Traceback" not in rest

    process = start(*EAGER)
    resumed = re.search(rf"resumed from {CHECKPOINT} after epoch (\d+)", read_until(process, "resumed"))
    read_until(process, f"epoch {int(resumed[1]) + 2}/{EPOCHS}")
    process.kill()
    process.communicate()
    assert 2 <= int(resumed[1]) < EPOCHS - 2
    assert not FOLDER.exists()

    process = start("-m", "vlac")
    lines = process.communicate()[1]
    assert process.returncode == 0, lines
    assert int(re.search(r"resumed from .* after epoch (\d+)", lines)[1]) >= int(resumed[1]) + 2
    for name in ("model.pt", "history.csv", "manifest.json"):
        assert (FOLDER / name).read_bytes() == (calm / name).read_bytes(), name
    assert not Path(CHECKPOINT).exists()


def test_a_second_signal_at_the_same_moment_shows_nothing():
    both = """
import os, signal
from vlac import cli
signal.signal(signal.SIGINT, cli._interrupt), signal.signal(signal.SIGTERM, cli._terminate)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
os.kill(os.getpid(), signal.SIGINT), os.kill(os.getpid(), signal.SIGTERM)
try:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT, signal.SIGTERM])
except KeyboardInterrupt:
    print("interrupted")
"""
    ended = subprocess.run([sys.executable, "-c", both], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("interrupted\n", "")
