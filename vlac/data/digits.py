"""Street-view-like digits, rendered offline: the embedded data set, with the true factors of every image.

An image is one house-number digit with its neighbours cut off at the sides. Five factors are drawn independently:
digit, hue of the ink, hue of the ground, polarity (which of the two is brighter) and typeface. Everything else (size,
tilt, place, saturation, contrast, blur, light, noise) is nuisance whose range `Style` sets.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from vlac.data.fonts import CELL, DIGIT_HEIGHT, TYPEFACES, Glyphs, rasterise
from vlac.data.split import DIGITS, Split

HUES = ("red", "yellow", "green", "cyan", "blue", "magenta")  # bins of 60 degrees, centred on these
FACTOR_VALUES = {
    "digit": DIGITS,
    "ink_hue": HUES,
    "background_hue": HUES,
    "polarity": ("dark_ink", "light_ink"),
    "typeface": tuple(TYPEFACES),
}

Factors = dict[str, np.ndarray]

SIDE = 32
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601 weights of R, G, B
BLOCK = 1000  # images drawn from one random stream: the first n images do not depend on how many are asked for
BLURS = 8  # blur levels that the glyph masks are prepared at


@dataclass(frozen=True)
class Style:
    """How varied the images are; pairs are the ends of a uniform distribution."""

    height: tuple[float, float] = (22.0, 26.0)  # of the digit, pixels
    stretch: tuple[float, float] = (0.85, 1.05)  # width over the font's own width
    rotation: float = 5.0  # largest tilt to either side, degrees
    shift: float = 1.0  # largest displacement from the centre along each axis, pixels
    neighbour: float = 0.5  # probability of a neighbour digit, for each side on its own
    gap: tuple[float, float] = (0.08, 0.3)  # space between neighbours, as a fraction of the digit's height
    saturation: tuple[float, float] = (0.15, 0.75)  # of ink and ground, as a fraction of what their luma allows
    contrast: tuple[float, float] = (0.35, 0.65)  # difference of luma (0..1) between ink and ground
    brightness: tuple[float, float] = (0.1, 0.9)  # luma that both stay within; the contrast must fit into it
    hue_spread: float = 0.7  # share of a hue's 60-degree bin that its hues fill; below 1 the bins are set apart
    gradient: float = 0.25  # largest relative change of the light from the centre to the edge
    blur: tuple[float, float] = (0.4, 1.1)  # standard deviation of the Gaussian blur, pixels
    noise: float = 0.03  # largest standard deviation of the pixel noise, of a range of 1


def render(count: int, seed: int, style: Style = Style()) -> Split:
    """Render `count` images; equal arguments give equal images, and a smaller count gives the first of a larger one.

    Every 1,000 images hold each digit 100 times. `count` is at least 1; different seeds, which are not negative, give
    unrelated images.
    """
    glyphs = rasterise()
    low, high = style.blur[0] / style.height[1], style.blur[1] / style.height[0]
    sigmas = np.linspace(low, high, BLURS) * DIGIT_HEIGHT
    masks = np.stack([gaussian_filter(glyphs.masks, (0, 0, sigma, sigma), mode="constant") for sigma in sigmas])
    streams = (np.random.default_rng([seed, number]) for number in range(-(-count // BLOCK)))
    blocks = [_block(stream, style, glyphs, masks, sigmas) for stream in streams]
    images = np.concatenate([images for images, _ in blocks])[:count]
    factors = {name: np.concatenate([factors[name] for _, factors in blocks])[:count] for name in FACTOR_VALUES}
    return Split(images, factors, dict(FACTOR_VALUES))


def _block(
    rng: np.random.Generator, style: Style, glyphs: Glyphs, masks: np.ndarray, sigmas: np.ndarray
) -> tuple[np.ndarray, Factors]:
    """Return BLOCK images and their factors."""
    factors = {
        "digit": rng.permutation(np.arange(BLOCK) % 10),
        **{name: rng.integers(len(FACTOR_VALUES[name]), size=BLOCK) for name in list(FACTOR_VALUES)[1:]},
    }
    coverage = _coverage(rng, style, glyphs, masks, sigmas, factors)
    ink, ground = _colours(rng, style, factors)
    picture = ground[:, None, None] + coverage[..., None] * (ink - ground)[:, None, None]

    angle, strength = rng.uniform(0, 2 * np.pi, BLOCK), rng.uniform(0, style.gradient, BLOCK)
    ramp = np.linspace(-1, 1, SIDE)
    slope_x, slope_y = (strength * np.cos(angle))[:, None, None], (strength * np.sin(angle))[:, None, None]
    picture *= (1 + slope_x * ramp + slope_y * ramp[:, None])[..., None].astype(np.float32)

    spread = rng.uniform(0, style.noise, (BLOCK, 1, 1, 1)).astype(np.float32)
    picture += spread * rng.standard_normal(picture.shape, np.float32)
    images = np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    return images, {name: index.astype(np.uint8) for name, index in factors.items()}


def _coverage(
    rng: np.random.Generator, style: Style, glyphs: Glyphs, masks: np.ndarray, sigmas: np.ndarray, factors: Factors
) -> np.ndarray:
    """Return how much of each pixel the ink covers, float32 (BLOCK, 32, 32): the digit and its neighbours."""
    font = np.array([rng.choice(glyphs.fonts[typeface]) for typeface in factors["typeface"]])
    texel = rng.uniform(*style.height, BLOCK) / DIGIT_HEIGHT  # pixels per texel
    stretch = rng.uniform(*style.stretch, BLOCK)
    tilt = np.deg2rad(rng.uniform(-style.rotation, style.rotation, BLOCK))
    shift = rng.uniform(-style.shift, style.shift, (2, BLOCK))
    gap = rng.uniform(*style.gap, (2, BLOCK)) * DIGIT_HEIGHT
    neighbours = rng.integers(10, size=(2, BLOCK))
    present = rng.random((2, BLOCK)) < style.neighbour
    blur = np.abs(rng.uniform(*style.blur, BLOCK)[:, None] / texel[:, None] - sigmas).argmin(1)

    # Pixel -> texel, both measured from the centre of the digit: undo the shift, the tilt, then the scale.
    grid = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = grid - shift[0, :, None], grid - shift[1, :, None]
    cos, sin = np.cos(tilt), np.sin(tilt)
    x, y = x[:, None, :], y[:, :, None]
    across = x * (cos / texel / stretch)[:, None, None] + y * (sin / texel / stretch)[:, None, None]
    down = y * (cos / texel)[:, None, None] - x * (sin / texel)[:, None, None]

    coverage = _sample(masks, blur, font, factors["digit"], across, down)
    half = glyphs.widths[font, factors["digit"]] / 2
    for side, sign in enumerate((-1, 1)):
        which = np.flatnonzero(present[side])
        digit = neighbours[side, which]
        offset = sign * (half[which] + gap[side, which] + glyphs.widths[font[which], digit] / 2)
        beside = _sample(masks, blur[which], font[which], digit, across[which] - offset[:, None, None], down[which])
        coverage[which] = np.maximum(coverage[which], beside)
    return coverage


def _sample(
    masks: np.ndarray, blur: np.ndarray, font: np.ndarray, digit: np.ndarray, across: np.ndarray, down: np.ndarray
) -> np.ndarray:
    """Return one mask per image, read bilinearly at texel offsets (n, 32, 32) from its centre; zero outside."""
    # The blurred masks are zero at the rim of the cell, so that clipping to it means zero outside.
    column = np.clip(across + (CELL - 1) / 2, 0, CELL - 1.001)
    row = np.clip(down + (CELL - 1) / 2, 0, CELL - 1.001)
    left, top = column.astype(np.int64), row.astype(np.int64)
    right, bottom = (column - left).astype(np.float32), (row - top).astype(np.float32)
    cell = np.ravel_multi_index((blur, font, digit), masks.shape[:3])[:, None, None] * CELL * CELL
    corner = cell + top * CELL + left
    flat = masks.ravel()
    above = flat[corner] * (1 - right) + flat[corner + 1] * right
    below = flat[corner + CELL] * (1 - right) + flat[corner + CELL + 1] * right
    return above * (1 - bottom) + below * bottom


def _colours(rng: np.random.Generator, style: Style, factors: Factors) -> tuple[np.ndarray, np.ndarray]:
    """Return ink and ground colours, float32 (BLOCK, 3) in [0, 1], whose lumas differ by the drawn contrast."""
    contrast = rng.uniform(*style.contrast, BLOCK)
    darker = rng.uniform(style.brightness[0], style.brightness[1] - contrast)
    light_ink = factors["polarity"] == 1
    ink = _colour(rng, style, factors["ink_hue"], np.where(light_ink, darker + contrast, darker))
    ground = _colour(rng, style, factors["background_hue"], np.where(light_ink, darker, darker + contrast))
    return ink, ground


def _colour(rng: np.random.Generator, style: Style, hue_bin: np.ndarray, luma: np.ndarray) -> np.ndarray:
    """Return colours of the given luma, float32 (BLOCK, 3), with hues drawn around the centres of their bins."""
    hue = hue_bin + style.hue_spread * rng.uniform(-0.5, 0.5, BLOCK)  # in bins of 60 degrees, red at 0
    pure = np.clip(np.abs((hue[:, None] + np.array([0, 4, 2])) % 6 - 3) - 1, 0, 1)  # RGB of full saturation and value
    chroma = pure - (pure @ LUMA)[:, None]  # a direction of zero luma
    # The furthest along it that keeps every channel within [0, 1].
    room = np.where(chroma > 0, 1 - luma[:, None], luma[:, None]) / np.maximum(np.abs(chroma), 1e-9)
    saturation = rng.uniform(*style.saturation, BLOCK) * room.min(1)
    return (luma[:, None] + saturation[:, None] * chroma).astype(np.float32)
