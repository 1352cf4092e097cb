"""Codes of images against a direct pass through the ladder."""

import numpy as np
import pytest
import torch
from tiny import MIXED, lively_ladder, tiny_images, tiny_input, tiny_spec

from vlac.evaluation.codes import encode_images


@pytest.fixture(scope="module")
def model():
    return lively_ladder(tiny_spec(MIXED))


@torch.no_grad()
def test_codes_are_those_of_a_direct_pass(model):
    codes = encode_images(model, tiny_images(20))
    direct = model.encode(tiny_input(20))
    assert list(codes.mean) == [1, 2, 3, 4]
    assert list(codes.q) == list(codes.y) == [2, 3]
    for rung, mean in codes.mean.items():
        assert mean.dtype == np.float32
        np.testing.assert_array_equal(mean, direct[rung].mean.numpy())
    for rung, q in codes.q.items():
        assert (q.dtype, q.shape) == (np.float32, (20, MIXED[rung]))
        np.testing.assert_array_equal(q, direct[rung].q.numpy())
        assert codes.y[rung].dtype == np.int64
        np.testing.assert_array_equal(codes.y[rung], q.argmax(1))
        np.testing.assert_array_equal(codes.y[rung], direct[rung].y.argmax(1).numpy())
    assert len(set(codes.y[3])) > 1


def test_the_batch_size_does_not_matter(model):
    images = tiny_images(23)
    whole = encode_images(model, images)
    for batch in (1, 7, 23):
        parts = encode_images(model, images, batch=batch)
        for rung in model.rungs:
            np.testing.assert_allclose(parts.mean[rung], whole.mean[rung], atol=1e-4)
        for rung in model.mixture_rungs:
            np.testing.assert_allclose(parts.q[rung], whole.q[rung], atol=1e-5)
            np.testing.assert_array_equal(parts.y[rung], whole.y[rung])


def test_a_model_in_training_mode_is_encoded_by_its_running_statistics(model):
    images = tiny_images(10)
    expected = encode_images(model, images).mean[3]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    np.testing.assert_array_equal(encode_images(model, images).mean[3], expected)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_images_are_coded_in_their_order(model):
    images = tiny_images(12)
    forward, backward = encode_images(model, images, batch=5), encode_images(model, images[::-1].copy(), batch=5)
    np.testing.assert_allclose(forward.mean[4], backward.mean[4][::-1], atol=1e-4)
    assert np.abs(forward.mean[4] - backward.mean[4]).max() > 1e-2


def test_a_gmdgm_has_codes_of_its_one_rung():
    codes = encode_images(lively_ladder(tiny_spec({3: 5})), tiny_images(6))
    assert (list(codes.mean), list(codes.q), list(codes.y)) == ([3], [3], [3])
    assert codes.q[3].shape == (6, 5)
