"""Regions of an image that stand out, of whole cells, from a saliency map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..objects.cells import to_pixels
from ..objects.object import Object
from ..types import CELL, LEVELS
from .saliency_map import SaliencyMap

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

THRESHOLD = 0.356
"""Cells of this saliency are in a region."""

LEAST, MOST = 0.15, 0.60
"""Bounds of the share of the cells in regions, whatever the threshold says."""

REGIONS = 3
"""Of a level, at most."""

SMALLEST = 0.02
"""Share of the cells under which a piece is no region of its own."""


def regions_of(found: SaliencyMap, width: int, height: int, threshold: float = THRESHOLD) -> list[Object]:
    """Regions of an image that stand out, of whole cells.

    The cells of a saliency above a threshold are divided in three by it, and the connected pieces
    of the first third are regions of level L1, of the second of L2, of the last of L3.
    Small pieces are part of the largest region of their level.

    Args:
        found: the map.
        width, height: of the image in pixels.
        threshold: saliency of the cells in regions; :data:`LEAST` and :data:`MOST` bound their share.

    Returns:
        ``region 1``, ``region 2`` and so on with their mean saliency as the score; none in an image of one
        colour or of fewer than four cells.
    """
    if found.flat or found.cells.size < 4:
        return []
    best_first = np.argsort(-found.cells, axis=None, kind="stable")
    count = int((found.cells >= threshold).sum())
    count = min(max(count, round(LEAST * found.cells.size), 1), round(MOST * found.cells.size))
    bands = np.full(found.cells.size, -1)
    bands[best_first[:count]] = 3 * np.arange(count) // count
    pieces = pieces_of(bands.reshape(found.cells.shape))
    regions = []
    for level in range(3):
        names, sizes = np.unique(pieces[bands.reshape(pieces.shape) == level], return_counts=True)
        order = np.argsort(-sizes, kind="stable")
        large = [k for k in order[:REGIONS].tolist() if sizes[k] >= SMALLEST * pieces.size]
        for k in large or order[:1].tolist():
            # What is too small to be a region of its own is of the largest one.
            others = np.setdiff1d(names, names[large] if k == order[0] else names)
            cells = np.isin(pieces, [names[k], *others])
            score = round(float(found.cells[cells].mean()), 4)
            regions.append(replace(_as_object(cells, score, width, height), level=LEVELS[level]))
    regions.sort(key=lambda region: (region.level, -region.score))
    return [replace(region, label=f"region {k}") for k, region in enumerate(regions, 1)]


def pieces_of(bands: Ints) -> Ints:
    """Connected cells of the same band, sides in common, ``int [rows, cols]``; bands below 0 are no piece.

    Returns:
        For each cell the index, in the flattened grid, of the first cell of its piece; -1 for none.
    """
    labels = np.arange(bands.size).reshape(bands.shape)
    down, across = bands[1:] == bands[:-1], bands[:, 1:] == bands[:, :-1]
    while True:
        before = labels.copy()
        for one, other, same in (
            (labels[1:], labels[:-1], down),
            (labels[:-1], labels[1:], down),
            (labels[:, 1:], labels[:, :-1], across),
            (labels[:, :-1], labels[:, 1:], across),
        ):
            one[same] = np.minimum(one, other)[same]
        labels = labels.reshape(-1)[labels]
        if np.array_equal(labels, before):
            return np.where(bands >= 0, labels, -1)


def _as_object(cells: Bools, score: float, width: int, height: int) -> Object:
    """The pixels of some cells as an object."""
    rows, cols = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    top, left = int(rows[0]), int(cols[0])
    part = cells[top : int(rows[-1]) + 1, left : int(cols[-1]) + 1]
    mask = to_pixels(part)[: height - CELL * top, : width - CELL * left]
    box = (CELL * left, CELL * top, mask.shape[1], mask.shape[0])
    return Object("region", box, None, score, mask=None if mask.all() else np.ascontiguousarray(mask))
