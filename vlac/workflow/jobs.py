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
    """One kind of job.

    Attributes:
        name: the stage's name, in both engines and on the command line.
        inputs: path templates of the files read, the request aside.
        outputs: path templates of the files (or folders) written, the manifest last.
        params: dotted keys of params.yaml that the stage may read; any other is out of its reach. A training reads
            what its method declares, too.
        over: "" for one job, "models" for one per model and seed, "probe" for one per probe seed, "trials" for one per
            trial and seed of a search.
        command: the words after `python -m vlac`; the stage's name, model and seed by default.
        trains: whether the job is a training of a method.
        module: where the stage's own function stands; the module in vlac/stages of the stage's name by default.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: tuple[str, ...] = ()
    over: str = ""
    command: str = ""
    trains: bool = False
    module: str = ""

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
        words = self.stage.command or self.stage.name
        model = f" --model {self.model}" if self.model and not self.stage.command else ""
        seed = "" if self.seed is None else f" --seed {self.seed}"
        return f"python -m vlac {words}{model}{seed}"

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

    def _own(self) -> list[str]:
        return [part for part in (self.model, "" if self.seed is None else str(self.seed)) if part]

    def _beside(self, folder: str, suffix: str) -> Path:
        path = Path(self._fill(folder)).joinpath(self.stage.name, *self._own())
        return path.with_name(path.name + suffix)

    def _fill(self, template: str) -> str:
        fields = {"experiment": self.experiment, "model": self.model, "seed": str(self.seed)}
        for field, value in fields.items():
            template = template.replace(f"{{{field}}}", value)
        return template


def _in(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names)


RESULTS = "results/{experiment}"
DATA = ("data.source", "data.path", "data.train_split", "data.digits")
MACHINE = ("training.threads", "training.device")
TRAIN, TEST = _in("data/{experiment}", "train.npz", "test.npz")
TRAINED = ("model.pt", "history.csv", "manifest.json")

STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="download",
            inputs=(),
            outputs=("data/{experiment}/source.json", f"{RESULTS}/download/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="prepare",
            inputs=("data/{experiment}/source.json",),
            outputs=(TRAIN, TEST, f"{RESULTS}/prepare/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="describe",
            inputs=("data/{experiment}/source.json", TRAIN, TEST),
            outputs=(*_in("reports/{experiment}", "data.md", "data.png"), f"{RESULTS}/describe/manifest.json"),
            params=DATA,
        ),
        Stage(
            name="train_vlae",
            inputs=(TRAIN,),
            outputs=_in(f"{RESULTS}/train/vlae/{{seed}}", *TRAINED),
            over="probe",
            command="train --model vlae",
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
                *_in("reports/{experiment}", "probe.md", "probe.png"),
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
            outputs=(
                "reports/{experiment}/figures/{model}/{seed}",
                f"{RESULTS}/figures/{{model}}/{{seed}}/manifest.json",
            ),
            params=("training.threads",),
            over="models",
        ),
        Stage(
            name="table",
            inputs=(
                "data/{experiment}/source.json",
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
