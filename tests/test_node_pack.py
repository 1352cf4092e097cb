"""What a pack holds, and what of it comes home: results of today's parameters, code and inputs, and no others."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from engines import Project
from packed import SMALL, cli, home, packed, without

from vlac.errors import VlacError
from vlac.node.folder import RUNG
from vlac.node.pack import pack
from vlac.node.unpack import still_needed, unpack
from vlac.node.work import State, work
from vlac.params.load import load_params
from vlac.stages import jobs
from vlac.stages.handover import hand_over
from vlac.stages.stale import sort_out, why_stale

TRAINED = ["train_vlae 0", "train one 0", "train two 0", "figures one 0", "figures two 0"]


@pytest.fixture(scope="module")
def trip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `home`, where the data are made, and `pack`, which has made of them what needs no scikit-learn."""
    folder = tmp_path_factory.mktemp("trip")
    project = home(folder / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        assert set(work(project.params, ["download", "prepare"]).states.values()) == {State.MADE, State.UNASKED}
        packed(project, folder / "pack")
        patch.chdir(folder / "pack")
        with without("sklearn"):
            assert work(load_params()).status == 0
    return folder


@pytest.fixture
def at_home(trip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A copy of both to change at will; the home as working folder, the pack beside it."""
    shutil.copytree(trip, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path / "home")
    return Project(tmp_path / "home")


PACK = Path("../pack")


def test_a_pack_holds_code_parameters_data_and_what_is_finished(at_home: Project) -> None:
    fresh = Path("../fresh")
    seen = pack(fresh, at_home.params)
    assert [str(job) for job in seen.results] == ["download", "prepare"]
    assert seen.data
    assert seen.rung
    assert (fresh / "vlac/cli.py").read_bytes() == Path("vlac/cli.py").read_bytes()
    assert load_params(fresh / "params.json") == at_home.params
    assert (fresh / "data/train.npz").read_bytes() == Path("data/train.npz").read_bytes()
    assert json.loads((fresh / RUNG).read_text()) == {"rung": 3}
    assert not (fresh / "results/rung/manifest.json").exists()
    assert "The data are not" not in (fresh / "README.txt").read_text()
    assert not list(fresh.rglob("*.yaml"))

    bare = Path("../bare")
    assert not pack(bare, at_home.params, with_data=False).data
    assert not (bare / "data").exists()
    assert "The data are not in this pack" in (bare / "README.txt").read_text()


def test_the_probes_answer_is_not_foretold(at_home: Project) -> None:
    with at_home.changed("digit_rung", to="auto"):
        assert not pack(Path("../fresh"), at_home.params).rung
    assert not Path("../fresh/results").exists()


def test_only_a_new_folder_or_a_pack_is_filled(at_home: Project, capsys: pytest.CaptureFixture) -> None:
    other = Path("../other")
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    with pytest.raises(VlacError, match=r"other holds something, and is no pack"):
        pack(other, at_home.params)
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    with pytest.raises(VlacError, match="is a file"):
        pack(other / "thesis.tex", at_home.params)
    with pytest.raises(VlacError, match="the project's own folder"):
        pack(Path(), at_home.params)
    assert cli(["pack", "../new", "--preset", "nonsense"]) == 2
    assert "There is no preset 'nonsense'" in capsys.readouterr().err


def test_a_pack_that_is_filled_again_keeps_its_own_work(at_home: Project) -> None:
    made = {path: path.read_bytes() for path in (PACK / "results").rglob("*") if path.is_file()}
    (PACK / "vlac/forgotten.py").write_text("of another version\n")
    pack(PACK, at_home.params)
    assert {path: path.read_bytes() for path in (PACK / "results").rglob("*") if path.is_file()} == made
    assert not (PACK / "vlac/forgotten.py").exists()


def test_a_pack_of_a_preset_leaves_the_projects_own_experiment_out(at_home: Project) -> None:
    Path("presets").mkdir()
    values = SMALL | {"preset": "other", "data": SMALL["data"] | {"digits": {"train": 300, "test": 200, "seed": 1}}}
    Path("presets/other.yaml").write_text(yaml.safe_dump(values))
    assert cli(["pack", "../fresh", "--preset", "other"]) == 0
    assert load_params(Path("../fresh/params.json")).preset == "other"
    assert not Path("../fresh/data").exists()
    with pytest.raises(VlacError, match=r"packed for the preset other, and params\.yaml is of tiny.*cp presets/other"):
        unpack(Path("../fresh"), at_home.params)


def test_both_engines_take_what_came_home_as_done(at_home: Project) -> None:
    params = at_home.params
    seen = unpack(PACK, params)
    assert [str(job) for job in seen.brought] == TRAINED
    assert [str(job) for job in seen.here] == ["download", "prepare"]
    assert seen.refused == []
    for job in seen.brought:
        for path in job.outputs:
            assert path.read_bytes() == (PACK / path).read_bytes()
        assert job.log.read_bytes() == (PACK / job.log).read_bytes()

    # The probe stands before the models in both engines, and was not made on the node.
    left = sort_out(params)[1]
    advice = still_needed(seen, left)
    assert "`python -m vlac work --stages probe,rung` and `python -m vlac handover`" in advice
    assert "train one 0, train two 0, figures one 0, figures two 0 again" in advice
    states = work(params, ["probe", "rung"]).states
    assert {str(job) for job, state in states.items() if state is State.MADE} == {"probe 0", "rung"}
    models = {path: path.read_bytes() for job in seen.brought for path in job.outputs}
    hand_over(params)
    still = {f"python -m vlac evaluate --model {model} --seeds 0" for model in ("one", "two")} | {
        "python -m vlac table"
    }
    assert at_home.planned_by_snakemake() == at_home.planned_by_dvc() == still
    targets = [str(path) for job in seen.brought for path in job.outputs]
    assert "Nothing to be done" in at_home.run("snakemake", "--dry-run", *targets)
    assert still_needed(seen, sort_out(params)[1]) == ""
    assert {path: path.read_bytes() for path in models} == models

    again = unpack(PACK, params)
    assert again.brought == []
    assert again.refused == []


def test_a_second_unpacking_changes_nothing_even_before_the_probe_has_run(at_home: Project) -> None:
    unpack(PACK, at_home.params)
    times = {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")}
    again = unpack(PACK, at_home.params)
    assert again.brought == []
    assert len(again.here) == 2 + len(TRAINED)
    assert {path: path.stat().st_mtime_ns for path in Path("results").rglob("*")} == times


@pytest.mark.parametrize(
    ("file", "content", "refused", "why"),
    [
        ("../pack/results/train/one/0/model.pt", "edited", ["train one 0"], "model.pt is not what the job has written"),
        ("../pack/results/train/one/0/history.csv", None, ["train one 0"], "history.csv did not come along"),
        ("../pack/results/train/one/0/manifest.json", "{", ["train one 0"], "manifest.json is damaged"),
        ("results/train/vlae/0/model.pt", "other", [], ""),
        ("results/rung/rung.json", '{"rung": 1}', [], ""),
    ],
)
def test_what_is_not_whole_stays_in_the_pack(
    file: str, content: str | None, refused: list[str], why: str, at_home: Project
) -> None:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content) if content is not None else path.unlink()
    seen = unpack(PACK, at_home.params)
    # Figures are of the model: they come home only with it.
    kept = {job for job in TRAINED if any(job.endswith(one.removeprefix("train")) for one in refused)}
    assert [str(job) for job in seen.brought] == [job for job in TRAINED if job not in kept]
    assert len(seen.refused) == len(kept)
    assert all(sentence.startswith("Left in ../pack: ") for sentence in seen.refused)
    assert why in "".join(seen.refused[:1])
    for job in jobs(at_home.params):
        if str(job) in kept:
            assert not job.manifest.exists()


def test_results_of_other_parameters_stay_in_the_pack(at_home: Project) -> None:
    with at_home.changed("models", "one", "K", to=[1, 2, 12, 1]):
        seen = unpack(PACK, at_home.params)
    assert "train two 0" in map(str, seen.brought)
    (sentence, figures) = seen.refused
    assert sentence == "Left in ../pack: train one 0, because its parameters have changed."
    assert figures.startswith("Left in ../pack: figures one 0, because it was made of results/train/one/0/")


def test_results_of_other_data_stay_in_the_pack(at_home: Project) -> None:
    Path("data/train.npz").unlink()  # the pack's is a link to it
    Path("data/train.npz").write_bytes(b"other images")
    seen = unpack(PACK, at_home.params)
    assert "prepare" in map(str, seen.brought)  # the data of the pack are those that the parameters ask for
    assert [str(job) for job in seen.brought] == ["prepare", *TRAINED]

    shutil.rmtree(PACK / "data")
    shutil.rmtree("results/train")
    Path("data/train.npz").write_bytes(b"other images")
    seen = unpack(PACK, at_home.params)
    assert (
        "Left in ../pack: train one 0, because it was made of another data/train.npz than the one here." in seen.refused
    )


def test_a_job_that_is_not_asked_for_stays_in_the_pack(at_home: Project) -> None:
    with at_home.changed("models", to={"two": SMALL["models"]["two"]}):
        seen = unpack(PACK, at_home.params)
        assert "train two 0" in map(str, seen.brought)
    assert seen.refused == [
        "Left in ../pack: train one 0, because params.yaml does not ask for it.",
        "Left in ../pack: figures one 0, because params.yaml does not ask for it.",
    ]


def test_data_that_the_node_made_come_home_too(at_home: Project) -> None:
    for path in ("data", "reports"):
        shutil.rmtree(path)
    assert [str(job) for job in unpack(PACK, at_home.params).brought] == ["download", "prepare", *TRAINED]
    assert why_stale(next(jobs(at_home.params)), at_home.params) is None


def test_a_folder_that_is_no_pack_is_refused(at_home: Project) -> None:
    with pytest.raises(VlacError, match=r"\.\./home is no pack: it has no params\.json"):
        unpack(Path("../home"), at_home.params)
