"""Cells of 16 x 16 pixels: which pixels they have, and how many of an object's pixels lie in each."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..types import CELL
from .object import Object

Counts = npt.NDArray[np.uint16]
Area = tuple[slice, slice]
Scalar = TypeVar("Scalar", bound=np.generic)


def cell_areas(width: int, height: int) -> Counts:
    """Pixels of an image in each of its cells, ``uint16 [rows, cols]``: 256, fewer at the edges."""
    down, across = (
        np.minimum(size - CELL * np.arange(-(-size // CELL)), CELL).astype(np.uint16)
        for size in (height, width)
    )
    return np.multiply.outer(down, across)


def to_pixels(cells: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
    """A mask or map of cells as one of their pixels, ``[16 * rows, 16 * cols]``, of the same dtype."""
    return np.repeat(np.repeat(cells, CELL, 0), CELL, 1)


def coverage(thing: Object) -> tuple[Area, Counts]:
    """The rectangle of cells that the object's box touches, and its pixels in each of them, uint16 [r, c]."""
    x, y, w, h = thing.box
    top, left, bottom, right = y // CELL, x // CELL, -(-(y + h) // CELL), -(-(x + w) // CELL)
    rows, cols = bottom - top, right - left
    if thing.mask is None:
        down, across = (
            np.diff(np.clip(CELL * np.arange(first, first + count + 1), low, low + size)).astype(np.uint16)
            for first, count, low, size in ((top, rows, y, h), (left, cols, x, w))
        )
        counts = np.multiply.outer(down, across)
    else:
        padded = np.zeros((rows * CELL, cols * CELL), np.uint8)
        padded[y - top * CELL :, x - left * CELL :][:h, :w] = thing.mask
        # First down the columns, where whole rows are added at once and 16 fits a byte.
        strips = padded.reshape(rows, CELL, -1).sum(1, dtype=np.uint8)
        counts = strips.reshape(rows, cols, CELL).sum(2, dtype=np.uint16)
    return (slice(top, bottom), slice(left, right)), counts
