"""Connected pieces of a map, divided where the edges between them are strong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .cielab import Floats
from .regions import pieces_of

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

WEAK = 0.3
"""Under this edge a place is within a piece, whatever lies around."""

DIVIDES = 0.5
"""Mean edge along a border from which it divides two pieces."""


RIM = 2
"""What is nowhere further than this from what is not of it is the rim of its neighbour."""


def numbers_of(pieces: Ints) -> list[int]:
    """Numbers of the pieces of a map, in which -1 is none."""
    return [k for k in np.unique(pieces).tolist() if k >= 0]


def connected(places: Bools, least: int = 1) -> Ints:
    """Connected pieces of places, sides in common.

    Args:
        places: ``bool [h, w]``.
        least: places that a piece has at least.

    Returns:
        ``int [h, w]``: number of the piece, -1 for none.
    """
    return _without_small(pieces_of(np.where(places, 0, -1)), least)


def divided(places: Bools, edges: Floats, least: int) -> Ints:
    """Connected pieces of places, divided where an edge runs along the whole border.

    What has no edge within grows over the places around, and then the two pieces between which the mean edge
    is weakest become one, again and again, until all borders divide.  So an edge that is weak for a stretch
    divides, and a line that ends within a thing does not.

    Args:
        places: ``bool [h, w]``.
        edges: how surely a place is on an edge, ``float32 [h, w]``, 0 to 1.
        least: places under which a piece goes to its neighbour, or is left out.

    Returns:
        ``int [h, w]``: number of the piece, -1 for none.
    """
    grown = _grown(connected(places & (edges < WEAK), max(2, least // 4)), places)
    # What has no core is a piece of its own: all edge, but alone.
    rest = connected(places & (grown < 0))
    names, index = np.unique(np.maximum(grown, rest), return_inverse=True)
    pieces: Ints = index.reshape(places.shape) - int(names[0] < 0)
    if pieces.max() < 0:
        return pieces
    sizes, inner = (
        np.bincount(pieces[at], minlength=pieces.max() + 1) for at in (pieces >= 0, _inside(pieces))
    )
    sizes = np.minimum(sizes, least * inner)
    joined = _joined(_Borders.of(pieces, np.round(255 * edges).astype(np.int64)), sizes, least)
    return _without_small(np.where(pieces >= 0, joined[pieces], -1), least)


def _without_small(pieces: Ints, least: int) -> Ints:
    sizes = np.bincount(pieces[pieces >= 0], minlength=1)
    small: Ints = np.where(sizes[np.maximum(pieces, 0)] < least, -1, pieces)
    return small


def _grown(cores: Ints, places: Bools) -> Ints:
    """Pieces grown over the places beside them, step by step; of two neighbours the lower number wins."""
    none = cores.size
    labels = np.where(cores >= 0, cores, none)
    while True:
        padded = np.pad(labels, 1, constant_values=none)
        near = np.minimum.reduce([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
        grown = np.where(places & (labels == none), near, labels)
        if np.array_equal(grown, labels):
            return np.where(labels < none, labels, -1)
        labels = grown


def _inside(pieces: Ints) -> Bools:
    """Places around which all is of the same piece, :data:`RIM` steps to each side."""
    rows, cols = pieces.shape
    padded = np.pad(pieces, RIM, mode="edge")
    span = range(2 * RIM + 1)
    same = [padded[j : j + rows, k : k + cols] == pieces for j in span for k in span]
    inside: Bools = (pieces >= 0) & np.logical_and.reduce(same)
    return inside


@dataclass(frozen=True, eq=False)
class _Borders:
    """Sides of places where two pieces meet, ``int [n]`` each.

    Attributes:
        low, high: the two pieces, the lower number first.
        edges: the stronger edge of the two places, in 255ths.
    """

    low: Ints
    high: Ints
    edges: Ints

    @classmethod
    def of(cls, pieces: Ints, edges: Ints) -> _Borders:
        """Those of a map of pieces, along both axes."""
        low, high, between = [], [], []
        for p, e in ((pieces, edges), (pieces.T, edges.T)):
            one, other = p[1:], p[:-1]
            meet = (one != other) & (one >= 0) & (other >= 0)
            low.append(np.minimum(one, other)[meet])
            high.append(np.maximum(one, other)[meet])
            between.append(np.maximum(e[1:], e[:-1])[meet])
        return cls(np.concatenate(low), np.concatenate(high), np.concatenate(between))

    def joined(self, low: int, high: int) -> _Borders:
        """Those that are left when one piece has become part of another."""
        one, other = (np.where(ends == high, low, ends) for ends in (self.low, self.high))
        left = one != other
        return _Borders(np.minimum(one, other)[left], np.maximum(one, other)[left], self.edges[left])


def _joined(borders: _Borders, sizes: Ints, least: int) -> Ints:
    """What each piece has become part of, the weakest border first; small pieces before all others.

    Args:
        borders: of all pieces.
        sizes: places of each piece.
        least: places under which a piece is small.
    """
    count, sizes = len(sizes), sizes.copy()
    becomes = np.arange(count)
    while len(borders.low):
        pairs, which = np.unique(borders.low * count + borders.high, return_inverse=True)
        mean = np.bincount(which, weights=borders.edges) / np.bincount(which)
        small = np.minimum(sizes[pairs // count], sizes[pairs % count]) < least
        first = int((mean - 256 * small).argmin())
        if mean[first] >= 255 * DIVIDES and not small[first]:
            break
        low, high = divmod(int(pairs[first]), count)
        becomes[becomes == high] = low
        sizes[low] += sizes[high]
        borders = borders.joined(low, high)
    return becomes
