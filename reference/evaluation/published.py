"""Published curves on Kodak, mean of its 24 images, from CompressAI's ``results/image/kodak``.

The learned codecs were trained for squared error.
"""

from __future__ import annotations

from .curves import Point
from .metrics import decibels

_TABLES = {
    "bmshj2018-hyperprior": (
        (0.1313, 27.582, 0.91737),
        (0.2089, 29.197, 0.94206),
        (0.3199, 30.972, 0.96106),
        (0.4784, 32.838, 0.97487),
        (0.6687, 34.526, 0.98356),
        (0.9388, 36.743, 0.98925),
        (1.2592, 38.584, 0.99287),
    ),
    "mbt2018-mean": (
        (0.1239, 27.699, 0.91784),
        (0.1980, 29.359, 0.94306),
        (0.3072, 31.129, 0.96148),
        (0.4606, 32.951, 0.97520),
        (0.6617, 34.968, 0.98358),
        (0.9144, 36.911, 0.98925),
        (1.2342, 38.838, 0.99305),
    ),
    "cheng2020-anchor": (
        (0.1196, 28.582, 0.92359),
        (0.1838, 29.969, 0.94651),
        (0.2710, 31.343, 0.96286),
        (0.4174, 33.390, 0.97577),
        (0.5945, 35.119, 0.98412),
        (0.8057, 36.704, 0.98930),
    ),
    "AV1 (libaom)": (
        (0.0557, 25.561, 0.84657),
        (0.1100, 27.562, 0.90111),
        (0.1700, 29.025, 0.92925),
        (0.2456, 30.442, 0.94904),
        (0.3524, 31.987, 0.96429),
        (0.4987, 33.650, 0.97531),
        (0.6828, 35.322, 0.98279),
        (0.9090, 36.989, 0.98783),
        (1.1673, 38.555, 0.99112),
        (1.4148, 39.809, 0.99308),
    ),
    "VVC (VTM)": (
        (0.0482, 26.145, 0.86061),
        (0.1125, 28.493, 0.91769),
        (0.2458, 31.200, 0.95611),
        (0.4905, 34.262, 0.97808),
        (0.8748, 37.420, 0.98878),
        (1.4308, 40.424, 0.99386),
    ),
}

PUBLISHED: dict[str, list[Point]] = {
    name: [(bpp, psnr, float(decibels(similarity))) for bpp, psnr, similarity in rows]
    for name, rows in _TABLES.items()
}
"""Points of each codec by rising rate."""

KODAK = frozenset(f"kodim{k:02d}.png" for k in range(1, 25))
"""Names of the images that these are of."""
