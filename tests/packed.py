"""A small project at home, and packs of it whose stages take no time."""

import contextlib
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from copied import ROOT
from engines import FAKE_STAGES, Project

from vlac.cli import main
from vlac.node import work as working
from vlac.node.pack import pack
from vlac.params.load import load_params

# One model, one seed.
SMALL: dict[str, Any] = yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text())
SMALL["probe"]["seeds"], SMALL["seeds"] = [0], [0]
SMALL["models"] = {"one": SMALL["models"]["vlac_1layer"], "two": SMALL["models"]["vlac_2layer"]}

# FAILS and SLEEPS name a part of a command: of those that fail at once, and those that ignore SIGTERM.
UNRULY = """
import os, signal, sys, time
line = " ".join(sys.argv[1:])
if os.environ.get("FAILS", "nothing") in line:
    sys.exit("error: broken on purpose")
if os.environ.get("SLEEPS", "nothing") in line:
    if "STUBBORN" in os.environ:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open("sleeping", "w") as file:
        file.write(str(os.getpid()))
    time.sleep(100)
"""


def home(folder: Path) -> Project:
    """Make a project with the parameters of `SMALL` there, and no results."""
    return Project.make(folder, SMALL)


def packed(project: Project, folder: Path) -> Path:
    """Pack the project, with stand-ins for the stages; return the folder."""
    with contextlib.chdir(project.folder):
        pack(folder, load_params())
    (folder / "vlac" / "__main__.py").write_text(UNRULY + FAKE_STAGES)
    return folder


def cli(arguments: list[str]) -> int:
    """Run a command of `python -m vlac` in this process, and undo what it does to logging and signals."""
    logger, signals = logging.getLogger("vlac"), (signal.SIGTERM, signal.SIGINT)
    before, handlers = list(logger.handlers), [signal.getsignal(each) for each in signals]
    try:
        return main(arguments)
    finally:
        logger.handlers[:] = before
        for each, handler in zip(signals, handlers, strict=True):
            signal.signal(each, handler)


@contextlib.contextmanager
def without(*packages: str) -> Any:
    """Let `work` believe that packages are not installed."""
    with pytest.MonkeyPatch.context() as patch:
        has = working._has
        patch.setattr(working, "_has", lambda name: name not in packages and has(name))
        yield
