"""The rendered digits: reproducible, balanced, and with their factors truly in the pixels."""

import colorsys
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vlac.data import fonts
from vlac.data.digits import FACTOR_VALUES, LUMA, Style, render
from vlac.data.split import Split
from vlac.errors import VlacError

# One digit, upright, in the middle, under even light and without noise: what is left are the factors.
PLAIN = Style(height=(26, 26), stretch=(1, 1), rotation=0, shift=0, neighbour=0, gradient=0, noise=0, blur=(0.3, 0.3))


@pytest.fixture(scope="module")
def plain() -> Split:
    return render(400, seed=3, style=PLAIN)


def ink_and_ground(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return the two colours (N, 3) of plain images: a corner is ground, the pixel furthest from it is ink."""
    pixels = split.images.reshape(len(split), -1, 3).astype(float) / 255
    ground = pixels[:, 0]
    furthest = np.abs(pixels - ground[:, None]).sum(2).argmax(1)
    return pixels[np.arange(len(split)), furthest], ground


def test_same_seed_same_bytes_in_another_process(tmp_path: Path) -> None:
    script = "import sys, pathlib; from vlac.data.digits import render; render(60, 5).save(pathlib.Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", script, tmp_path / "other.npz"], check=True)
    render(60, 5).save(tmp_path / "own.npz")
    assert (tmp_path / "own.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()


def test_a_smaller_count_gives_the_first_images_of_a_larger_one() -> None:
    small, large = render(30, seed=1), render(1030, seed=1)
    np.testing.assert_array_equal(small.images, large.images[:30])
    for name in FACTOR_VALUES:
        np.testing.assert_array_equal(small.factors[name], large.factors[name][:30])
    assert not np.array_equal(large.images[:30], large.images[1000:])  # a block is no copy of the one before


def test_seeds_differ_and_digits_are_balanced() -> None:
    one, other = render(1000, seed=1), render(1000, seed=2)
    assert not np.array_equal(one.labels, other.labels)
    for split in (one, other):
        assert split.images.shape == (1000, 32, 32, 3)
        assert np.bincount(split.labels).tolist() == [100] * 10
        for name, values in FACTOR_VALUES.items():
            counts = np.bincount(split.factors[name], minlength=len(values))
            assert counts.min() > 0.7 * 1000 / len(values), name


def test_polarity_says_which_is_brighter(plain: Split) -> None:
    ink, ground = ink_and_ground(plain)
    brighter = (ink @ LUMA > ground @ LUMA).astype(np.uint8)
    np.testing.assert_array_equal(brighter, plain.factors["polarity"])


def test_hues_of_ink_and_ground_fall_into_their_bins(plain: Split) -> None:
    ink, ground = ink_and_ground(plain)
    for name, colours, share in (("background_hue", ground, 0.97), ("ink_hue", ink, 0.85)):
        # Thin strokes mix ink with ground, and dim colours round: nearly all is what can be asked for.
        degrees = np.array([360 * colorsys.rgb_to_hsv(*colour)[0] for colour in colours])
        bins = np.rint(degrees / 60).astype(int) % 6
        assert (bins == plain.factors[name]).mean() > share, name


def test_digit_and_typeface_shape_the_ink(plain: Split) -> None:
    _, ground = ink_and_ground(plain)
    difference = np.abs(plain.images.astype(float) / 255 - ground[:, None, None]).sum(3)
    shape = difference / difference.max((1, 2), keepdims=True)
    typewriter = plain.factors["typeface"] == FACTOR_VALUES["typeface"].index("typewriter")  # it has one font
    same = [shape[typewriter & (plain.labels == digit)] for digit in range(10)]
    means = np.stack([images.mean(0) for images in same])
    for digit, images in enumerate(same):
        assert len(images) >= 2
        distances = ((images[:, None] - means) ** 2).sum((2, 3))
        assert (distances.argmin(1) == digit).all()
        assert distances[:, digit].max() < 0.2 * np.delete(distances, digit, 1).min()


def test_neighbours_touch_the_sides_and_leave_the_middle_alone() -> None:
    ground_only = render(200, seed=4, style=PLAIN)
    with_neighbours = render(200, seed=4, style=Style(**{**vars(PLAIN), "neighbour": 1.0}))
    changed = (ground_only.images != with_neighbours.images).any(3).mean((0, 1))
    assert changed[[0, 31]].min() > 0.2
    assert changed[14:18].max() < 0.05
    assert (ground_only.images[:, :, [0, 31]] == ground_only.images[:, :1, :1]).all()


def test_every_font_has_ten_distinct_digits_within_its_cell() -> None:
    glyphs = fonts.rasterise()
    count = sum(len(names) for names in fonts.TYPEFACES.values())
    assert glyphs.masks.shape == (count, 10, fonts.CELL, fonts.CELL)
    assert sorted(np.concatenate(glyphs.fonts)) == list(range(count))
    for masks in glyphs.masks:
        distances = ((masks[:, None] - masks) ** 2).sum((2, 3)) + 1e9 * np.eye(10)
        assert distances.min() > 20
    for rim in (glyphs.masks[..., :6], glyphs.masks[..., -6:], glyphs.masks[:, :, :6], glyphs.masks[:, :, -6:]):
        assert rim.max() == 0  # room for the blur
    columns = glyphs.masks.max(2) > 0
    centre = (columns.argmax(2) + fonts.CELL - 1 - columns[..., ::-1].argmax(2)) / 2
    assert np.abs(centre - (fonts.CELL - 1) / 2).max() <= 1


def test_missing_fonts_are_named(tmp_path: Path) -> None:
    with pytest.raises(VlacError, match=r"DejaVuSans\.ttf cannot be read"):
        fonts.rasterise(tmp_path)
