"""Damaged files are found, named and never read; the advice of a sentence mends what it is about."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny import tiny_project

from vlac.errors import VlacError
from vlac.files import write_text
from vlac.params.load import load_params
from vlac.stages import STAGES, Job, run_stage
from vlac.stages.damage import damage, refuse_damaged_inputs
from vlac.stages.manifest import Origin, code_hash, write_manifest
from vlac.stages.stale import why_stale

PREPARE, TRAIN = Job(STAGES["prepare"]), Job(STAGES["train"], model="vlac", seeds="0-1")
MODEL, HISTORY, MANIFEST = TRAIN.outputs


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project with made-up outputs of two jobs, and their manifests."""
    monkeypatch.chdir(tiny_project(tmp_path))
    write_text(Path("data/source.json"), "{}")
    for job in (PREPARE, TRAIN):
        for path in job.outputs:
            if path != job.manifest and not path.exists():
                write_text(path, f"{path}\n")
        write_manifest(job, Origin.of(job, load_params(), code_hash(job.stage)))
        assert damage(job) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("path", "spoil", "named"),
    [
        (MODEL, cut, "has changed since it was made"),
        (MODEL, flip, "has changed since it was made"),
        (HISTORY, lambda path: path.write_bytes(b""), "has changed since it was made"),
        (HISTORY, Path.unlink, "is missing"),
        (MANIFEST, Path.unlink, "is missing"),
        (MANIFEST, cut, "is damaged"),
        (MANIFEST, flip, "is damaged"),
        (MANIFEST, lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged"),
        (MANIFEST, lambda path: path.write_bytes(b""), "is damaged"),
        (MANIFEST, lambda path: path.write_text("[]"), "is damaged"),
        (MANIFEST, lambda path: path.write_text('{"outputs": {}}'), "is damaged"),
        (MANIFEST, lambda path: path.write_bytes(b"\xff\x00"), "is damaged"),
    ],
)
def test_one_damaged_output_is_found_and_named(
    path: Path, spoil: Callable[[Path], object], named: str, trained: None
) -> None:
    spoil(path)
    assert damage(TRAIN) == [f"{path} {named}"]
    assert str(path) in (why_stale(TRAIN, load_params()) or "")
    assert damage(PREPARE) == []


def test_all_damaged_outputs_of_a_job_are_named(trained: None) -> None:
    cut(MODEL)
    HISTORY.unlink()
    assert damage(TRAIN) == [f"{HISTORY} is missing", f"{MODEL} has changed since it was made"]
    stale = why_stale(TRAIN, load_params())
    assert stale == f"its output {HISTORY} is missing; its output {MODEL} has changed since"


def test_a_job_that_was_never_run_is_not_damaged(trained: None) -> None:
    for path in TRAIN.outputs:
        path.unlink()
    assert damage(TRAIN) == []
    assert why_stale(TRAIN, load_params()) == "it has not been run"


def test_rewritten_with_the_same_bytes_a_file_is_whole(trained: None) -> None:
    MODEL.write_bytes(MODEL.read_bytes())
    assert MODEL.stat().st_mtime_ns >= MANIFEST.stat().st_mtime_ns
    assert damage(TRAIN) == []


def test_what_rots_in_silence_is_found_where_it_is_read(trained: None) -> None:
    evaluate = Job(STAGES["evaluate"], model="vlac", seeds="0-1")
    times = MODEL.stat()
    flip(MODEL)
    os.utime(MODEL, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert damage(TRAIN) == []  # at every start of an engine reading all bytes would take too long
    with pytest.raises(VlacError) as refused:
        refuse_damaged_inputs(evaluate, load_params())
    assert refused.value.message == (f"{MODEL} is not what train vlac 0-1 wrote: the bytes differ from {MANIFEST}.")
    assert f"`rm {MODEL}`" in refused.value.hint


def test_a_stage_does_no_work_on_damaged_inputs(trained: None) -> None:
    refuse_damaged_inputs(TRAIN, load_params())
    flip(Path("data/train.npz"))
    with pytest.raises(VlacError, match=r"data/train\.npz is not what prepare wrote"):
        run_stage(TRAIN, lambda params: pytest.fail("it was run"))
    assert "data/train.npz is not what" in TRAIN.log.read_text()


def test_a_damaged_manifest_of_an_input_is_refused_and_a_missing_one_is_not(trained: None) -> None:
    PREPARE.manifest.write_text("{")
    with pytest.raises(VlacError, match=r"data/prepare/manifest\.json is damaged\. Run `rm data/prepare/manifest"):
        refuse_damaged_inputs(TRAIN, load_params())
    PREPARE.manifest.unlink()  # as in a pack for a compute node, where the jobs before have not been run
    refuse_damaged_inputs(TRAIN, load_params())
