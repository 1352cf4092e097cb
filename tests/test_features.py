"""Colour GIST against another implementation, and by hand."""

import numpy as np
import pytest
import torch
from tiny import tiny_images

from vlac.errors import VlacError
from vlac.features import SIZE, compute
from vlac.features.gist import gist, whiten


def by_part(features):
    """Return GIST by image, channel, filter, column and row of blocks."""
    return features.reshape(-1, 3, 20, 4, 4)


def test_sizes_and_pixels():
    images = tiny_images(6)
    for sees, size in SIZE.items():
        features = compute(images, sees)
        assert (features.shape, features.dtype) == ((6, size), np.float32)
    assert compute(images, "pixels")[3, 3 * (32 * 5 + 7) + 1] == np.float32(images[3, 5, 7, 1]) / 255


def test_gist_of_grey_images_is_that_of_torchgist():
    from torchgist.models import GIST

    grey = tiny_images(5)[..., :1].astype(np.float64)
    low, high = grey.min((1, 2, 3), keepdims=True), grey.max((1, 2, 3), keepdims=True)
    grey = np.rint((grey - low) / (high - low) * 255).astype(np.uint8)  # torchgist stretches grey values itself
    theirs = GIST((8, 8, 4), num_blocks=4, fc_prefilt=4, image_size=(32, 32), boundary_extension=0)
    expected = theirs(torch.from_numpy(grey).float().permute(0, 3, 1, 2)).numpy()
    ours = by_part(compute(grey.repeat(3, -1), "gist"))
    for channel in range(3):
        np.testing.assert_allclose(ours[:, channel].reshape(5, -1), expected, atol=2e-6)


def test_channels_share_one_local_contrast():
    image = tiny_images(1)[0].astype(np.float64)
    padded = np.pad(np.log(image + 1), ((5, 5), (5, 5), (0, 0)), "symmetric")
    k = np.fft.fftfreq(42, 1 / 42)
    transfer = np.exp(-(k[:, None] ** 2 + k**2) * np.log(2) / 16)[..., None]

    def low(x):
        return np.fft.ifft2(np.fft.fft2(x, axes=(0, 1)) * transfer, axes=(0, 1)).real

    detail = padded - low(padded)
    expected = detail / (0.2 + np.sqrt(np.abs(low(detail.mean(-1, keepdims=True) ** 2))))
    ours = whiten(torch.from_numpy(image).float().permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    np.testing.assert_allclose(ours, expected[5:-5, 5:-5], atol=1e-4)


def test_what_is_even_answers_nothing_and_edges_answer_in_their_channel_and_block():
    image = np.full((1, 32, 32, 3), 90, np.uint8)
    assert np.abs(compute(image, "gist")).max() < 1e-5
    image[0, 2:6, 26:30, 1] = 200  # green, in the top row and the last column of blocks
    answer = by_part(compute(image, "gist"))[0].mean(1)
    assert np.abs(answer[[0, 2]]).max() < 1e-5
    assert np.unravel_index(answer[1].argmax(), (4, 4)) == (3, 0)


def test_features_of_an_image_do_not_depend_on_the_others():
    images = tiny_images(7)
    np.testing.assert_array_equal(compute(images, "gist")[::-1], compute(images[::-1].copy(), "gist"))


def test_gist_of_many_images_is_computed_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = tiny_images(1000)
    np.testing.assert_array_equal(compute(images, "gist"), gist(images))
    monkeypatch.setattr("vlac.features.gist.gist", lambda images: np.zeros((len(images), 960), np.float32))
    np.testing.assert_array_equal(compute(images, "gist"), gist(images))  # read, not computed
    assert not compute(images[::-1], "gist").any()
    for path in tmp_path.glob("checkpoints/features/*.npz"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(VlacError, match=r"npz is damaged.*Delete it"):
        compute(images, "gist")
