"""Degradations for measurements, the same every time: six kinds at two strengths.

Half of them are made by other means than those of training, with kernels, curves and streaks of other shapes.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from sdc.types import Pixels

from .degradations import DEGRADE, degraded, of_bytes, to_bytes

Trial = Callable[[Pixels, np.random.Generator], Pixels]
"""From a clean image ``uint8 [H, W, 3]`` to a degraded one."""


def _trained(kind: str, severity: float) -> Trial:
    """A degradation as training makes it."""
    assert kind in DEGRADE

    def made(pixels: Pixels, rng: np.random.Generator) -> Pixels:
        return degraded(pixels, {kind: severity}, rng)

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


TRIALS: dict[str, tuple[Trial, Trial]] = {
    "noise": (normal_noise(15), normal_noise(35)),
    "blur": (_trained("motion-blur", 0.35), gaussian_blur(2.2)),
    "compression": (webp(12), _trained("compression", 0.85)),
    "low-light": (_trained("low-light", 0.5), gamma_dark(2.8, 400)),
    "haze": (_trained("haze", 0.4), _trained("haze", 0.8)),
    "rain": (_trained("rain", 0.45), drawn_rain(5, 24)),
}
"""By task, a weaker and a stronger one."""


def trial_of(pixels: Pixels, task: str, strength: int) -> Pixels:
    """A degraded image, the same every time.

    Args:
        pixels: ``uint8 [H, W, 3]``, clean.
        task: of :data:`TRIALS`.
        strength: 0 or 1.
    """
    seed = hashlib.sha256(f"{task} {strength} ".encode() + pixels.tobytes()).digest()[:8]
    return TRIALS[task][strength](pixels, np.random.default_rng(int.from_bytes(seed, "little")))
