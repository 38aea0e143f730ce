"""CIELAB of sRGB pixels, in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import Pixels

Floats = npt.NDArray[np.float32]


def lab_of(rgb: Pixels) -> Floats:
    """CIELAB of sRGB pixels, white D65: ``uint8 [h, w, 3]`` to ``float32 [h, w, 3]``."""
    c = rgb.astype(np.float32) / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    xyz = linear @ np.array(
        [[0.4339, 0.2127, 0.0178], [0.3762, 0.7152, 0.1095], [0.1899, 0.0722, 0.8727]], np.float32
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    lab: Floats = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)
    return lab
