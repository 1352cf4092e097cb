"""Every stage of the pipeline, and the jobs that an experiment asks for: commands, inputs, outputs, parameters.

The rules of workflow/ and dvc.yaml say the same in their own words; tests/test_engines.py holds all three together.

Templates: `{experiment}`, `{model}` and `{seed}` are a job's own. `{rung}` is `digit_rung` of params.yaml. A stage that
gathers what others made has `{every_model}`, `{every_seed}` or `{every_probe_seed}`, which stand for all of them.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlac.params.schema import Params

VLAE = "vlae"
"""Name of the probe's model: the ladder with every K_l = 1."""


@dataclass(frozen=True)
class Stage:
    """One kind of job; inputs and outputs are path templates, and an output without a folder lies in the job's own."""

    name: str
    inputs: tuple[str, ...]  # the files read, the request aside
    outputs: tuple[str, ...]  # the files or folders written, the manifest aside
    params: tuple[str, ...] = ()  # dotted keys of params.yaml that it may read; a training also reads its method's
    over: str = ""  # "models": one job per model and seed; "probe": per probe seed; "trials": per trial and seed
    trains: bool = False
    command: str = ""  # the word after `python -m vlac`; the stage's name by default
    module: str = ""  # where the stage's own function stands; vlac.stages.<command> by default

    def __post_init__(self) -> None:
        object.__setattr__(self, "command", self.command or self.name)
        object.__setattr__(self, "module", self.module or f"vlac.stages.{self.command}")


@dataclass(frozen=True)
class Job:
    """One run of a stage, for an experiment, and perhaps a model and a seed."""

    stage: Stage
    experiment: str
    model: str = ""
    seed: int | None = None

    def __str__(self) -> str:
        return " ".join([self.stage.name, *self._own()])

    @property
    def command(self) -> str:
        """The shell command of this job."""
        model = f" --model {self.model}" if self.model else ""
        seed = "" if self.seed is None else f" --seed {self.seed}"
        return f"python -m vlac {self.stage.command}{model}{seed}"

    @property
    def folder(self) -> Path:
        """Where its manifest lies, and what else it writes for other jobs to read."""
        return Path("results", self.experiment, self.stage.command, *self._own())

    @property
    def outputs(self) -> list[Path]:
        """The files and folders that this job writes, the manifest last."""
        filled = map(self._fill, self.stage.outputs)
        return [*(Path(path) if "/" in path else self.folder / path for path in filled), self.manifest]

    @property
    def manifest(self) -> Path:
        """The manifest's path."""
        return self.folder / "manifest.json"

    @property
    def request(self) -> Path:
        """The file that tells both engines what the job is made with: see vlac/workflow/requests.py."""
        return self._beside("results/{experiment}/requests", ".json")

    @property
    def log(self) -> Path:
        """Where the job writes its log."""
        return self._beside("logs/{experiment}", ".log")

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished training is kept: no declared output, because both engines delete those."""
        return self._beside("checkpoints/{experiment}", ".pt")

    def output(self, name: str) -> Path:
        """Return the output of that file name."""
        return next(path for path in self.outputs if path.name == name)

    def inputs(self, params: Any) -> list[Path]:
        """The files that this job reads, request and code aside; `params` says what a gathering job reads."""
        paths = []
        for template in self.stage.inputs:
            every = {field: values for field, values in params.every.items() if f"{{{field}}}" in template}
            for values in itertools.product(*every.values()):
                paths.append(Path(self._fill(template, **dict(zip(every, values, strict=True)))))
        return paths

    def _own(self) -> list[str]:
        return [str(part) for part in (self.model, self.seed) if part not in ("", None)]

    def _beside(self, folder: str, suffix: str) -> Path:
        path = Path(self._fill(folder)).joinpath(self.stage.name, *self._own())
        return path.with_name(path.name + suffix)

    def _fill(self, template: str, **every: str) -> str:
        return template.format(experiment=self.experiment, model=self.model, seed=self.seed, **every)


def made(folder: str) -> str:
    """Return the manifest of the job that writes into a folder of the results."""
    return f"results/{{experiment}}/{folder}/manifest.json"


SOURCE, TRAIN, TEST = (f"data/{{experiment}}/{name}" for name in ("source.json", "train.npz", "test.npz"))
REPORTS = "reports/{experiment}"
DATA = ("data.source", "data.path", "data.train_split", "data.digits")
MACHINE = ("training.threads", "training.device")
TRAINED = ("model.pt", "history.csv")

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage("download", (), (SOURCE,), DATA),
        Stage("prepare", (SOURCE,), (TRAIN, TEST), DATA),
        Stage("describe", (SOURCE, TRAIN, TEST), (f"{REPORTS}/data.md", f"{REPORTS}/data.png"), DATA),
        Stage("train_vlae", (TRAIN,), TRAINED, over="probe", trains=True, command="train"),
        Stage(
            name="probe",
            inputs=(TRAIN, made("train/vlae/{seed}")),
            outputs=("scores.csv",),
            params=("data.holdout", "probe.K", "evaluation", *MACHINE),
            over="probe",
        ),
        Stage("rung", (made("probe/{every_probe_seed}"),), ("auto.json",), ("probe.seeds",)),
        Stage(
            name="probe_report",
            inputs=(made("probe/{every_probe_seed}"),),
            outputs=(f"{REPORTS}/probe.md", f"{REPORTS}/probe.png"),
            params=("experiment", "data.source", "data.holdout", "digit_rung", "probe", "evaluation"),
        ),
        Stage("judge", (TRAIN, TEST), ("judge.pt",), MACHINE),
        Stage("train", (TRAIN, "results/{experiment}/rung/{rung}.json"), TRAINED, over="models", trains=True),
        Stage(
            name="evaluate",
            inputs=(TRAIN, TEST, made("judge"), made("train/{model}/{seed}")),
            outputs=("scores.csv", "factors.csv", "confusion.csv"),
            params=("evaluation", *MACHINE),
            over="models",
        ),
        Stage(
            name="figures",
            inputs=(TEST, made("train/{model}/{seed}")),
            outputs=(f"{REPORTS}/figures/{{model}}/{{seed}}",),
            params=("training.threads",),
            over="models",
        ),
        Stage(
            name="table",
            inputs=(SOURCE, made("rung"), made("evaluate/{every_model}/{every_seed}")),
            outputs=(
                *(f"reports/table1.{suffix}" for suffix in ("md", "html", "csv", "png")),
                "reports/metrics",
                "reports/plots",
            ),
            # All of them: the table refuses results that any parameter has made stale, so any change must reach it.
            params=tuple(Params.model_fields),
        ),
    )
}


def jobs(params: Params) -> Iterator[Job]:
    """Yield the jobs that `params` ask for, in an order in which they can run."""
    for each in STAGES.values():
        if each.over == "models":
            for model, seed in itertools.product(params.models, params.seeds):
                yield Job(each, params.experiment, model, seed)
        elif each.over == "probe":
            for seed in params.probe.seeds:
                yield Job(each, params.experiment, VLAE if each.trains else "", seed)
        else:
            yield Job(each, params.experiment)
