"""Things of an image, whole, with levels and names, from the maps of :mod:`.finder`.

A thing is what the network takes for things within a box of its detector, or else a connected piece of
that, divided where there is an edge.  Things get their levels by the rule for objects of files, but for what
is only perhaps a thing and for text, which are of L3.  Where nothing stands out the image is one thing of L1,
the whole scene.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..objects.object import Object
from ..types import Level
from .finder import Box, Maps
from .masks import cut_to_mask
from .regions import pieces_of

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

THING = 0.4
"""From here on a place is of a thing."""

FAINT = 0.2
"""From here on a place may be: what is found only so is of L3."""

EDGE = 0.4
"""From here on an edge divides."""

RING = 3
"""Places around a sure thing in which nothing faint is looked for."""

LEAST = 0.001
"""Share of the image under which a piece goes to its neighbour, or is left out."""

SPECK = 0.1
"""Share of the largest piece of a box under which another is none of it."""

STANDS_OUT = 0.3
"""How much the main thing must be the main thing; below, nothing stands out."""

BOX = 0.4
"""Certainty from which on a box is of a thing."""

TEXT = 0.5
"""From here on a place is text."""

SURE = 0.8
"""Certainty of a box with which a thing gets its name."""

SCENE = "scene"


def things_of(found: Maps, width: int, height: int) -> list[Object]:
    """The things of an image, with levels and reasons.

    Args:
        found: maps of the image.
        width, height: of the image in pixels.

    Returns:
        Things, those of boxes first, without levels but for what is of L3; where nothing stands out one
        object, the whole scene, of L1.
    """
    least = max(1, round(LEAST * found.thing.size))
    boxes = [box for box in found.boxes if box.score >= BOX]
    owner = _owners(found, boxes, least)
    rest = _divided((found.thing >= THING) & (owner < 0), found.edge >= EDGE, least)
    most = max((float(found.main[rest == k].mean()) for k in _numbers(rest)), default=0.0)
    if most < STANDS_OUT and (owner < 0).all():
        return [Object(SCENE, (0, 0, width, height), Level.L1, 1.0, reason="nothing stands out")]
    objects = [_boxed(found, owner == k, boxes[k], width, height) for k in _numbers(owner)]
    objects += [_thing(found, rest == k, width, height) for k in _numbers(rest)]
    # What is faint around a sure thing is its blurred edge.
    faint = (found.thing >= FAINT) & ~_widened((owner >= 0) | (rest >= 0), RING)
    for label, places in (("text", (found.text >= TEXT) & (owner < 0) & (rest < 0)), ("", faint)):
        pieces = _divided(places, np.zeros_like(places), 2 * least)
        for k in _numbers(pieces):
            thing = _thing(found, pieces == k, width, height)
            why = "text" if label else "perhaps a thing"
            objects.append(replace(thing, label=label, level=Level.L3, reason=why))
    return objects


def _owners(found: Maps, boxes: Sequence[Box], least: int) -> Ints:
    """Places that boxes hold, ``int [h, w]``: number of the box, -1 for none.

    A small box lies on the larger ones.  Pieces that are small, or small beside the largest of their box, are
    left out, and what is within the places of a box belongs to it.
    """
    rows, cols = found.thing.shape
    owner = np.full((rows, cols), -1)
    order = sorted(range(len(boxes)), key=lambda k: -_area(boxes[k]))
    for k in order:
        box = boxes[k]
        top, bottom, left, right = box.top * rows, box.bottom * rows, box.left * cols, box.right * cols
        place = np.s_[int(top) : math.ceil(bottom), int(left) : math.ceil(right)]
        owner[place][found.thing[place] >= THING] = k
    pieces = pieces_of(owner)
    for k in order:
        numbers, sizes = np.unique(pieces[owner == k], return_counts=True)
        small = numbers[sizes < max(least, SPECK * sizes.max(initial=0))]
        owner[np.isin(pieces, small)] = -1
    for k in order:
        owner[_filled(owner == k) & (owner < 0)] = k
    return owner


def _filled(places: Bools) -> Bools:
    """Places, and those from which no way leads out around them."""
    pieces = _connected(~np.pad(places, 1))
    filled: Bools = (pieces != pieces[0, 0])[1:-1, 1:-1]
    return filled


def _area(box: Box) -> float:
    return (box.right - box.left) * (box.bottom - box.top)


def _boxed(found: Maps, places: Bools, box: Box, width: int, height: int) -> Object:
    """The thing of a box at some places; its score is the better one of network and detector."""
    thing = _thing(found, places, width, height)
    label = box.label if box.score >= SURE else ""
    return replace(thing, label=label, score=round(max(thing.score, box.score), 4))


def _thing(found: Maps, places: Bools, width: int, height: int) -> Object:
    """The thing at some places."""
    (top, rows), (left, cols) = _span(places.any(1), height), _span(places.any(0), width)
    mask = places[np.ix_(rows, cols)]
    box = (left, top, len(cols), len(rows))
    score = round(float(found.thing[places].mean()), 4)
    # Of a small image a pixel is more than a place, and a thing may have no pixel's middle: the box is left.
    return cut_to_mask(Object("", box, None, score, mask=mask if mask.any() else None))


def _span(some: Bools, size: int) -> tuple[int, Ints]:
    """The pixels of a side of an image that cover some of its places.

    Args:
        some: ``bool [places]``, not all false.
        size: pixels of the side.

    Returns:
        The first pixel, and of each the place in which its middle lies, those at the ends held to the places.
    """
    first, last = np.flatnonzero(some)[[0, -1]].tolist()
    start, stop = first * size // len(some), -(-(last + 1) * size // len(some))
    middles = (2 * np.arange(start, stop) + 1) * len(some) // (2 * size)
    return start, middles.clip(first, last)


def _widened(places: Bools, steps: int) -> Bools:
    """Places and what lies around them, so many steps to each side."""
    rows, cols = places.shape
    padded = np.pad(places, steps)
    span = range(2 * steps + 1)
    across = np.logical_or.reduce([padded[:, k : k + cols] for k in span])
    wide: Bools = np.logical_or.reduce([across[k : k + rows] for k in span])
    return wide


def _numbers(pieces: Ints) -> list[int]:
    return [k for k in np.unique(pieces).tolist() if k >= 0]


def _divided(places: Bools, edges: Bools, least: int) -> Ints:
    """Connected pieces of places, divided by edges.

    What is left without the edges is grown back over them, each place to the nearest piece.

    Args:
        places: ``bool [h, w]``.
        edges: where a border runs.
        least: places under which a core is no piece of its own, unless nothing else is near.

    Returns:
        ``int [h, w]``: number of the piece, -1 for none.
    """
    cores = _connected(places & ~edges)
    sizes = np.bincount(cores[cores >= 0], minlength=cores.size)
    cores[(cores >= 0) & (sizes[np.maximum(cores, 0)] < least)] = -1
    grown = _grown(cores, places)
    rest = _connected(places & (grown < 0))
    rest[rest >= 0] += cores.size
    whole = np.where(grown >= 0, grown, rest)
    _, index = np.unique(whole, return_inverse=True)
    small = np.bincount(index.ravel())[index.reshape(whole.shape)] < least
    whole[small] = -1
    return whole


def _connected(places: Bools) -> Ints:
    """Connected pieces, sides in common: :func:`.regions.pieces_of`."""
    return pieces_of(np.where(places, 0, -1))


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
