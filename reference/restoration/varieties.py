"""Each kind of degradation in several implementations, of which a training sample gets one by chance.

A network that is trained on one implementation of haze learns that implementation.
The first of each kind is that of :mod:`.degradations`; those here differ from it in shape, in what they work
on (light or samples) and in what comes with them.
None has the code or the strengths of the other means of :mod:`.trials`: no counts on samples, no powers of
samples, no horizon, no drawn lines, nothing of Pillow but JPEG, no WebP.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from sdc.types import Pixels

from .degradations import (
    DEGRADE,
    Degrade,
    Floats,
    between,
    convolved,
    demosaiced,
    jpeg,
    linear,
    normal,
    of_bytes,
    ramp,
    samples,
    sensor,
    streaks,
    to_bytes,
    trail,
)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def enlarged(grid: Floats, shape: tuple[int, int]) -> Floats:
    """A grid ``[h, w]`` of at least 2 x 2 values, stretched to a shape by straight lines between them."""
    out = grid
    for axis, size in enumerate(shape):
        at = np.linspace(0, out.shape[axis] - 1, size)
        low = np.minimum(at.astype(int), out.shape[axis] - 2)
        part = (at - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part[None]
        out = np.take(out, low, axis) * (1 - part) + np.take(out, low + 1, axis) * part
    return out


def clouds(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Random smooth values of 0 to 1: grids of 2 to 16 values a side, the coarse ones the strongest."""
    total = np.zeros(shape, np.float32)
    for side, weight in ((2, 1.0), (3, 0.6), (5, 0.35), (9, 0.2), (16, 0.1)):
        total += np.float32(weight) * enlarged(rng.random((side, side), np.float32), shape)
    low, high = float(total.min()), float(total.max())
    return (total - low) / np.float32(max(high - low, 1e-6))


def _size(image: Floats) -> tuple[int, int]:
    return image.shape[0], image.shape[1]


def counted(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Light counted in electrons at some gain: few at white, noise of reading, whole steps of a converter."""
    full = between(3000, 12, severity) * rng.uniform(0.7, 1.4)
    electrons = rng.poisson(linear(image) * full).astype(np.float32)
    electrons += np.float32(rng.choice([0, 1, 3]) * rng.random()) * normal(image.shape, rng)
    step = np.float32(max(full / rng.choice([255, 1023, 4095]), 1e-3))
    light = np.clip(np.round(electrons / step) * step / np.float32(full), 0, 1)
    return samples(demosaiced(light) if rng.random() < 0.3 else light)


def uneven(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Normal noise whose deviation goes with some power of the sample, its own in each channel."""
    sigma = between(6, 60, severity) / 255 * rng.uniform(0.7, 1.3, 3)
    power, floor = rng.uniform(0, 1.2), rng.uniform(0, 0.6)
    deviation = floor + (1 - floor) * np.clip(image, 0, 1) ** np.float32(power) * 1.4
    return image + (deviation * sigma.astype(np.float32)).astype(np.float32) * normal(image.shape, rng)


def coloured(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Grain of light, fine, and of colours, in spots, as cameras leave it behind their own processing."""
    sigma = between(5, 40, severity) / 255
    fine = normal((*_size(image), 1), rng)
    wide = rng.uniform(0.6, 2.2)
    spots = convolved(normal(image.shape, rng), gaussian(wide, wide, 0.0))
    spots = spots / max(float(spots.std()), 1e-6)
    spots = spots - (spots @ LUMA)[..., None]
    if rng.random() < 0.4:
        narrow = rng.uniform(0.4, 0.8)
        fine = convolved(fine, gaussian(narrow, narrow, 0.0))
        fine = fine / max(float(fine.std()), 1e-6)
    grain = fine * np.float32(rng.uniform(0.3, 1)) + spots * np.float32(rng.uniform(0.4, 1.2))
    return image + np.float32(sigma) * grain


def gaussian(wide: float, high: float, angle: float) -> Floats:
    """A Gaussian kernel of two deviations in pixels along turned axes, of sum 1."""
    half = math.ceil(3 * max(wide, high))
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    kernel = np.exp(-0.5 * ((u / max(wide, 0.2)) ** 2 + (v / max(high, 0.2)) ** 2))
    return (kernel / kernel.sum()).astype(np.float32)


def soft(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A Gaussian, at times an oblong one, on light or on samples."""
    deviation = between(0.6, 4.0, severity)
    kernel = gaussian(deviation, deviation * rng.choice([1.0, rng.uniform(0.5, 1)]), rng.uniform(0, math.pi))
    return convolved(image, kernel) if rng.random() < 0.5 else samples(convolved(linear(image), kernel))


def aperture(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """The opening of a lens with five to eight blades, bright at its edge or in its middle."""
    radius, blades = between(1, 6, severity), int(rng.integers(5, 9))
    half = math.ceil(radius + 1)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    turned = np.arctan2(y, x) + rng.uniform(0, 2 * math.pi)
    wedge = (turned % (2 * math.pi / blades)) - math.pi / blades
    reach = np.hypot(y, x) * np.cos(wedge) / math.cos(math.pi / blades)
    kernel = np.clip(radius + 0.5 - reach, 0, 1) * (1 + rng.uniform(-0.5, 1) * reach / radius).clip(0)
    kernel = (kernel / kernel.sum()).astype(np.float32)
    return convolved(image, kernel) if rng.random() < 0.3 else samples(convolved(linear(image), kernel))


def straight(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A straight movement, on samples or on light."""
    kernel = trail(between(3, 26, severity), rng.uniform(0, math.pi), 0.0)
    return convolved(image, kernel) if rng.random() < 0.5 else samples(convolved(linear(image), kernel))


def shaken(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A hand that trembles: random steps, each in about the direction of the last."""
    half = math.ceil(between(2, 12, severity))
    steps = np.cumsum(rng.normal(0, 1, (64, 2)), 0)
    way = np.cumsum(steps, 0)
    way = (way - way.mean(0)) / max(float(np.abs(way - way.mean(0)).max()), 1e-6) * (half - 0.5)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    at = np.rint(way).astype(int) + half
    np.add.at(kernel, (at[:, 0], at[:, 1]), 1)
    kernel = convolved(kernel[..., None], gaussian(0.5, 0.5, 0.0))[..., 0].clip(0)
    return samples(convolved(linear(image), kernel / kernel.sum()))


def twice(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """JPEG twice, the second time with its blocks in another place and at another quality."""
    first, second = (round(between(85, 6, severity) * rng.uniform(0.8, 1.6)) for _ in range(2))
    top, left = (int(n) for n in rng.integers(0, 8, 2))
    pixels = jpeg(to_bytes(image), min(max(first, 4), 95), int(rng.choice([0, 1, 2])))
    wide = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), "edge")
    return of_bytes(jpeg(wide, min(max(second, 4), 95), int(rng.choice([0, 1, 2])))[top:, left:])


def scaled(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Samples that are multiplied, with what reading adds, or nothing."""
    dark = image * np.float32(between(0.75, 0.1, severity))
    if rng.random() < 0.6:
        dark = dark + np.float32(between(0.5, 6, rng.random()) / 255) * normal(image.shape, rng)
    return dark


def toe(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A curve with a long toe, by an exponential function, a darker top, and uneven noise or none."""
    bend = between(0.6, 5, severity)
    top = np.float32(rng.uniform(0.45, 1))
    dark = top * (np.exp(np.float32(bend) * np.clip(image, 0, 1)) - 1) / np.float32(math.expm1(bend))
    if rng.random() < 0.6:
        sigma = between(0.5, 14, rng.random()) / 255
        spread = np.float32(sigma) * np.sqrt(np.float32(rng.uniform(0, 0.3)) + dark)
        dark = dark + spread * normal(image.shape, rng)
    return dark


def partly(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Light that reaches parts of the image, such as a lamp or a window gives it."""
    least = between(0.4, 0.03, severity)
    here = clouds(_size(image), rng)[..., None] ** np.float32(rng.uniform(0.7, 3))
    most = min(1.0, least * rng.uniform(2, 12))
    light = linear(image) * (np.float32(least) + np.float32(most - least) * here)
    shot = between(1e-5, 2e-3, rng.random())
    return samples(sensor(light, shot, rng.uniform(0, 1) * math.sqrt(shot) * 0.08, rng))


def starved(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A fraction of the light, counted in electrons, and made brighter again by part of what is missing."""
    fraction = between(0.4, 0.02, severity)
    full = between(20000, 300, rng.random())
    counts = rng.poisson(linear(image) ** np.float32(rng.uniform(0.85, 1.6)) * np.float32(fraction * full))
    counts = counts + np.float32(rng.uniform(0, 3)) * normal(image.shape, rng)
    gain = rng.uniform(1, max(1.0, 0.3 / fraction))
    return samples((counts * np.float32(gain / full)).astype(np.float32))


def air(rng: np.random.Generator) -> Floats:
    """Light of the air: greys, and tints of blue, brown and others."""
    tint = rng.normal(0, rng.choice([0.0, 0.03, 0.1]), 3)
    return np.clip(rng.uniform(0.5, 1.0) * (1 + tint - tint.mean()), 0, 1).astype(np.float32)


def _through(image: Floats, depth: Floats, rng: np.random.Generator) -> Floats:
    """An image behind air of some optical depth, ``[H, W]``, on samples or on light."""
    left: Floats = np.exp(-depth).astype(np.float32)[..., None]
    if rng.random() < 0.7:
        return image * left + air(rng) * (1 - left)
    return samples(linear(image) * left + linear(air(rng)) * (1 - left))


def veil(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """The same haze everywhere."""
    return _through(image, np.full(_size(image), between(0.15, 2.0, severity), np.float32), rng)


def fog(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Banks of fog, thick and thin."""
    depth = rng.uniform(0, 0.6) + rng.uniform(0.5, 1.5) * clouds(_size(image), rng)
    return _through(image, between(0.3, 2.2, severity) * depth.astype(np.float32), rng)


def distance(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Haze that thickens towards a point far away, in or above the image, over ground and walls."""
    height, width = _size(image)
    y, x = rng.uniform(-0.3, 0.6) * height, rng.uniform(-0.2, 1.2) * width
    rows, cols = np.mgrid[:height, :width].astype(np.float32)
    near = np.hypot((rows - y) / height, (cols - x) / width * rng.uniform(0.2, 1))
    depth = 1 / (rng.uniform(0.3, 1) + near * rng.uniform(0.5, 4))
    depth = depth * (1 + rng.uniform(0, 0.5) * (ramp((height, width), rng) - 0.5))
    return _through(image, between(0.25, 1.6, severity) * depth.astype(np.float32), rng)


def lines_of_rain(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Streaks one by one, each of its own length, width and light, over what is behind them."""
    height, width = _size(image)
    layer = np.zeros((height, width), np.float32)
    lean, spread = rng.normal(0, 0.25), rng.uniform(0, 0.08)
    long, thick = rng.uniform(6, 36), rng.uniform(0.35, 1.0)
    for _ in range(int(between(1, 10, severity) * height * width / 1000)):
        tilt, length = lean + rng.normal(0, spread), long * rng.uniform(0.4, 1.6)
        top, left = rng.uniform(-length, height), rng.uniform(-0.2 * width, 1.2 * width)
        rows = np.arange(max(0, math.floor(top)), min(height, math.ceil(top + length)))
        if not len(rows):
            continue
        middle = left + (rows - top) * math.tan(tilt)
        first = np.floor(middle).astype(int)
        light = np.float32(rng.uniform(0.3, 1))
        for side in (-1, 0, 1, 2):
            cols = first + side
            own = (cols >= 0) & (cols < width)
            cover = light * np.exp(-0.5 * ((cols - middle) / thick) ** 2)
            layer[rows[own], cols[own]] = np.maximum(layer[rows[own], cols[own]], cover[own])
    cover = layer[..., None] * np.float32(rng.uniform(0.5, 1))
    shade: Floats = np.float32(rng.uniform(0.6, 1)) * (1 + rng.normal(0, 0.03, 3)).astype(np.float32)
    if rng.random() < 0.3:
        return image + cover * shade * (1 - image)
    return image * (1 - cover) + cover * shade


def sheets_of_rain(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Noise that is blurred along the fall and stretched, near drops and far ones, with a little haze."""
    kernel = trail(rng.uniform(8, 32), math.pi / 2 + rng.normal(0, 0.35), 0.0)
    wide = rng.uniform(0.3, 0.9)
    grain = convolved(convolved(normal((*_size(image), 1), rng), gaussian(wide, wide, 0.0)), kernel)
    grain = grain / max(float(grain.std()), 1e-6)
    cover = np.clip(grain - np.float32(between(2.2, 0.8, severity)), 0, 1.5)
    cover = cover * np.float32(rng.uniform(0.2, 0.7))
    far = np.float32(rng.uniform(0, 0.25) * severity)
    hazy = image * (1 - far) + far * np.float32(rng.uniform(0.6, 0.95))
    return hazy + cover * np.float32(rng.uniform(0.7, 1))


def shaded_rain(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Streaks that let through a part of what is behind, more in one place than in another."""
    light = streaks(_size(image), severity, rng) * (0.5 + clouds(_size(image), rng))
    cover = np.clip(light * np.float32(rng.uniform(0.8, 1.6)), 0, 0.95)[..., None]
    return image * (1 - cover) + cover * np.float32(rng.uniform(0.55, 1))


VARIETIES: Mapping[str, tuple[Degrade, ...]] = {
    "noise": (DEGRADE["noise"], counted, uneven, coloured),
    "defocus-blur": (DEGRADE["defocus-blur"], soft, aperture),
    "motion-blur": (DEGRADE["motion-blur"], straight, shaken),
    "compression": (DEGRADE["compression"], twice),
    "low-light": (DEGRADE["low-light"], scaled, toe, partly, starved),
    "haze": (DEGRADE["haze"], veil, fog, distance),
    "rain": (DEGRADE["rain"], lines_of_rain, sheets_of_rain, shaded_rain),
}
"""Implementations by kind, that of :data:`.degradations.DEGRADE` first."""


def varied(pixels: Pixels, severities: Mapping[str, float], rng: np.random.Generator) -> Pixels:
    """An image after some degradations in their order, each by one of its implementations.

    Args:
        pixels: ``uint8 [H, W, 3]``, clean.
        severities: of kinds, each above 0 to 1.
        rng: where all that is random comes from, the implementations too.
    """
    if not severities:
        return pixels
    image = of_bytes(pixels)
    for kind, severity in severities.items():
        ways = VARIETIES[kind]
        image = np.clip(ways[int(rng.integers(len(ways)))](image, severity, rng), 0, 1).astype(np.float32)
    return to_bytes(image)
