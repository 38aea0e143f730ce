"""What code points mean: chromaticities and curves (spec appendix C.4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import spec_data

Floats = npt.NDArray[np.float64]
D50: Floats = np.array([0.9642, 1.0, 0.8249])
"""X, Y, Z of the white of ICC profiles (ISO 15076-1)."""

_BRADFORD: Floats = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


@cache
def rows_of(registry: str) -> dict[int, dict[str, Any]]:
    """Rows of ``colour_primaries`` or ``transfers`` that say what a number means, by number."""
    return {
        row["number"]: row
        for row in spec_data("registry.json")[registry]["entries"]
        if None not in row.values()
    }


def _tristimulus(xy: tuple[float, ...]) -> Floats:
    """X, Y, Z of chromaticities, with ``Y = 1``."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def adaptation(white: Floats) -> Floats:
    """Bradford's matrix ``float64 [3, 3]`` from a white to that of ICC profiles (ISO 15076-1, annex E)."""
    scale = (_BRADFORD @ D50) / (_BRADFORD @ white)
    own: Floats = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD
    return own


Primaries = tuple[float, float, float, float, float, float, float, float]
"""Chromaticities x, y of white, red, green and blue."""


def white_of(primaries: int | Primaries) -> Floats:
    """X, Y, Z of the white of known primaries, or of chromaticities."""
    return _tristimulus(chromaticities_of(primaries)[:2])


def chromaticities_of(primaries: int | Primaries) -> Primaries:
    """Chromaticities of known primaries; those that are chromaticities as they are."""
    if isinstance(primaries, tuple):
        return primaries
    row = rows_of("colour_primaries")[primaries]
    (a, b), (c, d), (e, f), (g, h) = (row[name] for name in ("white", "red", "green", "blue"))
    return a, b, c, d, e, f, g, h


def matrix_of(primaries: int | Primaries) -> Floats:
    """From linear R, G, B to X, Y, Z under D50, ``float64 [3, 3]``.

    Args:
        primaries: known ones, or chromaticities.

    Raises:
        numpy.linalg.LinAlgError: the chromaticities lie on a line.
    """
    white, numbers = white_of(primaries), chromaticities_of(primaries)
    columns = np.stack([_tristimulus(numbers[k : k + 2]) for k in (2, 4, 6)], 1)
    own: Floats = adaptation(white) @ (columns * np.linalg.solve(columns, white))
    return own


def known_primaries(found: Primaries, near: float = 0.003) -> int | None:
    """The known primaries that some chromaticities are, each up to a difference; ``None`` for none."""
    for number in rows_of("colour_primaries"):
        if max(abs(a - b) for a, b in zip(chromaticities_of(number), found, strict=True)) <= near:
            return number
    return None


Curve = tuple[float, ...]
"""``g``, or ``g, a, b, c, d``: ``(a * v + b)^g`` from ``d`` on and ``c * v`` below (ICC's types 0 and 3)."""

_BT709: Curve = (1 / 0.45, 1 / 1.0992968268, 0.0992968268 / 1.0992968268, 1 / 4.5, 0.0812428583)
_CURVES: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 11, 12, 14, 15), _BT709),
    4: (2.2,),
    5: (2.8,),
    7: (1 / 0.45, 1 / 1.1115721959, 0.1115721959 / 1.1115721959, 1 / 4, 0.0912863421),
    8: (1.0,),
    17: (2.6,),
    13: (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    192: (563 / 256,),
    193: (1.8,),
    194: (1.8, 1.0, 0.0, 1 / 16, 0.03125),
    195: (3.0, 1 / 1.16, 0.16 / 1.16, 1 / 9.033, 0.08),
}


def curve_of(transfer: int) -> Curve | None:
    """The curve of a known transfer, up to a factor, where it is a power with a straight beginning."""
    return _CURVES.get(transfer)


def _pq(v: Floats) -> Floats:
    root = v ** (32 / 2523)
    light: Floats = (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610)
    return light


def _hlg(v: Floats) -> Floats:
    return np.where(v <= 0.5, v**2 / 3, (np.exp((v - 0.55991073) / 0.17883277) + 0.28466892) / 12)


_OTHERS: dict[int, Callable[[Floats], Floats]] = {
    9: lambda v: np.where(v == 0, 0.0, 10 ** (2 * (v - 1))),
    10: lambda v: np.where(v == 0, 0.0, 10 ** (2.5 * (v - 1))),
    16: _pq,
    17: lambda v: 52.37 / 48 * v**2.6,
    18: _hlg,
}


def light_of(transfer: int, v: Floats) -> Floats:
    """The light for which samples of 0 to 1 stand, under a known transfer."""
    if transfer in _OTHERS:
        return _OTHERS[transfer](v)
    curve = _CURVES[transfer]
    if len(curve) == 1:
        return np.power(v, curve[0])
    g, a, b, c, d = curve
    light: Floats = np.where(v >= d, (a * v + b) ** g, c * v)
    return light
