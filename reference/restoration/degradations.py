"""What happens to photographs before they are coded, made by chance from clean ones.

Each kind has a severity of 0 to 1, where 1 is the strongest that is made.
All randomness comes from the generator that is handed in.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.types import Pixels

KINDS = {
    "noise": 1,
    "defocus-blur": 2,
    "motion-blur": 3,
    "compression": 4,
    "low-light": 5,
    "haze": 7,
    "rain": 8,
}
"""Kinds that are made, and their numbers in the registry (spec appendix C.5)."""

MIXTURES = (
    ("defocus-blur", "noise"),
    ("motion-blur", "noise"),
    ("noise", "compression"),
    ("defocus-blur", "compression"),
    ("low-light", "compression"),
    ("motion-blur", "low-light"),
    ("haze", "noise"),
    ("haze", "compression"),
    ("rain", "haze"),
    ("rain", "noise"),
    ("rain", "compression"),
)
"""Kinds that come together, in the order in which they happen."""

CLEAN_PART, MIXED_PART = 0.14, 0.2
"""Parts of the samples without any degradation, and with several."""

LEAST = 0.1
"""Least severity: below it there is hardly anything to see."""

GAMMA = 2.2

Floats = npt.NDArray[np.float32]
Degrade = Callable[[Floats, float, np.random.Generator], Floats]
"""From ``float32 [H, W, 3]`` of 0 to 1 and a severity to another such image."""


def between(low: float, high: float, part: float) -> float:
    """A value on a logarithmic scale from ``low`` at 0 to ``high`` at 1."""
    return float(low * (high / low) ** part)


def linear(image: Floats) -> Floats:
    """Light for samples of 0 to 1."""
    light: Floats = np.clip(image, 0, 1) ** np.float32(GAMMA)
    return light


def samples(light: Floats) -> Floats:
    """Samples of 0 to 1 for light."""
    image: Floats = np.clip(light, 0, 1) ** np.float32(1 / GAMMA)
    return image


def normal(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Normal random values of mean 0 and deviation 1."""
    return rng.standard_normal(shape, np.float32)


def sensor(light: Floats, shot: float, read: float, rng: np.random.Generator) -> Floats:
    """Light as a sensor counts it: noise of photons, nearly normal, and of reading.

    Args:
        light: ``float32 [H, W, 3]``.
        shot: variance for a light of 1.
        read: standard deviation in the dark.
    """
    deviation = np.sqrt(np.maximum(light, 0) * np.float32(shot) + np.float32(read**2))
    return light + deviation * normal(light.shape, rng)


def demosaiced(light: Floats) -> Floats:
    """What bilinear interpolation makes of one colour a pixel, in Bayer's pattern."""
    out = np.empty_like(light)
    for channel, places in enumerate((((0, 0),), ((0, 1), (1, 0)), ((1, 1),))):
        known = np.zeros(light.shape[:2], np.float32)
        for y, x in places:
            known[y::2, x::2] = 1
        sums, counts = (_tent(plane) for plane in (known * light[..., channel], known))
        out[..., channel] = np.where(known > 0, light[..., channel], sums / counts)
    return out


def _tent(plane: Floats) -> Floats:
    """A plane filtered by 1, 2, 1 along both axes."""
    for axis in (0, 1):
        wide = np.pad(plane, [(1, 1) if a == axis else (0, 0) for a in (0, 1)], "reflect")
        low, middle, high = (np.take(wide, range(k, k + plane.shape[axis]), axis) for k in range(3))
        plane = low + 2 * middle + high
    return plane


def noise(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Normal noise on samples, or that of a sensor, at times one with a mosaic of colours."""
    sigma = between(6, 55, severity) / 255
    if rng.random() < 0.45:
        one = rng.random() < 0.15
        grain = normal((*image.shape[:2], 1 if one else 3), rng)
        return image + np.float32(sigma) * grain
    # Such that a middle grey has about the same noise.
    middle = 0.5**GAMMA
    spread = sigma * GAMMA * 0.5 ** (GAMMA - 1)
    part = rng.uniform(0.2, 0.95)
    light = sensor(linear(image), part * spread**2 / middle, math.sqrt(1 - part) * spread, rng)
    if rng.random() < 0.4:
        light = demosaiced(light)
    return samples(light)


def convolved(image: Floats, kernel: Floats) -> Floats:
    """An image filtered by an odd kernel ``[k, k]``, reflected at its edges."""
    half = kernel.shape[0] // 2
    wide = np.pad(image, ((half, half), (half, half), (0, 0)), "reflect")
    size = wide.shape[:2]
    spectrum = np.fft.rfft2(kernel, size)[..., None]
    product = np.fft.irfft2(np.fft.rfft2(wide, axes=(0, 1)) * spectrum, size, axes=(0, 1))
    return product[2 * half :, 2 * half :].astype(np.float32)


def disc(radius: float) -> Floats:
    """A disc with a soft edge, of sum 1."""
    half = math.ceil(radius + 0.5)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    inside = np.clip(radius + 0.5 - np.hypot(y, x), 0, 1)
    return (inside / inside.sum()).astype(np.float32)


def trail(length: float, angle: float, bend: float) -> Floats:
    """The trail of a point that moves on an arc, of sum 1.

    Args:
        length: in pixels.
        angle: of its direction in the middle.
        bend: by how much the direction turns along the way.
    """
    half = math.ceil(length / 2 + 1)
    t = np.linspace(-0.5, 0.5, 16 * half)
    turned = angle + bend * t
    step = length / len(t)
    x, y = np.cumsum(np.cos(turned)) * step, np.cumsum(np.sin(turned)) * step
    return _splat(y - y.mean(), x - x.mean(), half)


def _splat(y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], half: int) -> Floats:
    kernel = np.zeros((2 * half + 1, 2 * half + 1))
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    down, right = y - top, x - left
    for dy, wy in ((0, 1 - down), (1, down)):
        for dx, wx in ((0, 1 - right), (1, right)):
            np.add.at(kernel, (top + dy + half, left + dx + half), wy * wx)
    return (kernel / kernel.sum()).astype(np.float32)


def defocus(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A lens out of focus: highlights spread as light does."""
    return samples(convolved(linear(image), disc(between(0.8, 5.0, severity))))


def motion(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """A camera that moves while it exposes."""
    kernel = trail(between(3, 24, severity), rng.uniform(0, math.pi), rng.normal(0, 0.6))
    return samples(convolved(linear(image), kernel))


def compression(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """An earlier life as JPEG."""
    quality = round(between(60, 7, severity))
    return of_bytes(jpeg(to_bytes(image), quality, int(rng.choice([0, 2, 2]))))


def jpeg(pixels: Pixels, quality: int, subsampling: int) -> Pixels:
    """Pixels after coding and decoding as JPEG, of Pillow's quality and subsampling."""
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "jpeg", quality=quality, subsampling=subsampling)
        return np.asarray(Image.open(file))


def low_light(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Too little light: a fraction of it, at times with more contrast, and the noise of a sensor."""
    fraction = between(0.4, 0.03, severity)
    curve = rng.uniform(0.9, 1.3)
    light = np.float32(fraction) * linear(image) ** np.float32(curve)
    shot = between(2e-5, 1e-3, rng.random())
    return samples(sensor(light, shot, rng.uniform(0.2, 1) * math.sqrt(shot) * 0.06, rng))


def ramp(shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """A smooth depth of 0 to 1: a slope, mostly upwards, and waves on it."""
    y, x = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in shape)
    angle = rng.normal(math.pi / 2, 0.6)
    depth = rng.uniform(0, 1) * (math.cos(angle) * x[None] - math.sin(angle) * y[:, None])
    for _ in range(3):
        fy, fx = rng.normal(0, 3, 2)
        wave = np.sin(fy * y[:, None] + fx * x[None] + rng.uniform(0, 2 * math.pi))
        depth = depth + rng.uniform(0, 0.3) * wave
    low, high = depth.min(), depth.max()
    return ((depth - low) / max(high - low, 1e-6)).astype(np.float32)


def haze(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Light of the air in front of what is far away."""
    depth = rng.uniform(0.35, 0.9) + rng.uniform(0.2, 1) * ramp((image.shape[0], image.shape[1]), rng)
    through = np.exp(-between(0.3, 2.0, severity) * depth).astype(np.float32)[..., None]
    air = rng.uniform(0.6, 1.0) * (1 + rng.normal(0, 0.02, 3))
    return image * through + np.float32(1) * air.astype(np.float32) * (1 - through)


def streaks(shape: tuple[int, int], severity: float, rng: np.random.Generator) -> Floats:
    """Light of streaks of rain, ``float32 [H, W]``: drops that fall while the camera exposes."""
    total = np.zeros(shape, np.float32)
    angle = math.pi / 2 + rng.normal(0, 0.3)
    for _ in range(int(rng.integers(1, 4))):
        length = rng.uniform(8, 40)
        drops = (rng.random(shape) < between(0.0015, 0.012, severity)).astype(np.float32)
        drops *= rng.uniform(0.4, 1, shape).astype(np.float32)
        width = disc(rng.uniform(0.4, 1.1))
        wide = convolved(convolved(drops[..., None], width), trail(length, angle + rng.normal(0, 0.03), 0))
        total += wide[..., 0] * np.float32(length * rng.uniform(0.25, 0.8))
    return np.minimum(total, 1)


def rain(image: Floats, severity: float, rng: np.random.Generator) -> Floats:
    """Streaks of rain, as bright as the sky, a little of it or much."""
    light = streaks((image.shape[0], image.shape[1]), severity, rng)[..., None]
    strength = np.float32(rng.uniform(0.5, 1))
    if rng.random() < 0.5:
        return image + strength * light
    return image + strength * light * (np.float32(rng.uniform(0.8, 1)) - image)


DEGRADE: dict[str, Degrade] = {
    "noise": noise,
    "defocus-blur": defocus,
    "motion-blur": motion,
    "compression": compression,
    "low-light": low_light,
    "haze": haze,
    "rain": rain,
}


def of_bytes(pixels: Pixels) -> Floats:
    """Samples of 0 to 1."""
    return pixels.astype(np.float32) / np.float32(255)


def to_bytes(image: Floats) -> Pixels:
    """Samples of 0 to 255, rounded."""
    return np.floor(np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def degraded(pixels: Pixels, severities: dict[str, float], rng: np.random.Generator) -> Pixels:
    """An image after some degradations, in their order.

    Args:
        pixels: ``uint8 [H, W, 3]``, clean.
        severities: of kinds, each above 0 to 1.
        rng: where all that is random comes from.
    """
    if not severities:
        return pixels
    image = of_bytes(pixels)
    for kind, severity in severities.items():
        image = np.clip(DEGRADE[kind](image, severity, rng), 0, 1)
    return to_bytes(image)


def random_severities(rng: np.random.Generator, kinds: Sequence[str] = tuple(KINDS)) -> dict[str, float]:
    """Degradations of a random sample: none, one, or a mixture of weaker ones.

    Args:
        rng: where they come from.
        kinds: those that may come, of :data:`KINDS`; mixtures are of these alone.
    """
    which = rng.random()
    if which < CLEAN_PART:
        return {}
    mixtures = [some for some in MIXTURES if set(some) <= set(kinds)]
    if mixtures and which < CLEAN_PART + MIXED_PART:
        some = mixtures[int(rng.integers(len(mixtures)))]
        return {kind: float(rng.uniform(LEAST, 0.75)) for kind in some}
    kind = kinds[int(rng.integers(len(kinds)))]
    return {kind: float(rng.uniform(LEAST, 1))}
