"""Things of an image, whole, with levels and names, from the maps of :mod:`.finder`.

A thing is a connected piece of what the network takes for things, divided where it sees an edge.  It is of
L1, L2 or L3 by how much of the main thing it is, against the most of the image; so how much of an image is of
L1 depends on the image.  Where nothing stands out the image is one thing of L1, the whole scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..objects.object import Object
from ..types import Level
from .finder import Maps
from .masks import cut_to_mask
from .regions import pieces_of

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

THING = 0.3
"""From here on a place is of a thing."""

FAINT = 0.1
"""From here on a place may be: what is found only so is of L3."""

EDGE = 0.5
"""From here on an edge divides."""

RING = 3
"""Places around a sure thing in which nothing faint is looked for."""

LEAST = 0.004
"""Share of the image under which a piece goes to its neighbour, or is left out."""

STANDS_OUT = 0.3
"""How much the main thing must be the main thing; below, nothing stands out."""

FIRST, SECOND = 0.6, 0.3
"""Of the most that is main: from here on a thing is of L1, or of L2."""

MISSED = 0.6
"""How sure a thing must be to be one that a detector has missed; 0.7 of their cells are of true objects."""

TEXT = 0.5
"""From here on a place is text."""

SURE = 0.8
"""Mean certainty of its class with which a thing gets its name."""

NAMED = ("person", "animal", "vehicle")
"""Classes that are names of things; test images bear out no others."""

SCENE = "scene"


def things_of(found: Maps, width: int, height: int) -> list[Object]:
    """The things of an image, with levels and reasons.

    Args:
        found: maps of the image.
        width, height: of the image in pixels.

    Returns:
        Things, the most important first; where nothing stands out one object, the whole scene, of L1.
    """
    least = max(1, round(LEAST * found.thing.size))
    sure = _divided(found.thing >= THING, found.edge >= EDGE, least)
    things = [_thing(found, sure == k, width, height) for k in _numbers(sure)]
    most = max((main for _, main in things), default=0.0)
    if most < STANDS_OUT:
        return [Object(SCENE, (0, 0, width, height), Level.L1, 1.0, reason="nothing stands out")]
    objects = [_levelled(thing, main / most) for thing, main in things]
    # What is faint around a sure thing is its blurred edge.
    faint = (found.thing >= FAINT) & ~_widened(sure >= 0, RING)
    for label, places in (("text", (found.text >= TEXT) & (sure < 0)), ("", faint)):
        pieces = _divided(places, np.zeros_like(places), 2 * least)
        for k in _numbers(pieces):
            thing, _ = _thing(found, pieces == k, width, height)
            why = "text" if label else "perhaps a thing"
            objects.append(replace(thing, label=label, level=Level.L3, reason=why))
    return sorted(objects, key=lambda o: (o.level.code if o.level else 3, -o.score))


def things_missed(found: Maps, known: Sequence[Object], width: int, height: int) -> list[Object]:
    """Things of an image that are none of the known objects, all of L3.

    Args:
        found: maps of the image.
        known: objects that others have found.
        width, height: of the image in pixels.

    Returns:
        Things without names, the surest first.
    """
    least = 2 * max(1, round(LEAST * found.thing.size))
    free = ~_widened(_places_of(known, found.thing.shape, width, height), RING)
    pieces = _divided((found.thing >= THING) & free, found.edge >= EDGE, least)
    things = [_thing(found, pieces == k, width, height)[0] for k in _numbers(pieces)]
    sure = sorted((thing for thing in things if thing.score >= MISSED), key=lambda thing: -thing.score)
    return [replace(thing, label="", level=Level.L3, reason="seen beside the objects") for thing in sure]


def _places_of(objects: Sequence[Object], shape: tuple[int, ...], width: int, height: int) -> Bools:
    """Places of maps whose middle an object covers."""
    rows, cols = (
        (2 * np.arange(count) + 1) * size // (2 * count)
        for count, size in zip(shape, (height, width), strict=True)
    )
    places = np.zeros(shape, bool)
    for thing in objects:
        x, y, w, h = thing.box
        down, across = (
            np.flatnonzero((at >= low) & (at < low + n)) for at, low, n in ((rows, y, h), (cols, x, w))
        )
        own = np.ix_(down, across)
        places[own] |= True if thing.mask is None else thing.mask[np.ix_(rows[down] - y, cols[across] - x)]
    return places


def _levelled(thing: Object, share: float) -> Object:
    """A thing with its level, by its share of the most that is main."""
    level = Level.L1 if share >= FIRST else Level.L2 if share >= SECOND else Level.L3
    why = "the main thing" if level == Level.L1 else f"{share:.2f} as main as the main thing"
    return replace(thing, level=level, reason=why)


def _thing(found: Maps, places: Bools, width: int, height: int) -> tuple[Object, float]:
    """The thing at some places, and how much of it is main."""
    score, main = float(found.thing[places].mean()), float(found.main[places].mean())
    certain = found.classes[:, places].mean(1)
    best = int(certain.argmax())
    label = found.names[best] if certain[best] >= SURE and found.names[best] in NAMED else ""
    (top, rows), (left, cols) = _span(places.any(1), height), _span(places.any(0), width)
    mask = places[np.ix_(rows, cols)]
    box = (left, top, len(cols), len(rows))
    # Of a small image a pixel is more than a place, and a thing may have no pixel's middle: the box is left.
    thing = Object(label, box, None, round(score, 4), mask=mask if mask.any() else None)
    return cut_to_mask(thing), main


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
