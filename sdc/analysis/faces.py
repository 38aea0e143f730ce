"""How much pixels look like parts of faces, by colour and by two contrasts of a face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .cielab import Floats

WIDTHS = (7, 10, 14, 20, 28, 40)
"""Widths of the faces that are looked for, in pixels of the reduced image."""

SKIN_HUE, SKIN_SPREAD = 50.0, 16.0
"""Degrees of the hue of skin in CIELAB, and their spread."""

SKIN_SATURATION = (0.08, 0.18, 0.56, 0.68)
"""Chroma of skin by the length of lightness and chroma: it begins, is full, ends, and is over."""

SKIN_LIGHTNESS = (8.0, 18.0)
"""Lightness of CIELAB below which hue says nothing, and from which it counts in full."""


def skin(lab: Floats) -> Floats:
    """How much colours are those of human skin, 0 to 1: ``[h, w, 3]`` to ``float32 [h, w]``.

    Pigment and blood give skin of every tone nearly the same hue; tones differ in lightness.
    So the hue of CIELAB decides, and chroma by lightness; lightness itself only where it is too dark to tell
    a hue.
    """
    lightness, a, b = np.moveaxis(lab, -1, 0)
    chroma = np.hypot(a, b)
    hue = np.degrees(np.arctan2(b, a))
    saturation = chroma / np.hypot(chroma, lightness).clip(1)
    begins, full, ends, over = SKIN_SATURATION
    out = np.exp(-0.5 * ((hue - SKIN_HUE) / SKIN_SPREAD) ** 2)
    out *= ((saturation - begins) / (full - begins)).clip(0, 1)
    out *= ((over - saturation) / (over - ends)).clip(0, 1)
    dark, light = SKIN_LIGHTNESS
    like: Floats = (out * ((lightness - dark) / (light - dark)).clip(0, 1)).astype(np.float32)
    return like


class _Boxes:
    """Means of a map over boxes around every pixel, the map repeated at its edges."""

    def __init__(self, values: Floats, reach: int):
        """Prepare for boxes that reach so many pixels from the pixel at most."""
        self.shape, self.reach = values.shape, reach + 1
        padded = np.pad(values.astype(np.float64), self.reach, "edge")
        self.sums = np.zeros((padded.shape[0] + 1, padded.shape[1] + 1))
        self.sums[1:, 1:] = padded.cumsum(0).cumsum(1)

    def mean(self, height: float, width: float, down: float = 0, across: float = 0) -> Floats:
        """Means over boxes of a size, their middles so far below and right of the pixel."""
        h, w = max(1, round(height)), max(1, round(width))
        top, left = self.reach + round(down) - h // 2, self.reach + round(across) - w // 2
        rows, cols = self.shape

        def corner(y: int, x: int) -> npt.NDArray[np.float64]:
            return self.sums[y : y + rows, x : x + cols]

        total = corner(top + h, left + w) - corner(top, left + w) - corner(top + h, left) + corner(top, left)
        return (total / (h * w)).astype(np.float32)


def faces(lab: Floats) -> Floats:
    """How much pixels look like parts of faces, 0 to 1: ``[h, w, 3]`` to ``float32 [h, w]``.

    For each of some widths a face is a box of the colours of skin (:func:`skin`) with less of them around it,
    in which both eyes are darker than the cheeks below and than the bridge of the nose between them, the two
    contrasts that a trained cascade begins with (Viola, Jones: "Rapid Object Detection Using a Boosted
    Cascade of Simple Features", CVPR 2001).
    Contrasts are in deviations of the box's own lightness, so that they do not depend on the tone of skin.
    Faces from the side, upside down, hidden, or in coloured light are not found; some wood and sand is.
    """
    height, width = lab.shape[:2]
    widths = [w for w in WIDTHS if w <= 0.8 * min(height, width)]
    out = np.zeros((height, width), np.float32)
    if not widths:
        return out
    reach = 2 * widths[-1]
    tones, light, squares = (_Boxes(values, reach) for values in (skin(lab), lab[..., 0], lab[..., 0] ** 2))
    for w in widths:
        inner, outer = tones.mean(1.1 * w, 0.8 * w), tones.mean(2.2 * w, 2 * w)
        around = (4.4 * outer - 0.88 * inner) / (4.4 - 0.88)
        blob = (inner - 0.7 * around.clip(0, 1)).clip(0, 1)
        variance = squares.mean(1.1 * w, 0.9 * w) - light.mean(1.1 * w, 0.9 * w) ** 2
        eyes = np.maximum(*(light.mean(0.22 * w, 0.3 * w, -0.12 * w, side * 0.22 * w) for side in (-1, 1)))
        cheeks, nose = light.mean(0.25 * w, 0.8 * w, 0.15 * w), light.mean(0.25 * w, 0.2 * w, -0.1 * w)
        contrast = (np.minimum(cheeks, nose) - eyes) / np.sqrt(variance.clip(4))
        out = np.maximum(out, _largest_around(blob * contrast.clip(0, 1), 1.2 * w, 0.9 * w))
    return out


def _largest_around(values: Floats, height: float, width: float) -> Floats:
    """Largest value of a box around each pixel; beyond the edges values are 0."""
    for axis, size in enumerate((round(height), round(width))):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (size // 2, size - 1 - size // 2)
        values = np.lib.stride_tricks.sliding_window_view(np.pad(values, pad), size, axis).max(-1)
    return values
