"""The MLflow view of two seeds trained at once, interrupted at every moment at which it speaks to the store."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from packed import cli
from tiny import tiny_project
from tracked import shown

from vlac.stages import STAGES, Job
from vlac.tracking import journal, store

pytest_plugins = ["tracking_fixtures"]

ROOT = Path(__file__).parents[1]
JOB = Job(STAGES["train"], model="vlac", seeds="0-1")
COMMAND = ["train", "--model", "vlac", "--seeds", "0-1"]
WRITES = ("create_run", "log_batch", "log_artifact", "set_tag", "set_terminated", "update_run", "delete_run")
HELD = """
import sys, threading
import vlac.cli
from vlac.training import Trainer

last = int(sys.argv.pop(1))
train, stop, stopped = Trainer.epochs, Trainer.stop, threading.Event()

def epochs(trainer):
    for row, rate in train(trainer, 0):
        yield row, rate
        if row["epoch"] == last:
            stopped.wait()

def stop_and_tell(trainer):
    stop(trainer)
    stopped.set()

Trainer.epochs, Trainer.stop = epochs, stop_and_tell
sys.exit(vlac.cli.main())
"""
"""The command line, but with a checkpoint after every epoch, however short, and no epoch after one until a signal."""


def prepare(folder: Path, epochs: int) -> None:
    """Make the folder a project whose group of two seeds is trained at once."""
    tiny_project(folder, epochs)
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["training"]["at_once"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(values))


def statuses(view: store.Store) -> dict[str, str]:
    return {name: run["status"] for name, run in shown(view).items()}


def content(view: store.Store) -> dict[str, dict]:
    """Return all that the view shows of the training but for its log, which tells of each start."""
    runs = shown(view)
    for run in runs.values():
        del run["tags"]["vlac.digest"]  # of the log too
        run["files"].pop("train/0-1.log")
    return runs


class Interrupter:
    """Stands in for the client's calls, and sends this process a signal before or after the n-th of them."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls, self.at, self.signal, self.before = 0, -1, signal.SIGTERM, True
        for name in WRITES:
            patch.setattr(MlflowClient, name, self._wrapped(getattr(MlflowClient, name)))

    def _wrapped(self, method):
        def call(client, *arguments, **named):
            now, self.calls = self.calls == self.at, self.calls + 1
            if now and self.before:
                os.kill(os.getpid(), self.signal)
            result = method(client, *arguments, **named)
            if now and not self.before:
                os.kill(os.getpid(), self.signal)
            return result

        return call

    def run(self, at: int, sent: signal.Signals = signal.SIGTERM, before: bool = True) -> int:
        """Run the training from its start, with a signal at the call of that number; return the exit status."""
        self.calls, self.at, self.signal, self.before = 0, at, sent, before
        return cli(COMMAND)


def test_no_run_counts_as_running_after_a_signal_at_any_call_and_the_same_command_ends_as_if_undisturbed(
    view: store.Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(folder, epochs=1)  # the test below stops between epochs
    interrupter = Interrupter(monkeypatch)
    assert interrupter.run(-1) == 0
    calm, calls = content(view), interrupter.calls
    assert {run["status"] for run in calm.values()} == {"FINISHED"}
    assert calls > 10
    moments = [(at, signal.SIGTERM, False) for at in range(calls)]
    moments += [(at, signal.SIGINT, True) for at in (0, calls // 2, calls - 1)]
    for at, sent, before in moments:
        shutil.rmtree("results/train")
        shutil.rmtree("checkpoints", ignore_errors=True)
        status = interrupter.run(at, sent, before)
        assert status == 128 + sent
        assert "RUNNING" not in statuses(view).values(), (at, sent, before)
        assert interrupter.run(-1) == 0
        assert content(view) == calm, (at, sent, before)


def start_until(epoch: int) -> "subprocess.Popen[str]":
    """Start the training in a process of its own and return when both seeds have shown so many epochs, their last."""
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, str(epoch), *COMMAND],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: set[str] = set()
    said = ""
    for line in process.stderr:
        said += line
        if found := re.match(rf"vlac seed (\d) epoch {epoch}/", line):
            seen.add(found[1])
        if seen == {"0", "1"}:
            return process
    raise AssertionError(said)


@pytest.mark.slow
def test_in_a_process_of_its_own_terminated_and_killed(view: store.Store, folder: Path) -> None:
    prepare(folder, epochs=6)
    names = {"vlac seed 0", "vlac seed 1"}
    process = start_until(2)
    process.terminate()
    process.communicate()
    assert process.returncode == 143
    assert statuses(view) == dict.fromkeys(names, "KILLED")

    process = start_until(3)
    process.kill()
    # Not waited for yet, so its number is still taken, as under a container's first process that waits for nobody.
    deadline = time.monotonic() + 60
    while not journal.read(JOB).over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert statuses(view) == dict.fromkeys(names, "RUNNING")
    assert cli(["track"]) == 0
    assert statuses(view) == dict.fromkeys(names, "KILLED")
    process.communicate()

    process = start_until(4)
    process.kill()
    process.communicate()
    assert statuses(view) == dict.fromkeys(names, "RUNNING")
    assert cli(COMMAND) == 0
    runs = shown(view)
    assert {name: run["status"] for name, run in runs.items()} == dict.fromkeys(names, "FINISHED")
    for run in runs.values():
        assert [step for step, _ in run["points"]["elbo"]] == list(range(1, 7))


def test_a_killed_run_of_parameters_that_nobody_asks_for_any_more_is_found_out(view: store.Store, folder: Path) -> None:
    prepare(folder, epochs=2)
    view.client.create_run(view.experiment, tags={store.KEY: "train/gone/0"}, run_name="gone")
    view.client.create_run(view.experiment, run_name="somebody else's")
    assert cli(["track"]) == 0
    assert statuses(view) == {"gone": "KILLED", "somebody else's": "RUNNING"}
