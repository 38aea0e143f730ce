"""Other ways to give objects their levels, to see what the usual one is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from sdc.objects.object import Object
from sdc.types import LEVELS

RANKINGS = ("default", "score", "random")
"""By the rule of ``spec/objects.md``, by the detector's score alone, and by lot."""


def ranked_by(ranking: str, objects: Sequence[Object], name: str) -> list[Object]:
    """Objects with their levels given anew, whatever levels they had.

    By score and by lot a third of the objects is of each level, as in the rule, which the encoder follows
    where objects have no level.  The lot is the same for an image's name every time.

    Args:
        ranking: one of ``RANKINGS``.
        objects: of an image.
        name: of the image.
    """
    if ranking == "default":
        return [replace(thing, level=None, rank=None) for thing in objects]
    if ranking == "score":
        order = sorted(range(len(objects)), key=lambda k: -objects[k].score)
    else:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
        order = np.random.default_rng(seed).permutation(len(objects)).tolist()
    out = list(objects)
    for rank, k in enumerate(order):
        out[k] = replace(objects[k], level=LEVELS[3 * rank // len(order)], rank=rank)
    return out
