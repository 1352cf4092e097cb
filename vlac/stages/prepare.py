"""Stage prepare: from the files of the data set to two arrays that everything else reads."""

from pathlib import Path

from vlac.data.split import joined
from vlac.datasets.base import read_source
from vlac.errors import VlacError
from vlac.files import sha256
from vlac.params.schema import Params
from vlac.stages.download import dataset_of
from vlac.workflow.jobs import Job
from vlac.workflow.manifest import Origin


def prepare(job: Job, params: Params, origin: Origin) -> None:
    """Read the files that `download` saw into train.npz and test.npz."""
    dataset = dataset_of(params.data)
    (source,) = map(Path, origin.inputs)
    files = read_source(source)
    for file in files:
        path = Path(file.path)
        if not path.exists() or sha256(path) != file.sha256:
            raise VlacError(
                f"{path} is {'not what it was when it was checked' if path.exists() else 'missing'}.",
                f"Run `rm {source}` and the same command again, which fetches it; by hand, the stage download first.",
            )
    train = joined([dataset.read(file) for file in files if file.split != "test"])
    (test,) = (dataset.read(file) for file in files if file.split == "test")
    train.save(job.output("train.npz"))
    test.save(job.output("test.npz"))
