"""Levels and ranks of objects: the one rule of ``spec/objects.md``, for files and for the analysis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .object import Object

PRIORS = {
    **dict.fromkeys(("person", "face", "text", "license plate", "number plate"), 1.5),
    **dict.fromkeys(
        ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"), 1.25
    ),
    **dict.fromkeys(("dining table", "chair", "couch", "bed", "bench", "refrigerator", "oven", "sink"), 0.7),
}
"""What people look at first, and furniture, which is mostly what things stand on; labels in lower case."""


TOGETHER = 4
"""An object goes with a more important one in whose box a fourth of its own box lies."""


BEST_DOUBTFUL = 1
"""Code of the best level of a doubtful object: L2."""


def area_of(thing: Object) -> int:
    """Pixels of an object."""
    return thing.box[2] * thing.box[3] if thing.mask is None else int(np.count_nonzero(thing.mask))


def importance_of(thing: Object, width: int, height: int) -> float:
    """Score x centrality x (share of the area)^(1/4) x prior of the class.

    Centrality is 1 in the middle of the image and 1/2 in a corner, by the middle of the object's box.
    The fourth root lets a large object come before a small one that is otherwise alike, and no more:
    importance orders bytes, and large objects cost more of them.

    Args:
        thing: an object of the image.
        width, height: of the image in pixels.
    """
    x, y, w, h = thing.box
    across, down = (2 * x + w) / width - 1, (2 * y + h) / height - 1
    central = 1 - (across**2 + down**2) / 4
    share = area_of(thing) / (width * height)
    return float(thing.score * central * share**0.25 * PRIORS.get(thing.label.strip().lower(), 1.0))


def is_doubtful(thing: Object, width: int, height: int) -> bool:
    """Whether an object is less sure than it is large: its score is below its share of the image's area.

    What covers most of an image must be nearly certain before it takes the bytes that are sent first.
    """
    return thing.score * width * height < area_of(thing)


def _worked_out(objects: Sequence[Object], order: Sequence[int], doubtful: Sequence[bool]) -> dict[int, int]:
    """Level codes of the objects that have none.

    Args:
        objects: all of the image; those that have a level keep it, and others may go with them.
        order: indices of those that have none, the most important first.
        doubtful: whether each object is doubtful.
    """
    thirds = {i: 3 * place // len(order) for place, i in enumerate(order)}
    boxes = np.array([thing.box for thing in objects], np.int64).reshape(-1, 4)
    low, high, areas = boxes[:, :2], boxes[:, :2] + boxes[:, 2:], boxes[:, 2:].prod(1)
    # An object goes with the third of another, not with what that one goes with: no chains across the image.
    own = np.array([thirds.get(i, thing.level) for i, thing in enumerate(objects)])
    before = np.array([i not in thirds for i in range(len(objects))])
    levels = {}
    for i in order:
        if doubtful[i]:
            levels[i] = max(thirds[i], BEST_DOUBTFUL)
            continue
        common = (np.minimum(high[i], high) - np.maximum(low[i], low)).clip(0).prod(1)
        levels[i] = int(own[before & (TOGETHER * common >= areas[i])].min(initial=thirds[i]))
        before[i] = True
    return levels


def rank_objects(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """Sets level and rank of every object; the order of the list stays.

    Objects without a level are sorted by :func:`importance_of`, the doubtful (:func:`is_doubtful`) last.
    The first third by count is of L1, the second of L2, the last of L3; the earlier thirds take what is left
    over. An object of which a fourth or more lies in the box of a more important one is of that one's level
    if that is better. A doubtful object is of L2 at best.

    The rank counts objects by level; within a level by a rank already given, then objects whose level was
    given (by score, then by their order) before those whose level was worked out (in the order above).

    Args:
        objects: of the image, with levels and ranks or without.
        width, height: of the image in pixels.
    """
    doubtful = [is_doubtful(thing, width, height) for thing in objects]
    weights = [importance_of(thing, width, height) for thing in objects]

    def place(i: int) -> tuple[Any, ...]:
        # Of two alike, the higher one in the image, so that the order of the list does not matter.
        x, y, w, h = objects[i].box
        return doubtful[i], -weights[i], y, x, h, w, objects[i].label, i

    order = sorted((i for i, thing in enumerate(objects) if thing.level is None), key=place)
    found = _worked_out(objects, order, doubtful)

    def importance(i: int) -> tuple[Any, ...]:
        thing = objects[i]
        rank = math.inf if thing.rank is None else thing.rank
        if thing.level is None:
            return found[i], rank, 1, place(i)
        return thing.level, rank, 0, -thing.score, i

    ranked = list(objects)
    for rank, i in enumerate(sorted(range(len(objects)), key=importance)):
        ranked[i] = replace(objects[i], level=found.get(i, objects[i].level), rank=rank)
    return ranked
