"""The command line: `python -m vlac <stage> ...`, the same text that both engines run."""

import argparse
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from vlac import __version__
from vlac.errors import VlacError
from vlac.params import load_params
from vlac.params.schema import Params
from vlac.params.trials import SEARCH, load_search
from vlac.stages import STAGES, Job, jobs, run_stage
from vlac.stages.definitions import VLAE
from vlac.stages.engine import whole_folder
from vlac.stages.search import SEARCH_STAGES
from vlac.stages.stale import sort_out

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 for a mistake that the user can mend, or 128 + n after signal n.

    `work` returns 3 or 4 where work is left, and `unpack` 2 where it left results in the pack.
    """
    options = _parser().parse_args(arguments)
    _log_to_console()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a job in the background ignores Ctrl-C
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return options.run(options) or 0
    except VlacError as error:
        if options.traceback:
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, _Terminated) as stop:
        print(
            "interrupted: the same command starts again, from the last checkpoint where there is one.", file=sys.stderr
        )
        return 128 + (signal.SIGTERM if isinstance(stop, _Terminated) else signal.SIGINT)
    except BrokenPipeError:
        # Whoever read our output has seen enough, as in `python -m vlac plan | head`.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - so that the interpreter's own flush at exit finds no pipe
        return 0
    except Exception as error:
        if options.traceback:
            raise
        print(
            f"error: {type(error).__name__}: {error}. This is a bug in vlac, or in what it met; run "
            f"`python -m vlac --traceback {' '.join(sys.argv[1:])}` for the details to report.",
            file=sys.stderr,
        )
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vlac",
        description="The stages of the pipeline; snakemake and dvc run them in order. See README.md.",
    )
    parser.add_argument("--version", action="version", version=f"vlac {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str, run: Callable[[argparse.Namespace], int | None], text: str, *needs: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if "model" in needs:
            known = "a model of params.yaml, or vlae" if name == "train" else "a model of params.yaml"
            command.add_argument("--model", required=True, help=known)
        if "seeds" in needs:
            command.add_argument("--seeds", required=True, help="a seed group of params.yaml, such as 0 or 0-4")
        if "folder" in needs:
            command.add_argument("folder", type=Path, metavar="FOLDER")
        return command

    add("download", _download, "bring the digit files here and check them")
    add("prepare", _prepare, "turn them into arrays, and report on them")
    add("train", _train, "train a model for a group of seeds", "model", "seeds")
    add("probe", _probe, "score the rungs of the VLAE on the hold-out", "seeds")
    add("rung", _rung, "gather the probe's scores and settle the digit rung")
    add("evaluate", _evaluate, "score a model's clusters on the test split", "model", "seeds")
    add("figures", _figures, "draw a model's figures", "model", "seeds")
    add("table", _table, "fill Table 1")
    trial = add("trial", _trial, "train and score one trial of search.yaml")
    trial.add_argument("name", help="a trial of search.yaml")
    trial.add_argument("--seed", required=True, help="a seed of search.yaml")
    add("search", _search, "gather the trials of search.yaml and apply its rule")
    add("plan", _plan, "list every job, its state and its command")
    add("track", _track, "make the MLflow view again from the result files")
    add("handover", _handover, "tell the other engine what one engine has made")
    packing = add("pack", _pack, "fill a folder with all that a machine without internet and engines needs", "folder")
    packing.add_argument("--preset", metavar="NAME", help="the experiment of presets/NAME.yaml, not of params.yaml")
    packing.add_argument("--without-data", action="store_true", help="leave out the data arrays")
    working = add("work", _work, "run what is not up to date, in order, without an engine")
    working.add_argument("--minutes", type=float, help="stop after so long; the same command goes on")
    working.add_argument("--stages", metavar="A,B", help="only these stages, for example train_vlae,train")
    add("unpack", _unpack, "bring results home from a packed folder, and tell the engines and MLflow", "folder")
    return parser


# The imports below stand in the commands because each costs seconds that the other commands need not wait.


def _download(options: argparse.Namespace) -> None:
    from vlac.pipeline.download import download

    run_stage(Job(STAGES["download"]), download)


def _prepare(options: argparse.Namespace) -> None:
    from vlac.pipeline.prepare import prepare

    run_stage(Job(STAGES["prepare"]), prepare)


def _train(options: argparse.Namespace) -> None:
    from vlac.pipeline.train import discard_checkpoints, train

    job = Job(STAGES["train"], model=options.model, seeds=options.seeds)
    if options.model == VLAE:
        job = Job(STAGES["train_vlae"], seeds=options.seeds)
    _train_and_publish(job, train, discard_checkpoints)


def _probe(options: argparse.Namespace) -> None:
    from vlac.pipeline.probe import probe

    _run_and_publish(Job(STAGES["probe"], seeds=options.seeds), probe)


def _rung(options: argparse.Namespace) -> None:
    from vlac.pipeline.rung import settle_rung

    _run_and_publish(Job(STAGES["rung"]), settle_rung)


def _evaluate(options: argparse.Namespace) -> None:
    from vlac.pipeline.evaluate import evaluate

    _run_and_publish(Job(STAGES["evaluate"], model=options.model, seeds=options.seeds), evaluate)


def _figures(options: argparse.Namespace) -> None:
    from vlac.pipeline.figures import figures

    _run_and_publish(Job(STAGES["figures"], model=options.model, seeds=options.seeds), figures)


def _table(options: argparse.Namespace) -> None:
    from vlac.pipeline.table import table

    _run_and_publish(Job(STAGES["table"]), lambda job, params: table(params))


def _trial(options: argparse.Namespace) -> None:
    from vlac.pipeline.trial import discard_checkpoint, trial

    _train_and_publish(Job(SEARCH_STAGES["trial"], model=options.name, seeds=options.seed), trial, discard_checkpoint)


def _search(options: argparse.Namespace) -> None:
    from vlac.pipeline.search import search

    job = Job(SEARCH_STAGES["search"])
    run_stage(job, lambda asked: search(job, asked))


def _plan(options: argparse.Namespace) -> None:
    from vlac.node.folder import settled

    params = load_params()
    done, left = sort_out(params, settled(params))
    for job in jobs(params):
        print(f"{left.get(job, 'up to date'):<34} {job.command}")
    print(f"{len(left)} of {len(done) + len(left)} jobs have to be run.")


def _track(options: argparse.Namespace) -> None:
    from vlac import tracking

    print(tracking.rebuild(load_params()))
    if SEARCH.exists():
        print(tracking.rebuild_search(load_search()))


def _handover(options: argparse.Namespace) -> None:
    from vlac.stages.handover import hand_over

    with whole_folder(dvc_may_work=True):
        done, left = hand_over(load_params())
    print(f"Both engines now take {len(done)} finished jobs as done.")
    for job, why in left.items():
        print(f"Still to be made: {job} ({why}).")


def _pack(options: argparse.Namespace) -> None:
    from vlac.node.pack import pack, preset

    params = preset(options.preset) if options.preset else load_params()
    print(pack(options.folder, params, with_data=not options.without_data))


def _work(options: argparse.Namespace) -> int:
    from vlac.node.work import chosen_stages, work

    with whole_folder():
        outcome = work(load_params(), chosen_stages(options.stages), options.minutes)
    print(outcome)
    return outcome.status


def _unpack(options: argparse.Namespace) -> int:
    from vlac import tracking
    from vlac.node.unpack import still_needed, unpack
    from vlac.stages.handover import hand_over

    params = load_params()
    with whole_folder(dvc_may_work=True):
        seen = unpack(options.folder, params)
        print(seen, flush=True)
        if seen.brought or seen.here:
            done, left = hand_over(params)
            print(f"Both engines now take {len(done)} finished jobs as done.")
            print(tracking.rebuild(params))
            if advice := still_needed(seen, left):
                print(advice)
    return 2 if seen.refused else 0


def _train_and_publish(job: Job, train: Callable[[Job, Any, Any], None], discard: Callable[[Job], None]) -> None:
    from vlac import tracking

    def work(params: Params) -> None:
        with tracking.training(job) as view:
            train(job, params, view)

    def after() -> None:
        # The checkpoint goes last: an engine deletes the outputs of a job that is interrupted while it publishes.
        tracking.publish(job)
        discard(job)

    run_stage(job, work, after)


def _run_and_publish(job: Job, work: Callable[[Job, Params], None]) -> None:
    from vlac import tracking

    run_stage(job, lambda params: work(job, params), lambda: tracking.publish(job))


class _Terminated(BaseException):
    """SIGTERM: raised so that files are left whole and views are closed, as for Ctrl-C."""


def _terminate(signum: int, frame: FrameType | None) -> None:
    # Batch systems signal every process of a job, and `work` passes its signal on: a second one may not break the end.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # After Ctrl-C an engine sends SIGTERM to jobs that have got the SIGINT themselves; a second Ctrl-C is meant.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.default_int_handler(signum, frame)


def _log_to_console() -> None:
    """Show the package's own log lines on standard error, but for those that a progress bar shows."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    handler.addFilter(lambda record: not getattr(record, "in_bar", False))
    logger = logging.getLogger("vlac")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
