"""Cells of an image in tiles, which keep the memory bounded, and the pixels of cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..networks.sites import Sites
from ..types import CELL, Array, Pixels

TILE_CELLS = 64
"""Cells per side of a synthesis tile; tiles are used once there are more than twice its square."""


def in_tiles(sites: Sites) -> bool:
    """Whether there are so many cells that they are split."""
    return len(sites) > 2 * TILE_CELLS**2


def tiles(sites: Sites, margin: int) -> Iterator[tuple[Array, Array]]:
    """Split cells into tiles.

    Yields:
        ``(cells of the tile and of a margin around it, which of those are of the tile)``, as indices.
    """
    n = len(sites)
    if not in_tiles(sites):
        yield np.arange(n), np.arange(n)
        return
    for top in range(0, int(sites.rows.max()) + 1, TILE_CELLS):
        first = int(np.searchsorted(sites.rows, top - margin, "left"))
        past = int(np.searchsorted(sites.rows, top + TILE_CELLS + margin, "left"))
        rows, cols = sites.rows[first:past], sites.cols[first:past]
        for left in range(0, int(sites.cols.max()) + 1, TILE_CELLS):
            near = np.flatnonzero((cols >= left - margin) & (cols < left + TILE_CELLS + margin))
            r, c = rows[near], cols[near]
            own = (r >= top) & (r < top + TILE_CELLS) & (c >= left) & (c < left + TILE_CELLS)
            if own.any():
                yield near + first, np.flatnonzero(own)


def pad_to_cells(image: Pixels) -> Pixels:
    """The image with its edge cells filled up by repeating the last row and column."""
    height, width = image.shape[:2]
    if height % CELL == 0 and width % CELL == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, -height % CELL), (0, -width % CELL), (0, 0)), "edge")


def pixels_of(padded: Pixels, sites: Sites) -> Pixels:
    """Pixels of cells, ``uint8 [cells, 16, 16, 3]``."""
    view = padded.reshape(padded.shape[0] // CELL, CELL, padded.shape[1] // CELL, CELL, 3)
    return view[sites.rows, :, sites.cols]
