"""The command line: `vlac <command>`, or `python -m vlac <command>` as both engines run it."""

import argparse
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from vlac import __version__
from vlac.errors import VlacError
from vlac.params.load import load_params
from vlac.params.section import Asked
from vlac.workflow.jobs import STAGES, Job, jobs
from vlac.workflow.lock import whole_folder
from vlac.workflow.manifest import Origin
from vlac.workflow.requests import write_requests, write_rungs
from vlac.workflow.run import run_job
from vlac.workflow.stale import stale_jobs

HELP = f"""\
The engines run everything in order: snakemake --cores 4 reports/table1.md, or dvc repro. See README.md.

cluster pictures of your own:
  cluster                  train on a folder of pictures           vlac cluster FOLDER --out OUT --minutes 20
  assign                   clusters of other pictures              vlac assign OUT/model.pt FOLDER --out more.csv

see where things stand:
  plan                     list every job, its state and its command

run without an engine:
  work                     run what is not up to date, in order     vlac work --minutes 230

run one stage by hand:
  {", ".join(sorted({"train", *STAGES} - {"train_vlae"}))}
                           a stage of params.yaml                   vlac train --model gmdgm --seed 0
  trial, search            a stage of search.yaml                   vlac trial --model wider --seed 0

keep the views up to date:
  track                    rebuild the MLflow view from the files     vlac track --models
  requests                 write what DVC compares to find changed code and parameters
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 for a mistake that the user can correct, or 128 + n after signal n.

    A bug is shown as Python shows it. `work` returns 3 if its time was up, and 4 if a job failed.
    """
    options = _parser().parse_args(arguments)
    for library in ("OMP", "OPENBLAS", "MKL"):
        # Sums split over threads differ in their last bits from run to run. Trainings set torch's threads themselves.
        os.environ[f"{library}_NUM_THREADS"] = "1"
    os.environ["MPLBACKEND"] = "agg"  # a notebook's own is in its environment, and may not be installed here
    _log_to_console()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return options.run(options) or 0
    except VlacError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, _Terminated) as stop:
        print("interrupted: the same command resumes, from the last checkpoint if there is one.", file=sys.stderr)
        return 128 + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `vlac plan | head`.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - so that the interpreter's own flush at exit finds no pipe
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vlac", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter, usage="vlac COMMAND ..."
    )
    parser.add_argument("--version", action="version", version=f"vlac {__version__}")
    commands = parser.add_subparsers(prog="vlac", required=True, metavar="COMMAND", help=argparse.SUPPRESS)

    def add(name: str, run: Callable[[argparse.Namespace], int | None]) -> argparse.ArgumentParser:
        command = commands.add_parser(name)
        command.set_defaults(run=run, command=name, model="", seed=None)
        return command

    for name in (*STAGES, "trial", "search"):
        if name == "train_vlae":  # `train --model vlae`
            continue
        stage = add(name, _run_stage)
        if name in ("train", "evaluate", "figures", "trial"):
            stage.add_argument("--model", required=True, help="a model of params.yaml, or a trial of search.yaml")
        if name in ("train", "evaluate", "figures", "trial", "probe"):
            stage.add_argument("--seed", required=True, type=int, help="a seed that the file lists")
    clustering = add("cluster", _cluster)
    clustering.add_argument("folder", type=Path, help="pictures, at any depth, or a .npy or .npz file")
    clustering.add_argument("--out", type=Path, required=True, help="a folder for page, table and model")
    by_rung = clustering.add_mutually_exclusive_group()
    K = "clusters by rung, default 1 1 50 5, of vlac 1 5 50 1"
    by_rung.add_argument("--K", type=int, nargs=4, metavar="K_l", help=K)
    by_rung.add_argument("--auto-K", action="store_true", help="of vlac: as many as the evidence supports")
    clustering.add_argument("--minutes", type=float, help="how long the training may take")
    clustering.add_argument("--size", type=int, choices=[32, 64], default=32, help="pixels a side, default 32")
    clustering.add_argument("--method", choices=["vlac", "vlac_plus"], default="vlac_plus", help="default vlac_plus")
    clustering.add_argument("--seed", type=int, default=0, help="of everything, default 0")
    clustering.add_argument("--threads", type=int, default=1, help="of the CPU, default 1")
    clustering.add_argument("--labels", choices=["subfolders"], help="score against the folders' names")
    assigning = add("assign", _assign)
    assigning.add_argument(
        "model_file",
        type=Path,
        metavar="MODEL",
        help="model.pt of `cluster`, or one that comes with vlac: svhn_plus, svhn, digits",
    )
    assigning.add_argument("folder", type=Path, help="pictures, at any depth, or a .npy or .npz file")
    assigning.add_argument("--out", type=Path, required=True, help="a .csv file")
    for command in (clustering, assigning):
        command.add_argument("--force", action="store_true", help="overwrite what is there")
    add("plan", _plan)
    add("requests", lambda options: write_requests(load_params()))
    add("track", _track).add_argument("--models", action="store_true", help="log the trained models, too")
    working = add("work", _work)
    working.add_argument("--minutes", type=float, help="stop after so long; the same command resumes")
    working.add_argument("--jobs", type=int, default=1, metavar="N", help="so many at a time")
    return parser


def _asked(searches: bool) -> Iterator[tuple[Job, Asked]]:
    """Yield every job of params.yaml, or of search.yaml, with its parameters, in an order in which they can run."""
    if searches:
        from vlac.search.params import search_jobs

        yield from search_jobs()
    else:
        params = load_params()
        yield from ((job, params) for job in jobs(params))


def _run_stage(options: argparse.Namespace) -> None:
    of_search = options.command in ("trial", "search")
    every = list(_asked(of_search))
    of_command = {job: params for job, params in every if job.stage.command == options.command}
    job = next((job for job in of_command if (job.model, job.seed) == (options.model, options.seed)), None)
    if job is None:
        file = "search.yaml" if of_search else "params.yaml"
        seeds = [str(each.seed) for each in of_command if each.model == options.model]
        named = f"seeds {', '.join(seeds)}" if seeds else f"models {', '.join({each.model: 0 for each in of_command})}"
        raise VlacError(f"{file} lists no such job of `{options.command}`.", f"It lists the {named}.")
    params = of_command[job]
    stage = getattr(importlib.import_module(job.stage.module), job.stage.module.rpartition(".")[2])

    from vlac import tracking

    def work(job: Job, view: Any, origin: Origin) -> None:
        if not job.stage.trains:
            stage(job, view, origin)
        else:
            with tracking.training(job, params) as live:
                stage(job, view, origin, live)

    def after() -> None:
        tracking.publish(job, every)
        if job.stage.trains:
            # The checkpoint goes last: an engine deletes the outputs of a job that is interrupted while it publishes.
            from vlac.training.checkpoint import discard

            discard(job.checkpoint)

    run_job(job, params, [each for each, _ in every], work, after)


def _cluster(options: argparse.Namespace) -> None:
    from vlac.folder.cluster import cluster

    labels = options.labels == "subfolders"
    settings = options.minutes, options.seed, options.threads, labels, options.force, options.method, options.size
    cluster(options.folder, options.out, "auto" if options.auto_K else options.K, *settings)


def _assign(options: argparse.Namespace) -> None:
    from vlac.folder.cluster import assign

    assign(options.model_file, options.folder, options.out, options.force)


def _plan(options: argparse.Namespace) -> None:
    every = list(_asked(False))
    left = stale_jobs(every)
    for job, _ in every:
        print(f"{left.get(job, 'up to date'):<34} {job.command}")
    print(f"{len(left)} of {len(every)} jobs have to be run.")


def _track(options: argparse.Namespace) -> None:
    from vlac import tracking

    print(tracking.rebuild(_asked(False)))
    if os.path.exists("results/search"):
        try:
            print(tracking.rebuild(list(_asked(True))))
        except VlacError as error:
            print(f"The search is left out: {error}")
    if options.models:
        from vlac.tracking.models import log_models

        print(log_models(_asked(False)))


def _work(options: argparse.Namespace) -> int:
    from vlac.workflow.work import work

    with whole_folder():
        write_rungs(load_params())
        return work(_asked(False), options.minutes, options.jobs)


class _Terminated(BaseException):
    """SIGTERM: raised so that files stay intact and views are closed, as for Ctrl-C."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    # Batch systems signal every process of a job, and `work` passes its signal on: a second one may not break the end.
    signal.signal(signal.SIGTERM, _ignore)
    raise _Terminated


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # After Ctrl-C an engine sends SIGTERM to jobs that have got the SIGINT themselves; a second Ctrl-C is meant.
    signal.signal(signal.SIGTERM, _ignore)
    signal.default_int_handler(signum, frame)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Do nothing. Of SIG_IGN Python shows a traceback where the signal is already pending."""


def _log_to_console() -> None:
    """Show the package's own log lines on standard error, except those that are for a log file alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: not getattr(record, "only_in_file", False))
    logger = logging.getLogger("vlac")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
