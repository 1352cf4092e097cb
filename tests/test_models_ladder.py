"""How the rungs hang together: who sees whose cluster, and what the three models share."""

import pytest
import torch
from tiny import MIXED, PLAIN, lively_ladder, tiny_input, tiny_params, tiny_spec
from torch.nn import functional as F

from vlac.methods import kinds
from vlac.models import ladder
from vlac.models.ladder import Ladder
from vlac.params.schema import Likelihood, Network

NETWORK = Network(form="vlae", channels=[2, 3, 4], hidden=5, z=[6, 7, 8, 9], y_above=[1, 2, 3])
PARAMS = tiny_params().model_copy(update={"network": NETWORK, "likelihood": Likelihood(form="laplace", scale=0.1)})


def spec_of(kind, rung, **settings):
    """The spec of a method of `PARAMS` around a rung."""
    method = kinds()[kind]
    return method(method.Settings(kind=kind, **settings), PARAMS, rung).spec()


@torch.no_grad()
def encode_with(model, x, y, monkeypatch):
    """Encode with the cluster of some rungs given, by their K; the others take their most probable one."""
    choose = ladder._choose

    def given(q, *rest):
        k = y.get(q.shape[1])
        return choose(q, *rest) if k is None else F.one_hot(torch.full((len(q),), k), q.shape[1]).to(q.dtype)

    with monkeypatch.context() as patch:
        patch.setattr(ladder, "_choose", given)
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
    assert changes(first[4].log_q, second[4].log_q)


def test_a_cluster_is_kept_from_the_rung_above_where_asked(monkeypatch):
    model, x = lively_ladder(tiny_spec({1: 1, 2: 2, 3: 3, 4: 4}, y_above=(2,))), tiny_input(4)
    first, second = (encode_with(model, x, {3: k}, monkeypatch) for k in (0, 2))
    assert torch.equal(first[4].log_q, second[4].log_q)
    first, second = (encode_with(model, x, {2: k}, monkeypatch) for k in (0, 1))
    assert changes(first[3].log_q, second[3].log_q)


def test_encoding_without_a_temperature_takes_the_most_probable_clusters():
    posteriors = lively_ladder(tiny_spec(MIXED)).encode(tiny_input(16))
    assert posteriors[1].q is posteriors[1].y is None
    for rung, K in ((2, 2), (3, 3)):
        posterior = posteriors[rung]
        assert torch.equal(posterior.y, F.one_hot(posterior.q.argmax(1), K).float())
        torch.testing.assert_close(posterior.q.sum(1), torch.ones(16))
        assert torch.equal(posterior.z, posterior.mean)


@torch.no_grad()
def test_every_latent_reaches_the_image_and_images_are_colours():
    model = lively_ladder(tiny_spec(PLAIN))
    z = {rung: torch.zeros(3, 2) for rung in PLAIN}
    image = model.decode(z)
    assert image.shape == (3, 3, 32, 32)
    assert 0 <= image.min() < image.max() <= 1
    for rung in PLAIN:
        assert changes(model.decode(z | {rung: torch.full((3, 2), 2.0)}), image), rung


@pytest.mark.parametrize("rung", [1, 4])
def test_the_gmdgm_is_made_of_the_rung_s_own_sub_networks(rung):
    """Every parameter has its namesake in the ladder; only where the decoder joins two rungs it is narrower."""
    alone = Ladder(spec_of("gmdgm", rung, K=3, z=NETWORK.z[rung - 1]))
    K = [3 if each == rung else 1 for each in PLAIN]
    whole = Ladder(spec_of("vlac", rung, K=K)).state_dict()
    assert (alone.rungs, alone.mixture_rungs, alone.main_rung, len(alone.side)) == ((rung,), (rung,), rung, 0)
    assert set(alone.trunk) == {str(below) for below in range(1, rung)}
    assert set(alone.climbs) == {str(below) for below in range(1, rung + 1)}
    narrower = set()
    for name, value in alone.state_dict().items():
        if value.shape != whole[name].shape:
            narrower.add(int(name.split(".")[1]))
            assert name.startswith("climbs.")
            assert value.shape[1 - (value.ndim == 4)] < whole[name].shape[1 - (value.ndim == 4)]
    assert narrower == set(range(1, min(rung, 3) + 1))


@torch.no_grad()
def test_a_rung_that_has_not_entered_says_nothing_and_half_entered_says_less():
    for form in ("vlae", "strided"):
        model, x = lively_ladder(tiny_spec(MIXED, form=form, q_y="responsibilities")), tiny_input(4)
        late = model.encode(x, fade={2: 0.0})
        assert sorted(late) == [1, 3, 4]
        z = {rung: posterior.mean for rung, posterior in model.encode(x).items()}
        without = model.decode({rung: late[rung].mean for rung in late}, {2: 0.0})
        assert torch.equal(model.decode({rung: late[rung].mean for rung in late} | {2: z[2]}, {2: 0.0}), without)
        for rung in (1, 2, 3, 4):
            other = z | {rung: z[rung] + 2}
            moved = [(model.decode(other, {rung: fade}) - model.decode(z, {rung: fade})).norm() for fade in (0.1, 1.0)]
            assert 0 < moved[0] < moved[1]


def test_vlac_moves_its_largest_mixture_to_the_rung_asked_for():
    for rung, K in ((2, (1, 50, 5, 1)), (3, (1, 5, 50, 1)), (4, (1, 5, 1, 50))):
        spec = spec_of("vlac", rung, K=[1, 5, 50, 1])
        assert (tuple(spec.K.values()), spec.main_rung) == (K, rung)
        assert spec.z == {1: 6, 2: 7, 3: 8, 4: 9}  # sizes belong to the rungs and stay
