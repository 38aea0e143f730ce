"""Levels and ranks of objects: the one rule of ``spec/objects.md``, for files and for the analysis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..types import LEVELS
from .object import Object
from .together import together

PRIORS = {
    **dict.fromkeys(("person", "face", "text", "license plate", "number plate"), 1.5),
    **dict.fromkeys(
        ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"), 1.25
    ),
    **dict.fromkeys(("dining table", "chair", "couch", "bed", "bench", "refrigerator", "oven", "sink"), 0.7),
}
"""What people look at first, and furniture, which is mostly what things stand on; labels in lower case."""


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
    """Level codes of objects that have none.

    Args:
        objects: of the image.
        order: indices of those that have none, the most important first.
        doubtful: whether each object is doubtful.
    """
    sure = [i for i in order if not doubtful[i]]
    levels, before = {}, 0
    for part in together(objects, sure):
        levels.update(dict.fromkeys(part, 3 * before // len(order)))
        before += len(part)
    for place, i in enumerate(order[len(sure) :], len(sure)):
        levels[i] = max(3 * place // len(order), BEST_DOUBTFUL)
    return levels


def rank_objects(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """Sets level and rank of every object; the order of the list stays.

    Objects without a level are sorted by :func:`importance_of`, the doubtful (:func:`is_doubtful`) last.
    What belongs together (:func:`.together.together`) stays together, at the place of its most important
    object.  An object is of L1, L2 or L3 when less than a third, less than two thirds or more of these
    objects come before it and what it belongs to; a doubtful one is of L2 at best.

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
        return thing.level.code, rank, 0, -thing.score, i

    ranked = list(objects)
    for rank, i in enumerate(sorted(range(len(objects)), key=importance)):
        level = LEVELS[found[i]] if i in found else objects[i].level
        ranked[i] = replace(objects[i], level=level, rank=rank)
    return ranked
