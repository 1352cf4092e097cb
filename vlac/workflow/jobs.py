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
    """One kind of job; inputs and outputs are path templates."""

    name: str
    inputs: tuple[str, ...]  # the files read, the request aside
    outputs: tuple[str, ...]  # the files or folders written, the manifest last
    params: tuple[str, ...] = ()  # dotted keys of params.yaml that it may read; a training also reads its method's
    over: str = ""  # "models": one job per model and seed; "probe": per probe seed; "trials": per trial and seed
    command: str = ""  # the word after `python -m vlac`; the stage's name by default
    trains: bool = False
    module: str = ""  # where the stage's own function stands; vlac.stages.<name> by default

    def __post_init__(self) -> None:
        object.__setattr__(self, "module", self.module or f"vlac.stages.{self.name}")


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
        return f"python -m vlac {self.stage.command or self.stage.name}{model}{seed}"

    @property
    def outputs(self) -> list[Path]:
        """The files and folders that this job writes, the manifest last."""
        return [Path(self._fill(template)) for template in self.stage.outputs]

    @property
    def manifest(self) -> Path:
        """The manifest's path."""
        return self.outputs[-1]

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


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


RESULTS, REPORTS = "results/{experiment}", "reports/{experiment}"
DATA = ("data.source", "data.path", "data.train_split", "data.digits")
MACHINE = ("training.threads", "training.device")
SOURCE, TRAIN, TEST = _in("data/{experiment}", "source.json", "train.npz", "test.npz")
TRAINED = ("model.pt", "history.csv", "manifest.json")

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="download",
            inputs=(),
            outputs=(SOURCE, f"{RESULTS}/download/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="prepare",
            inputs=(SOURCE,),
            outputs=(TRAIN, TEST, f"{RESULTS}/prepare/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="describe",
            inputs=(SOURCE, TRAIN, TEST),
            outputs=(*_in(REPORTS, "data.md", "data.png"), f"{RESULTS}/describe/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="train_vlae",
            inputs=(TRAIN,),
            outputs=_in(f"{RESULTS}/train/vlae/{{seed}}", *TRAINED),
            over="probe",
            command="train",
            trains=True,
            module="vlac.stages.train",
        ),
        Stage(
            name="probe",
            inputs=(TRAIN, f"{RESULTS}/train/vlae/{{seed}}/manifest.json"),
            outputs=_in(f"{RESULTS}/probe/{{seed}}", "scores.csv", "manifest.json"),
            params=("data.holdout", "probe.K", "evaluation", *MACHINE),
            over="probe",
        ),
        Stage(
            name="rung",
            inputs=_in(f"{RESULTS}/probe/{{every_probe_seed}}", "manifest.json"),
            outputs=(
                f"{RESULTS}/rung/auto.json",
                *_in(REPORTS, "probe.md", "probe.png"),
                f"{RESULTS}/rung/manifest.json",
            ),
            params=("experiment", "data.source", "data.holdout", "digit_rung", "probe", "evaluation"),
        ),
        Stage(
            name="train",
            inputs=(TRAIN, f"{RESULTS}/rung/{{rung}}.json"),
            outputs=_in(f"{RESULTS}/train/{{model}}/{{seed}}", *TRAINED),
            over="models",
            trains=True,
        ),
        Stage(
            name="evaluate",
            inputs=(TRAIN, TEST, f"{RESULTS}/train/{{model}}/{{seed}}/manifest.json"),
            outputs=_in(f"{RESULTS}/evaluate/{{model}}/{{seed}}", "scores.csv", "factors.csv", "manifest.json"),
            params=("evaluation", *MACHINE),
            over="models",
        ),
        Stage(
            name="figures",
            inputs=(TEST, f"{RESULTS}/train/{{model}}/{{seed}}/manifest.json"),
            outputs=(f"{REPORTS}/figures/{{model}}/{{seed}}", f"{RESULTS}/figures/{{model}}/{{seed}}/manifest.json"),
            params=("training.threads",),
            over="models",
        ),
        Stage(
            name="table",
            inputs=(
                SOURCE,
                f"{RESULTS}/rung/manifest.json",
                *_in(f"{RESULTS}/evaluate/{{every_model}}/{{every_seed}}", "manifest.json"),
            ),
            outputs=("reports/table1.md", "reports/table1.csv", f"{RESULTS}/table/manifest.json"),
            # All of them: the table refuses results that any parameter has made stale, so any change must reach it.
            params=tuple(Params.model_fields),
        ),
    )
}


def jobs(params: Params, stage: Stage | None = None) -> Iterator[Job]:
    """Yield the jobs that `params` ask for, in an order in which they can run; of one stage, or of all."""
    for each in [stage] if stage else STAGES.values():
        if each.over == "models":
            for model, seed in itertools.product(params.models, params.seeds):
                yield Job(each, params.experiment, model, seed)
        elif each.over == "probe":
            for seed in params.probe.seeds:
                yield Job(each, params.experiment, VLAE if each.trains else "", seed)
        else:
            yield Job(each, params.experiment)
