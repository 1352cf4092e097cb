"""How the rungs hang together: who sees whose cluster, and what the three models share."""

import pytest
import torch
from tiny import MIXED, PLAIN, lively_ladder, tiny_images, tiny_input, tiny_params, tiny_spec
from torch.nn import functional as F

from vlac.methods import kinds
from vlac.models import ladder
from vlac.models.ladder import Ladder, Spec, to_input
from vlac.params.schema import Likelihood, Network

NETWORK = Network(channels=[2, 3, 4], hidden=5, z=[6, 7, 8, 9])
LIKELIHOOD = Likelihood(form="laplace", scale=0.1)
PARAMS = tiny_params().model_copy(update={"network": NETWORK, "likelihood": LIKELIHOOD})


def spec_of(kind, rung, **settings):
    """The spec of a method of `PARAMS` around a rung."""
    method = kinds()[kind]
    return method(method.Settings(kind=kind, **settings), PARAMS, rung).spec()


@torch.no_grad()
def encode_with(model, x, y, monkeypatch):
    """Encode with the cluster of some rungs given, by their K; the others take their most probable one."""
    with monkeypatch.context() as patch:
        choose = ladder._choose
        patch.setattr(
            ladder,
            "_choose",
            lambda q, *rest: (
                F.one_hot(torch.full((len(q),), y[q.shape[1]]), q.shape[1]).to(q.dtype)
                if q.shape[1] in y
                else choose(q, *rest)
            ),
        )
        return model.encode(x)


def changes(one, other):
    return (one - other).abs().max().item() > 1e-3


def test_the_cluster_of_a_rung_reaches_the_rungs_above_and_none_below(monkeypatch):
    model, x = lively_ladder(tiny_spec({1: 1, 2: 2, 3: 3, 4: 4})), tiny_input(4)
    first, second = (encode_with(model, x, {2: k}, monkeypatch) for k in (0, 1))
    assert not changes(first[1].mean, second[1].mean)
    assert not changes(first[2].log_q, second[2].log_q)  # q(y_2 given x) does not depend on its own sample
    assert changes(first[2].mean, second[2].mean)  # but q(z_2 given x, y_2) does, Eq. (8)
    for rung in (3, 4):
        assert changes(first[rung].log_q, second[rung].log_q)
    first, second = (encode_with(model, x, {3: k}, monkeypatch) for k in (0, 2))
    for rung in (1, 2):
        assert not changes(first[rung].mean, second[rung].mean)
    assert not changes(first[3].log_q, second[3].log_q)
    assert changes(first[4].log_q, second[4].log_q)


def test_gradients_reach_the_clusters_of_the_rungs_below():
    model = lively_ladder(tiny_spec(MIXED))
    model.encode(tiny_input(4), 0.5)[4].mean.sum().backward()
    for rung in (2, 3):
        assert model.side[str(rung)].weight.grad.abs().sum() > 0
        assert model.heads[str(rung)].cluster.weight.grad.abs().sum() > 0
    assert set(lively_ladder(tiny_spec({1: 1, 2: 1, 3: 2, 4: 3})).side) == {"3"}  # nothing is above rung 4


def test_encoding_without_a_temperature_takes_the_most_probable_clusters():
    posteriors = lively_ladder(tiny_spec(MIXED)).encode(tiny_input(16))
    assert posteriors[1].q is posteriors[1].y is posteriors[1].mean_by_cluster is None
    for rung, K in ((2, 2), (3, 3)):
        posterior = posteriors[rung]
        assert posterior.mean.shape == posterior.std.shape == (16, 2)
        assert torch.equal(posterior.y, F.one_hot(posterior.q.argmax(1), K).float())
        torch.testing.assert_close(posterior.q.sum(1), torch.ones(16))
        picked = posterior.q.argmax(1)
        torch.testing.assert_close(posterior.mean, posterior.mean_by_cluster[range(16), picked])
        torch.testing.assert_close(posterior.std, posterior.std_by_cluster[range(16), picked])
        assert changes(posterior.mean_by_cluster[:, 0], posterior.mean_by_cluster[:, 1])


@torch.no_grad()
def test_every_latent_reaches_the_image_and_images_are_colours():
    model = lively_ladder(tiny_spec(PLAIN))
    z = {rung: torch.zeros(3, 2) for rung in PLAIN}
    image = model.decode(z)
    assert image.shape == (3, 3, 32, 32)
    assert 0 <= image.min() < image.max() <= 1
    for rung in PLAIN:
        assert changes(model.decode(z | {rung: torch.full((3, 2), 2.0)}), image), rung


@pytest.mark.parametrize("rung", [1, 2, 3, 4])
def test_the_gmdgm_is_made_of_the_rung_s_own_sub_networks(rung):
    """Every parameter has its namesake in the ladder; only where the decoder joins two rungs it is narrower."""
    alone = Ladder(spec_of("gmdgm", rung, K=3, z=NETWORK.z[rung - 1]))
    K = [3 if each == rung else 1 for each in PLAIN]
    whole = Ladder(spec_of("vlac", rung, K=K)).state_dict()
    assert (alone.rungs, alone.mixture_rungs, alone.main_rung) == ((rung,), (rung,), rung)
    assert len(alone.side) == 0
    assert set(alone.trunk) == {str(below) for below in range(1, rung)}
    assert set(alone.climbs) == {str(below) for below in range(1, rung + 1)}
    narrower = set()
    for name, value in alone.state_dict().items():
        if value.shape != whole[name].shape:
            narrower.add(int(name.split(".")[1]))
            assert name.startswith("climbs.")
            assert value.shape[1 - (value.ndim == 4)] < whole[name].shape[1 - (value.ndim == 4)]
    assert narrower == set(range(1, min(rung, 3) + 1))
    x = tiny_input(4)
    shared = {
        name: value for name, value in whole.items() if not name.startswith("climbs.") and name in alone.state_dict()
    }
    alone.load_state_dict(shared, strict=False)
    ladder_of_all = Ladder(spec_of("vlac", rung, K=K))
    ladder_of_all.load_state_dict(whole)
    with torch.no_grad():
        torch.testing.assert_close(alone.eval().encode(x)[rung].q, ladder_of_all.eval().encode(x)[rung].q)
        assert alone.decode({rung: torch.zeros(2, NETWORK.z[rung - 1])}).shape == (2, 3, 32, 32)


@pytest.mark.parametrize(
    ("rung", "K"), [(1, [50, 5, 1, 1]), (2, [1, 50, 5, 1]), (3, [1, 5, 50, 1]), (4, [1, 5, 1, 50])]
)
def test_vlac_moves_its_largest_mixture_to_the_rung_asked_for(rung, K):
    spec = spec_of("vlac", rung, K=[1, 5, 50, 1])
    assert [spec.K[each] for each in (1, 2, 3, 4)] == K
    assert spec.main_rung == rung
    assert spec.z == {1: 6, 2: 7, 3: 8, 4: 9}  # sizes belong to the rungs and stay


def test_specs_say_what_the_parameters_say():
    vlae = spec_of("vlae", 0)
    assert (vlae.K, vlae.mixture_rungs, vlae.rungs) == (PLAIN, (), (1, 2, 3, 4))
    assert spec_of("gmdgm", 2, K=7, z=11) == Spec({2: 7}, {2: 11}, (2, 3, 4), 5, "laplace", 0.1)


def test_clusters_given_from_elsewhere_take_the_place_of_the_rung_s_own():
    model, x = lively_ladder(tiny_spec(MIXED)), tiny_input(4)
    given = torch.tensor([[0.1, 0.1, 0.8]]).log().expand(4, 3)
    posteriors = model.encode(x, log_q={3: given})
    assert torch.equal(posteriors[3].log_q, given)
    torch.testing.assert_close(posteriors[3].mean, posteriors[3].mean_by_cluster[:, 2])
    assert torch.equal(posteriors[2].log_q, model.encode(x)[2].log_q)


def test_images_become_colours_in_channels_last():
    images = tiny_images(2)
    x = to_input(torch.from_numpy(images))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[1, 2, 5, 9].item() == pytest.approx(images[1, 5, 9, 2] / 255)
