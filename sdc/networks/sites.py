"""Cells that a network runs on, and the rows that its gated taps reach (NETW-08)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..types import Array

TAPS = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]

CHUNK_CELLS = 512
"""Cells worked on at once: enough for the matrix products, and a bound on memory."""


def pieces(count: int) -> Iterator[slice]:
    """Cells worked on at once."""
    for a in range(0, count, CHUNK_CELLS):
        yield slice(a, min(a + CHUNK_CELLS, count))


def rows_of(values: Array, count: int, cells: slice | Array) -> Array:
    """Rows of some cells, of values that have as many rows for each of ``count`` cells."""
    area = len(values) // count
    if isinstance(cells, slice):
        return values[cells.start * area : cells.stop * area]
    channels = values.shape[1]
    return values.reshape(count, area, channels)[cells].reshape(len(cells) * area, channels)


@dataclass(frozen=True, eq=False)
class Sites:
    """The cells that a network runs on.

    Attributes:
        rows, cols: ``int64 [n]`` position of each cell.
        labels: ``[n]`` group of each cell; taps never cross it.
        qualities: ``int64 [n]`` quality of each cell's group.
    """

    rows: Array
    cols: Array
    labels: Array
    qualities: Array

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def _cell_taps(self) -> Array:
        """``[3, 3, n]`` index of the same-group neighbour at each offset, ``n`` where there is none."""
        n = len(self)
        top, left = int(self.rows.min(initial=0)), int(self.cols.min(initial=0))
        r, c = self.rows - top + 1, self.cols - left + 1
        grid = np.full((int(r.max(initial=0)) + 2, int(c.max(initial=0)) + 2), n, np.int64)
        grid[r, c] = np.arange(n)
        labels = np.append(self.labels.astype(np.int64), -1)
        taps = np.empty((3, 3, n), np.int64)
        for dy, dx in TAPS:
            other = grid[r + dy, c + dx]
            taps[dy + 1, dx + 1] = np.where(labels[other] == labels[:n], other, n)
        return taps

    @cached_property
    def _tap_cache(self) -> dict[int, Array]:
        return {}

    @cached_property
    def kept(self) -> dict[str, Array]:
        """What another runner makes of the cells, and keeps."""
        return {}

    def taps(self, factor: int) -> Array:
        """Row of each tap of each site when a cell is split into ``factor**2`` sites.

        Returns:
            ``int64 [9, n * factor**2]``; rows without a site hold ``n * factor**2``.
        """
        if factor not in self._tap_cache:
            n, area = len(self), factor * factor
            out = np.empty((9, n, factor, factor), np.int64)
            for k, (dy, dx) in enumerate(TAPS):
                for sy in range(factor):
                    for sx in range(factor):
                        cy, y = divmod(sy + dy, factor)
                        cx, x = divmod(sx + dx, factor)
                        out[k, :, sy, sx] = self._cell_taps[cy + 1, cx + 1] * area + y * factor + x
            self._tap_cache[factor] = np.minimum(out.reshape(9, n * area), n * area)
        return self._tap_cache[factor]

    def take(self, index: Array | slice) -> Sites:
        """Some of the cells."""
        return Sites(self.rows[index], self.cols[index], self.labels[index], self.qualities[index])
