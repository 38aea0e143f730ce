"""Boxes of detectors: which of them are of one thing."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

OVERLAP = 0.5
"""Of two boxes of a class that have more than this intersection over union, the worse one is left out."""


def distinct(corners: npt.NDArray[Any], classes: npt.NDArray[Any], overlap: float, most: int) -> list[int]:
    """Boxes, best first, that do not overlap a better one of their class too much: greedy suppression.

    Args:
        corners: ``[n, 4]``, left, top, right, bottom, best first.
        classes: ``int [n]``.
        overlap: intersection over union above which the worse of two boxes is left out.
        most: boxes that are wanted at most.

    Returns:
        Places of the boxes that stay, best first.
    """
    area = np.prod((corners[:, 2:] - corners[:, :2]).clip(0), axis=1)
    left = np.arange(len(corners))
    kept: list[int] = []
    while len(left) and len(kept) < most:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        low = np.maximum(corners[left, :2], corners[first, :2])
        high = np.minimum(corners[left, 2:], corners[first, 2:])
        common = np.prod((high - low).clip(0), axis=1)
        union = area[left] + area[first] - common
        left = left[(classes[left] != classes[first]) | (common <= overlap * union)]
    return kept
