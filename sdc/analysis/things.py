"""Things of an image, whole, with levels and names, from the maps of :mod:`.finder`.

A thing is a connected piece of what the network takes for things, divided where it sees an edge.  It is of
L1, L2 or L3 by how important it is, against the most important one: how much of the main thing it is, and how
large and how near to the middle it and what it touches are.  So how much of an image is of L1 depends on the
image.  Where nothing stands out the image is one thing of L1, the whole scene.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..objects.object import Object
from ..objects.ranking import importance_of
from ..types import Level
from .finder import Maps
from .masks import cut_to_mask
from .pieces import Bools, Ints, connected, divided, numbers_of

THING = 0.2
"""From here on a place is of a thing, where an image has sure ones."""

PART_OF_SUREST, LEAST_THING = 0.25, 0.1
"""Where it has none, a place is of a thing from this part of what a hundredth of the places reach, and from
this value on."""

FAINT = 0.07
"""From here on a place may be: what is found only so is of L3."""

RING = 2
"""Places around a thing in which nothing faint is looked for."""

LEAST = 0.002
"""Share of the image under which a piece goes to its neighbour, or is left out."""

STANDS_OUT = 0.27
"""How much the most main place must be of the main thing; below, nothing stands out."""

FIRST, SECOND = 0.65, 0.3
"""Of the importance of the most important thing: from here on a thing is of L1, or of L2."""

DOUBTFUL = 0.25
"""What is less sure than this is no thing of L2: a scrap of the ground, mostly."""

A_PART = 0.25
"""A piece that is smaller than this part of the largest one that it hangs together with is a part of it."""

MISSED, PLACE_MISSED = 0.6, 0.3
"""How sure a thing must be to be one that a detector has missed, and each of its places; 0.7 of their cells
are of true objects."""

LEAST_MISSED = 0.008
"""Share of the image that it takes at least."""

TEXT = 0.5
"""From here on a place is text."""

SURE = 0.8
"""Mean certainty of its class with which a thing gets its name."""

NAMED = ("person", "animal", "vehicle")
"""Classes that are names of things; test images bear out no others."""

SCENE = "scene"

PERHAPS = "perhaps a thing"
"""Why something that is not sure is of L3."""


def things_of(found: Maps, width: int, height: int) -> list[Object]:
    """The things of an image, with levels and reasons.

    Args:
        found: maps of the image.
        width, height: of the image in pixels.

    Returns:
        Things, the most important first; where nothing stands out one object, the whole scene, of L1.
    """
    least = max(1, round(LEAST * found.thing.size))
    sure = divided(found.thing >= _bound_of(found), found.edge, least)
    if found.main[sure >= 0].max(initial=0) < STANDS_OUT:
        return [Object(SCENE, (0, 0, width, height), Level.L1, 1.0, reason="nothing stands out")]
    objects = _levelled(found, sure, width, height)
    # What is faint around a thing is its blurred edge.
    faint = (found.thing >= FAINT) & ~_widened(sure >= 0, RING)
    for label, places in (("text", (found.text >= TEXT) & (sure < 0)), ("", faint)):
        pieces = connected(places, least)
        for k in numbers_of(pieces):
            thing, _ = _thing(found, pieces == k, width, height)
            why = "text" if label else PERHAPS
            objects.append(replace(thing, label=label, level=Level.L3, reason=why))
    return sorted(objects, key=lambda o: (o.level.code if o.level else 3, -o.score))


def _bound_of(found: Maps) -> float:
    """From where on a place is of a thing; less than usual in an image of which nothing is sure."""
    surest = float(np.quantile(found.thing, 0.99, method="lower"))
    return min(THING, max(LEAST_THING, PART_OF_SUREST * surest))


def things_missed(found: Maps, known: Sequence[Object], width: int, height: int) -> list[Object]:
    """Things of an image that are none of the known objects, all of L3.

    Args:
        found: maps of the image.
        known: objects that others have found.
        width, height: of the image in pixels.

    Returns:
        Things without names, the surest first.
    """
    least = max(1, round(LEAST_MISSED * found.thing.size))
    free = ~_widened(_places_of(known, found.thing.shape, width, height), RING)
    pieces = divided((found.thing >= PLACE_MISSED) & free, found.edge, least)
    things = [_thing(found, pieces == k, width, height)[0] for k in numbers_of(pieces)]
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


def _levelled(found: Maps, pieces: Ints, width: int, height: int) -> list[Object]:
    """The things of pieces, with levels.

    Pieces that touch are as important as all of them together, times the root of how main they are against
    the most main of these, if they are not small beside the largest: so no part of the main thing is of L2
    because an edge runs through it.
    """
    things = []
    whole = connected(pieces >= 0)
    for k in numbers_of(whole):
        every, main = _thing(found, whole == k, width, height)
        weight = importance_of(replace(every, label="", score=main), width, height)
        numbers, sizes = np.unique(pieces[whole == k], return_counts=True)
        parts = [_thing(found, pieces == n, width, height) for n in numbers.tolist()]
        most = max(main for _, main in parts)
        for (thing, main), small in zip(parts, sizes < A_PART * sizes.max(), strict=True):
            part = 1.0 if small or not weight else math.sqrt(main / most)
            things.append((thing, weight * part))
    most = max(weight for _, weight in things)
    return [_of_level(thing, weight / most) for thing, weight in things]


def _of_level(thing: Object, share: float) -> Object:
    """A thing with its level, by its share of the importance of the most important one."""
    why = f"{share:.2f} as important as the main thing"
    if share >= FIRST:
        level, why = Level.L1, "the main thing"
    elif share < SECOND:
        level = Level.L3
    elif thing.score < DOUBTFUL:
        level, why = Level.L3, PERHAPS
    else:
        level = Level.L2
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
