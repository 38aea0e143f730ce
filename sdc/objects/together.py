"""Objects that belong together: what lies on a more important thing, holds it, or is held by it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..types import CELL
from .cells import Area, Counts, coverage
from .object import Object

TOGETHER = 4
"""An object goes with a more important one that touches the cells of a fourth of its pixels."""


def together(objects: Sequence[Object], order: Sequence[int]) -> list[list[int]]:
    """Parts of a list of objects that belong together.

    Each object goes with the first in the order, of those that go with none themselves, that touches the
    cells in which a fourth or more of its pixels lie.  So there are no chains across the image.

    Args:
        objects: of an image.
        order: indices of those that are divided, the most important first.

    Returns:
        Indices of the objects of each part, in the order; the first of a part is what the others go with.
    """
    shared = _Shared(objects)
    left = np.array(order, np.int64)
    parts = []
    while len(left):
        leader, left = int(left[0]), left[1:]
        goes = shared.with_leader(leader, left)
        parts.append([leader, *left[goes].tolist()])
        left = left[~goes]
    return parts


class _Shared:
    """Which objects have a fourth of their pixels in cells of another."""

    def __init__(self, objects: Sequence[Object]):
        self.objects = objects
        boxes = np.array([thing.box for thing in objects], np.int64).reshape(-1, 4)
        self.low, self.high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        self.bare = np.array([thing.mask is None for thing in objects])
        self.sizes = np.array(
            [
                w * h if thing.mask is None else np.count_nonzero(thing.mask)
                for thing, (w, h) in zip(objects, boxes[:, 2:].tolist(), strict=True)
            ],
            np.int64,
        )
        self._kept: dict[int, tuple[Area, Counts]] = {}

    def with_leader(self, leader: int, others: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some objects go with one, ``bool [n]``."""
        # Pixels of their boxes in the cells of its box: as many as there can be, and exact for two boxes.
        low, high = self.low[leader] // CELL * CELL, -(-self.high[leader] // CELL) * CELL
        common = (np.minimum(self.high[others], high) - np.maximum(self.low[others], low)).clip(0).prod(1)
        goes = TOGETHER * common >= self.sizes[others]
        unsure = goes & ~(self.bare[others] & self.bare[leader])
        for k in np.flatnonzero(unsure).tolist():
            i = int(others[k])
            goes[k] = TOGETHER * self._common(i, leader) >= self.sizes[i]
        found: npt.NDArray[np.bool_] = goes
        return found

    def _common(self, i: int, leader: int) -> int:
        """Pixels of an object in cells that another touches; their boxes have cells in common."""
        area, counts = self._coverage(i)
        other, touched = self._coverage(leader)
        rows, cols = (
            slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(area, other, strict=True)
        )
        own = _part(counts, area, rows, cols)
        return int(own[_part(touched, other, rows, cols) > 0].sum())

    def _coverage(self, i: int) -> tuple[Area, Counts]:
        """The object by cell; kept for masks, whose pixels are bounded together, and not for boxes."""
        if self.bare[i]:
            return coverage(self.objects[i])
        if i not in self._kept:
            self._kept[i] = coverage(self.objects[i])
        return self._kept[i]


def _part(counts: Counts, area: Area, rows: slice, cols: slice) -> Counts:
    """Of the counts of an area, those of rows and columns of the image's cells."""
    top, left = area[0].start, area[1].start
    return counts[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left]
