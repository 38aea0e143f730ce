"""Masks of objects, cut to what they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..objects.object import Object


def cut_to_mask(thing: Object) -> Object:
    """The same object, its box the tight bound of its mask; as it is without a mask."""
    if thing.mask is None:
        return thing
    rows, cols = np.flatnonzero(thing.mask.any(1)), np.flatnonzero(thing.mask.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    x, y, _, _ = thing.box
    own = np.ascontiguousarray(thing.mask[top:bottom, left:right])
    return replace(thing, box=(x + left, y + top, right - left, bottom - top), mask=own)
