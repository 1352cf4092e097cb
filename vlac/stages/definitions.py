"""Every stage of the pipeline: its command, inputs, outputs, parameters and the code that its result depends on.

Templates: `{model}` and `{seeds}` are a job's own; `{every_model}`, `{every_seeds}` and `{every_probe_seeds}` stand
for all models and seed groups of the parameters, in a stage that gathers what others made. The stages of a search
stand beside the pipeline, in vlac/stages/search.py.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlac.params.schema import Params
from vlac.params.search import Search

Asked = Params | Search
"""What asks for jobs: params.yaml, or the parameters of one trial; or search.yaml as a whole."""

LOGS = Path("logs")
"""Holds every job's log, and beside it what only its running process knows."""

VLAE = "vlae"
"""Name of the probe's model: the ladder with every K_l = 1."""

CODE_ROOT = Path(__file__).resolve().parents[2]
"""The folder that holds the package, to which `Stage.code` is relative."""


@dataclass(frozen=True)
class Stage:
    """One kind of job.

    Attributes:
        name: the stage's name, in both engines and on the command line.
        command: the shell command, a template.
        inputs: path templates of the files read.
        outputs: path templates of the files written, the manifest among them.
        params: dotted keys of its file that the stage may read; any other is out of its reach.
        code: files and folders of the package whose change makes the result stale.
        packages: what the stage imports besides the standard library and this package, by the names of import;
            pydantic aside, without which no command starts.
        over: "" for one job, "models" for one per model and seed group, "probe" for one per probe seed group, "trials"
            for one per trial and seed of a search.
        file: the file that asks for the stage's jobs.
    """

    name: str
    command: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...]
    code: tuple[str, ...]
    packages: tuple[str, ...]
    over: str = ""
    file: str = "params.yaml"

    @property
    def manifest(self) -> str:
        """Template of the manifest's path."""
        return next(path for path in self.outputs if path.endswith("manifest.json"))

    @property
    def part(self) -> str:
        """The part of the project that the stage belongs to: "search", or "" for the pipeline to Table 1."""
        return "search" if self.file == "search.yaml" else ""


@dataclass(frozen=True)
class Job:
    """One run of a stage: the stage, and the model and seed group that fill its templates."""

    stage: Stage
    model: str = ""
    seeds: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.stage.name, self.model, self.seeds) if part)

    @property
    def command(self) -> str:
        """The shell command of this job."""
        return self._fill(self.stage.command)

    @property
    def outputs(self) -> list[Path]:
        """The files that this job writes."""
        return [Path(self._fill(template)) for template in self.stage.outputs]

    @property
    def params(self) -> list[str]:
        """The dotted keys of its stage's file that this job reads."""
        return [self._fill(key) for key in self.stage.params]

    @property
    def manifest(self) -> Path:
        """The manifest's path."""
        return Path(self._fill(self.stage.manifest))

    @property
    def log(self) -> Path:
        """Where the job writes its log."""
        return LOGS.joinpath(self.stage.name, *filter(None, (self.model, self.seeds))).with_suffix(".log")

    def inputs(self, params: Asked) -> list[Path]:
        """The files that this job reads, code aside; `params` gives what a gathering job reads."""
        every = params.every
        paths = []
        for template in self.stage.inputs:
            fields = [field for field in every if f"{{{field}}}" in template]
            for values in itertools.product(*(every[field] for field in fields)):
                path = template
                for field, value in zip(fields, values, strict=True):
                    path = path.replace(f"{{{field}}}", value)
                paths.append(Path(self._fill(path)))
        return paths

    def _fill(self, template: str) -> str:
        return template.replace("{model}", self.model).replace("{seeds}", self.seeds)


SPLITS = ("data/train.npz", "data/test.npz")
SCORES = ("scores.csv", "factors.csv", "manifest.json")
TORCH = ("training.threads", "training.device")
FIGURES = ("manipulation.png", "components.png", "nearest.png", "curves.png")
TABLES, PICTURES, LEARNING = ("numpy", "pandas"), ("PIL", "matplotlib"), ("sklearn", "threadpoolctl")
DOWNLOADS = ("pooch", "requests", "tqdm", "urllib3")


def _in(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


SOURCES = _in("vlac/data", ("digits.py", "fonts.py", "mat.py", "split.py", "svhn.py"))
"""Code that finds and reads the digit files."""

CODES = ("vlac/data/split.py", "vlac/evaluation/codes.py", "vlac/models", "vlac/training/device.py")
"""Code that turns images into the codes of a trained model."""


def _train(name: str, command: str, folder: str, rung: tuple[str, ...], model: tuple[str, ...], over: str) -> Stage:
    return Stage(
        name=name,
        command=command,
        inputs=("data/train.npz", *rung),
        outputs=_in(folder, ("model.pt", "history.csv", "manifest.json")),
        params=("network", "likelihood", "objective", "training", *model),
        code=("vlac/data/split.py", "vlac/models", "vlac/pipeline/train.py", "vlac/training"),
        packages=(*TABLES, "torch"),
        over=over,
    )


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="download",
            command="python -m vlac download",
            inputs=(),
            outputs=("data/source.json", "data/download/manifest.json"),
            params=("data.source", "data.path", "data.train_split", "data.digits"),
            code=(*SOURCES, "vlac/pipeline/download.py"),
            packages=(*TABLES, *PICTURES, *DOWNLOADS, "scipy"),
        ),
        Stage(
            name="prepare",
            command="python -m vlac prepare",
            inputs=("data/source.json",),
            outputs=(*SPLITS, "data/prepare/manifest.json", "reports/data.md", "reports/data.png"),
            params=("data.source", "data.path", "data.train_split", "data.digits"),
            code=(*SOURCES, "vlac/data/summary.py", *_in("vlac/pipeline", ("download.py", "prepare.py"))),
            packages=(*TABLES, *PICTURES, *DOWNLOADS, "scipy"),
        ),
        _train(
            name="train_vlae",
            command="python -m vlac train --model vlae --seeds {seeds}",
            folder="results/train/vlae/{seeds}",
            rung=(),
            model=(),
            over="probe",
        ),
        Stage(
            name="probe",
            command="python -m vlac probe --seeds {seeds}",
            inputs=("data/train.npz", "results/train/vlae/{seeds}/model.pt"),
            outputs=_in("results/probe/{seeds}", ("scores.csv", "manifest.json")),
            params=("data.holdout", "probe.K", "evaluation", *TORCH),
            code=(
                *CODES,
                "vlac/pipeline/probe.py",
                *_in("vlac/evaluation", ("metrics.py", "probing.py")),
            ),
            packages=(*TABLES, *LEARNING, "scipy", "torch"),
            over="probe",
        ),
        Stage(
            name="rung",
            command="python -m vlac rung",
            inputs=("results/probe/{every_probe_seeds}/scores.csv", "results/probe/{every_probe_seeds}/manifest.json"),
            outputs=("results/rung/rung.json", "results/rung/manifest.json", "reports/probe.md", "reports/probe.png"),
            params=("preset", "data.source", "data.holdout", "digit_rung", "probe", "evaluation"),
            code=(
                *_in("vlac/evaluation", ("metrics.py", "probing.py")),
                *("vlac/__init__.py", "vlac/pipeline/rung.py"),
                *_in("vlac/reporting", ("canvas.py", "markdown.py", "probe.py")),
            ),
            packages=(*TABLES, *PICTURES, *LEARNING, "scipy"),
        ),
        _train(
            name="train",
            command="python -m vlac train --model {model} --seeds {seeds}",
            folder="results/train/{model}/{seeds}",
            rung=("results/rung/rung.json",),
            model=("models.{model}",),
            over="models",
        ),
        Stage(
            name="evaluate",
            command="python -m vlac evaluate --model {model} --seeds {seeds}",
            inputs=(*SPLITS, "results/train/{model}/{seeds}/model.pt"),
            outputs=_in("results/evaluate/{model}/{seeds}", SCORES),
            params=("evaluation", *TORCH),
            code=(
                *CODES,
                *_in("vlac/evaluation", ("factors.py", "metrics.py", "parts.py", "probing.py")),
                "vlac/pipeline/evaluate.py",
            ),
            packages=(*TABLES, *LEARNING, "scipy", "torch"),
            over="models",
        ),
        Stage(
            name="figures",
            command="python -m vlac figures --model {model} --seeds {seeds}",
            inputs=("data/test.npz", *_in("results/train/{model}/{seeds}", ("model.pt", "history.csv"))),
            outputs=(*_in("reports/figures/{model}/{seeds}", FIGURES), "results/figures/{model}/{seeds}/manifest.json"),
            params=("training.threads",),
            code=(
                *CODES,
                "vlac/pipeline/figures.py",
                *_in("vlac/reporting", ("canvas.py", "curves.py", "figures.py", "sheets.py")),
            ),
            packages=(*TABLES, *PICTURES, "torch"),
            over="models",
        ),
        Stage(
            name="table",
            command="python -m vlac table",
            inputs=(
                "data/source.json",
                "results/rung/manifest.json",
                *_in("results/evaluate/{every_model}/{every_seeds}", SCORES),
            ),
            outputs=("reports/table1.md", "reports/table1.csv", "results/table/manifest.json"),
            # All of them: the table refuses results that any parameter has made stale, so any change must reach it.
            params=tuple(Params.model_fields),
            code=(
                *(
                    "vlac/__init__.py",
                    "vlac/data/mat.py",
                    "vlac/data/split.py",
                    "vlac/evaluation/differences.py",
                    "vlac/models/spec.py",
                    "vlac/pipeline/table.py",
                ),
                *_in(
                    "vlac/reporting",
                    ("differences.py", "markdown.py", "matrix.py", "notes.py", "published.py", "table.py"),
                ),
                "vlac/stages/stale.py",
            ),
            packages=(*TABLES, "scipy"),
        ),
    )
}


def jobs(params: Params, stage: Stage | None = None) -> Iterator[Job]:
    """Yield the jobs that `params` ask for, in an order in which they can run; of one stage, or of all."""
    for each in [stage] if stage else STAGES.values():
        if each.over == "models":
            for model, seeds in itertools.product(params.models, params.seeds):
                yield Job(each, model=model, seeds=str(seeds))
        elif each.over == "probe":
            for seeds in params.probe.seeds:
                yield Job(each, seeds=str(seeds))
        else:
            yield Job(each)


def code_files(stage: Stage) -> list[Path]:
    """Return the stage's code as files relative to `CODE_ROOT`, folders expanded to their modules, sorted."""
    files: set[Path] = set()
    for entry in stage.code:
        path = CODE_ROOT / entry
        files.update(path.rglob("*.py") if path.is_dir() else [path])
    return sorted(file.relative_to(CODE_ROOT) for file in files)
