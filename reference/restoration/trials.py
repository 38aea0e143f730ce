"""Degradations for measurements, the same every time: six kinds and two mixtures, at two strengths.

Half of them are made by other means than those of training: counted samples, kernels, curves, depths and
streaks of other shapes, another codec.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sdc.types import Pixels

from .degradations import DEGRADE, degraded, of_bytes, to_bytes

Trial = Callable[[Pixels, np.random.Generator], Pixels]
"""From a clean image ``uint8 [H, W, 3]`` to a degraded one."""


def _trained(severities: dict[str, float]) -> Trial:
    """Degradations as training makes them, one after the other."""
    assert set(severities) <= set(DEGRADE)

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        return degraded(pixels, severities, rng)

    return made


def one_after_another(*trials: Trial) -> Trial:
    """A mixture, in the order in which things happen."""

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        for trial in trials:
            pixels = trial(pixels, rng)
        return pixels

    return made


def counted_photons(photons: float) -> Trial:
    """Samples that are counts of so many photons at white; training has noise that is nearly normal."""
    return gamma_dark(1, photons)


def haze_to_horizon(far: float, air: tuple[float, float, float]) -> Trial:
    """Haze over a plane that runs to a horizon, in patches of Pillow's blurred noise.

    Training has slopes and waves of depth, and air without colour.

    Args:
        far: how often light is weakened by a factor of e at the horizon.
        air: its light, red, green and blue, 0 to 1.
    """

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape[:2]
        horizon = rng.uniform(0.1, 0.4) * height
        below = np.maximum(np.arange(height) - horizon, 0) / height
        distance = (0.08 / (0.08 + below))[:, None]
        noise = Image.fromarray(rng.integers(0, 256, (height, width)).astype(np.uint8))
        patches = np.asarray(noise.filter(ImageFilter.GaussianBlur(height / 16)), np.float32)
        patches = (patches - patches.mean()) / max(float(patches.std()), 1e-6)
        depth = far * distance * np.clip(1 + 0.25 * patches, 0, None)
        through = np.exp(-depth).astype(np.float32)[..., None]
        return to_bytes(of_bytes(pixels) * through + np.array(air, np.float32) * (1 - through))

    return made


def normal_noise(sigma: float) -> Trial:
    """Normal noise, alike in all channels and for all light, in units of 255."""

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        noisy = pixels + rng.normal(0, sigma, pixels.shape)
        return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)

    return made


def gaussian_blur(radius: float) -> Trial:
    """A Gaussian kernel on samples, by Pillow; training has discs, on light."""

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))

    return made


def webp(quality: int) -> Trial:
    """An earlier life as WebP; training has JPEG."""

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        with io.BytesIO() as file:
            Image.fromarray(pixels).save(file, "webp", quality=quality)
            return np.asarray(Image.open(file).convert("RGB"))

    return made


def gamma_dark(gamma: float, photons: float) -> Trial:
    """A curve that darkens, and the noise of so many photons at white; training has fractions of light."""

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        dark = of_bytes(pixels) ** np.float32(gamma)
        return to_bytes((rng.poisson(dark * photons) / photons).astype(np.float32))

    return made


def drawn_rain(count: float, length: int) -> Trial:
    """Straight lines of one colour and one direction, drawn by Pillow; training has soft trails.

    Args:
        count: for each thousand pixels.
        length: in pixels.
    """

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width = pixels.shape[:2]
        layer = Image.new("L", (width, height))
        draw = ImageDraw.Draw(layer)
        lean = rng.uniform(-0.3, 0.3)
        for _ in range(round(count * height * width / 1000)):
            x, y = rng.uniform(0, width), rng.uniform(-length, height)
            reach = length * rng.uniform(0.5, 1.5)
            draw.line((x, y, x + lean * reach, y + reach), fill=int(rng.integers(120, 240)), width=1)
        light = np.asarray(layer.filter(ImageFilter.BoxBlur(0.5)), np.float32)[..., None] / 255
        return to_bytes(of_bytes(pixels) * (1 - light) + 0.85 * light)

    return made


Trials = Mapping[str, tuple[Trial, Trial]]
"""By task, a weaker and a stronger one."""

TRIALS: Trials = {
    "noise": (counted_photons(140), normal_noise(35)),
    "blur": (_trained({"motion-blur": 0.35}), gaussian_blur(2.2)),
    "compression": (webp(12), _trained({"compression": 0.85})),
    "low-light": (_trained({"low-light": 0.5}), gamma_dark(2.8, 400)),
    "haze": (_trained({"haze": 0.6}), haze_to_horizon(2.4, (0.78, 0.84, 0.92))),
    "rain": (_trained({"rain": 0.45}), drawn_rain(5, 24)),
    "low-light and noise": (
        _trained({"low-light": 0.35, "noise": 0.2}),
        one_after_another(gamma_dark(2.0, 2000), normal_noise(14)),
    ),
    "haze and compression": (
        _trained({"haze": 0.5, "compression": 0.5}),
        one_after_another(haze_to_horizon(1.5, (0.88, 0.86, 0.82)), webp(20)),
    ),
}

ALONE = [task for task in TRIALS if " and " not in task]
"""Tasks that are no mixtures."""


def trials_of(name: str | None) -> Trials:
    """The trials here, or those of ``MODULE:NAME``.

    Raises:
        ImportError: there is no such module.
        ValueError: it has no such name, or what is there is no mapping from tasks to two trials each.
    """
    if name is None:
        return TRIALS
    home, _, own = name.partition(":")
    found: Any = getattr(import_module(home), own, None)
    if not isinstance(found, Mapping) or not all(
        isinstance(pair, tuple) and len(pair) == 2 and all(map(callable, pair)) for pair in found.values()
    ):
        raise ValueError(f"{name} is no mapping from tasks to pairs of trials")
    return found


def trial_of(pixels: Pixels, task: str, strength: int, trials: Trials = TRIALS) -> Pixels:
    """A degraded image, the same every time.

    Args:
        pixels: ``uint8 [H, W, 3]``, clean.
        task: of the trials.
        strength: 0 or 1.
        trials: those here, or others.
    """
    seed = hashlib.sha256(f"{task} {strength} ".encode() + pixels.tobytes()).digest()[:8]
    return trials[task][strength](pixels, np.random.default_rng(int.from_bytes(seed, "little")))
