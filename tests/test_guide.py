"""The guide of VLAC+: the transforms are a group, features follow from definitions, students learn from neighbours."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import mutual_info_score
from tiny import SETTINGS, tiny_images, tiny_input, tiny_job, tiny_method
from torch.nn import functional as F

from vlac.errors import VlacError
from vlac.methods.vlac_plus import Settings, learn
from vlac.methods.vlac_plus.join import association, join
from vlac.methods.vlac_plus.learn import GuideTrainer
from vlac.methods.vlac_plus.neighbours import Pairs, learn_clusters, mutual_information
from vlac.methods.vlac_plus.pretext import Clusters, Pretext
from vlac.methods.vlac_plus.vary import Variation
from vlac.models import ladder
from vlac.models.dihedral import TRANSFORMS, dihedral
from vlac.training.device import Device
from vlac.training.schedule import Weights

CPU = Device(torch.device("cpu"), bfloat16=False)


def _learner(path, identity="i", K=3, **students):
    images = torch.from_numpy(tiny_images(64))
    of = SETTINGS["vlac_plus"]
    settings = Settings(kind="vlac_plus", **of | {"students": of["students"] | students})
    return GuideTrainer(images, settings, K, 0, CPU, {"inputs": identity}, path)


def test_the_transforms_are_the_eight_of_the_square():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    found = {tuple(dihedral(x, t).flatten().tolist()) for t in range(TRANSFORMS)}
    square = np.arange(9.0).reshape(3, 3)
    turns = [np.rot90(square, k) for k in range(4)]
    assert found == {tuple(a.flatten()) for a in [*turns, *(turn.T for turn in turns)]}


def test_the_projection_is_principal_components_over_the_root_of_their_std():
    torch.manual_seed(0)
    network = Pretext((2, 2, 2), 3, 6, 4)
    orbit = torch.randn(200, 24) * torch.linspace(0.5, 3, 24) + 1
    network.fit_projection(orbit)
    pca = PCA(6).fit(orbit.numpy())
    expected = pca.transform(orbit.numpy()) / pca.explained_variance_**0.25
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    # Components are defined up to their sign.
    assert np.allclose(network.project(orbit).abs().numpy(), np.abs(expected), atol=1e-3)


def test_mutual_information_of_sure_clusters_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    y = generator.integers(0, 4, 500)
    other = np.where(generator.random(500) < 0.7, y, generator.integers(0, 4, 500))
    log_q, log_q_other = (torch.from_numpy(np.eye(4)[values]).clamp_min(1e-12).log() for values in (y, other))
    both_ways = mutual_info_score(np.concatenate([y, other]), np.concatenate([other, y]))
    assert float(mutual_information(log_q, log_q_other)) == pytest.approx(both_ways, abs=1e-4)


def test_clusters_of_neighbours_find_separate_groups():
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(3).repeat_interleave(100)
    features = F.normalize(torch.eye(6)[groups] + 0.1 * torch.randn(300, 6, generator=generator), dim=1)
    torch.manual_seed(0)
    clusters = Clusters(6, 3)
    pairs, optimiser = Pairs(features, 5), torch.optim.Adam(clusters.parameters(), lr=1e-3)
    information = [learn_clusters(clusters.train(), pairs, optimiser, generator) for _ in range(200)][-1]
    clusters.eval()
    y = clusters(features).argmax(-1)
    assert mutual_info_score(y, groups) == pytest.approx(math.log(3))
    assert information > 0.9 * math.log(3)


def test_varied_images_are_moved_by_at_most_the_shift():
    # A ramp tells each pixel's origin: brightness grows by 1 per column to the right.
    ramp = torch.arange(32.0).expand(400, 3, 32, 32)
    varied = Variation(shift=2.0, polarity=True)(ramp, torch.Generator().manual_seed(0))
    sign = varied[:, 0, 16, 16].sign()
    moved = sign * varied[:, 0, 16, 16] - 16
    assert moved.abs().max() <= 2.0 + 1e-4
    assert moved.abs().max() > 1.5
    assert 0.4 < (sign > 0).float().mean() < 0.6


def test_turned_and_stretched_images_are_so_by_at_most_as_much():
    # Columns and rows as two channels: the change from pixel to pixel is the matrix of the map.
    ramp = torch.arange(32.0)
    planes = torch.stack([ramp.expand(32, 32), ramp[:, None].expand(32, 32), torch.zeros(32, 32)]).expand(
        400, 3, 32, 32
    )
    varied = Variation(turn=0.2, stretch=0.15)(planes, torch.Generator().manual_seed(0))
    along, across = varied[:, :2, 16, 17] - varied[:, :2, 16, 16], varied[:, :2, 17, 16] - varied[:, :2, 16, 16]
    angle = torch.atan2(along[:, 1], along[:, 0])
    assert 0.15 < angle.abs().max() < 0.27  # unequal sizes of the axes turn it further: tan 0.2 e^0.3 at most
    determinant = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    assert determinant.log().abs().max() < 0.3 + 1e-3
    assert determinant.log().std() > 0.05


def test_the_lesson_is_the_cluster_of_most_neighbours_where_they_agree(tmp_path, monkeypatch):
    learner = _learner(tmp_path, K=4, agreement=0.8, batch=2)

    class Pupil:
        """Sees three groups on three axes, and is wrong about one image; the last group is in two clusters."""

        def look(self, x):
            features = torch.eye(3).repeat_interleave(torch.tensor([24, 20, 20]), 0)
            q = torch.full((64, 4), 0.01)
            q[:24, 1], q[24:44, 2], q[44::2, 2], q[45::2, 3] = 0.97, 0.97, 0.97, 0.97
            q[5] = torch.tensor([0.97, 0.01, 0.01, 0.01])
            return q.log(), features

    monkeypatch.setattr(ladder, "PART", 64)
    learner.students = [Pupil()]
    y, agreed = learner._lesson(4)
    assert y[:44].tolist() == [1] * 24 + [2] * 20  # image 5 too
    assert agreed.tolist() == list(range(44))


def test_the_association_is_what_stays_within():
    ties = np.array([[4.0, 2.0, 0.0], [2.0, 4.0, 1.0], [0.0, 1.0, 2.0]])
    assert association(ties, np.array([0, 0, 1]), 2) == pytest.approx(12 / 13 + 2 / 3)
    assert join(ties, 2, 0).tolist() in ([0, 0, 1], [1, 1, 0])


def test_groups_of_unequal_size_are_found():
    groups = np.array([0] * 9 + [1] * 2 + [2])
    noise = np.random.default_rng(0).random((12, 12)) * 0.2
    found = join((groups[:, None] == groups) + noise + noise.T, 3, 0)
    assert mutual_info_score(groups, found) == pytest.approx(mutual_info_score(groups, groups))


def test_clusters_beyond_K_are_joined_for_one_more_student(tmp_path):
    learner = _learner(tmp_path, clusters=5)
    learner.run()
    assert [student.head.out_features for student in learner.students] == [5, 5, 3]
    assert learner.log_q().shape == (64, 3)
    made = set(tmp_path.glob("*.pt"))
    _learner(tmp_path, clusters=5, K=2).run()  # shares the networks before
    assert [path.stem.partition("-")[2] for path in set(tmp_path.glob("*.pt")) - made] == ["student-2-joined-2"]


def stop(*of):
    raise KeyboardInterrupt


def test_a_guide_interrupted_anywhere_ends_in_the_same_networks_and_a_finished_one_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("vlac.training.epochs.CHECKPOINT_SECONDS", 0.0)
    whole = _learner(tmp_path / "whole")
    whole.run()
    for part in ("pretext", "clusters", "student-1", "student-2"):
        cut = _learner(tmp_path / "cut")

        def cut_short(name, *of, train=cut._train, part=part):
            *rest, epoch = of
            train(name, *rest, lambda n, *with_: stop() if name == part and n == 1 else epoch(n, *with_))

        monkeypatch.setattr(cut, "_train", cut_short)
        with pytest.raises(KeyboardInterrupt):
            cut.run()
    resumed = _learner(tmp_path / "cut")
    resumed.run()
    for one, other in [(whole.pretext, resumed.pretext), *zip(whole.students, resumed.students, strict=True)]:
        again = other.state_dict()
        assert all(torch.equal(value, again[name]) for name, value in one.state_dict().items())

    monkeypatch.setattr(learn, "_pass", stop)
    monkeypatch.setattr(learn, "learn_clusters", stop)
    found = _learner(tmp_path / "cut")
    found.run()
    assert torch.equal(found.students[-1].head.weight, whole.students[-1].head.weight)
    assert _learner(tmp_path / "cut", identity="other data").key != found.key


def test_a_damaged_network_is_named(tmp_path):
    learner = _learner(tmp_path)
    learner.run()
    path = next(tmp_path.glob("*-pretext.pt"))
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(VlacError, match=r"pretext\.pt is damaged.*rm "):
        _learner(tmp_path).run()


@pytest.fixture
def method(tmp_path, monkeypatch):
    """Yield a trained VLAC+; the training of its ladder has left a checkpoint."""
    monkeypatch.chdir(tmp_path)
    trained = tiny_method("vlac_plus")
    trained.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt"))
    return trained


def test_training_leaves_the_guide_as_it_was(method):
    learnt = method.guide.students[-1].state_dict()
    for name, value in method.model.student.state_dict().items():
        assert torch.equal(value, learnt[name]), name


def test_the_clusters_of_the_main_rung_are_the_students(method):
    at = Weights(0.5, *(dict.fromkeys((1, 2, 3, 4), 1.0) for _ in range(3)))
    x = tiny_input(40)
    _, terms = method.loss(torch.arange(16), x[:16], at, torch.Generator().manual_seed(1))
    y = method.guide.students[-1].look(x[:16])[0].argmax(1)
    q = terms.posteriors[3].q
    torch.testing.assert_close(q, torch.nn.functional.one_hot(y, q.shape[1]).float(), atol=1e-5, rtol=0)
    assert (method.encode(tiny_images(40)).y[3][:16] == y.numpy()).all()


def test_a_ladder_does_not_resume_with_another_guide(method, tmp_path):
    resumed = []
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt", resumed=resumed.append))
    students = method.settings.students.model_copy(update={"lr": 3e-3})
    method.settings = method.settings.model_copy(update={"students": students})
    method.fit(tiny_images(40), 0, tiny_job(tmp_path / "0.pt", resumed=resumed.append))
    assert [len(rows) for rows in resumed] == [3, 0]
