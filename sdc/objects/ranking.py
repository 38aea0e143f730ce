"""Levels and ranks of objects (``spec/objects.md``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..types import LEVELS
from .object import Object


def _weight(thing: Object, width: int, height: int) -> float:
    """Score * share of the picture's area * centrality, from 1 in the middle down to 1/2 in a corner."""
    x, y, w, h = thing.box
    area = w * h if thing.mask is None else int(np.count_nonzero(thing.mask))
    across, down = (2 * x + w) / width - 1, (2 * y + h) / height - 1
    return thing.score * area / (width * height) * (1 - (across**2 + down**2) / 4)


def rank_objects(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """Sets level and rank of every object; the order of the list stays.

    Objects without a level are sorted by score times share of the picture's area times centrality (1 in the
    middle, 1/2 in a corner): the first third is of L1, the second of L2, the last of L3, the earlier
    thirds taking what is left over.
    The rank counts objects by level; within a level by a rank already given, then objects whose level
    was given (by score) before those whose level was worked out (by that product), then by their order.
    """
    weights = [_weight(thing, width, height) for thing in objects]
    open_ones = sorted(
        (i for i, thing in enumerate(objects) if thing.level is None), key=lambda i: (-weights[i], i)
    )
    default = {i: place * 3 // len(open_ones) for place, i in enumerate(open_ones)}

    def importance(i: int) -> tuple[float, ...]:
        thing = objects[i]
        rank = math.inf if thing.rank is None else thing.rank
        if thing.level is None:
            return (default[i], rank, 1, -weights[i], i)
        return (thing.level.code, rank, 0, -thing.score, i)

    order = sorted(range(len(objects)), key=importance)
    ranked = list(objects)
    for rank, i in enumerate(order):
        level = ranked[i].level
        ranked[i] = replace(ranked[i], level=LEVELS[default[i]] if level is None else level, rank=rank)
    return ranked
