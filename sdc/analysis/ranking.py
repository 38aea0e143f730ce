"""Ranking without a model.

The importance of an object is *score x saliency x centrality x (share of the area)^(1/4) x prior*:

- saliency is the mean of the map of saliency over its pixels;
- centrality is 1 - (u^2 + v^2) / 4, where u and v, -1 to 1, are the place of the middle of its box: 1 in the
  middle of the picture, 1/2 in a corner;
- the fourth root lets a large thing come before a small one that is otherwise alike, and no more: importance
  is to order bytes, and large things cost more of them;
- the prior is that of its class in :data:`PRIORS`, and 1 for all others.

The most important objects that together have a third of the area of all are of level L1, the next third is of
L2, and the rest of L3: an object is of L1, L2 or L3 when floor(3 * before / total) is 0, 1 or 2, where
*before* is the area of the objects more important than it and *total* that of all.
An object that has a level already, from the grounding, keeps it, and does not count in this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..objects.object import Object
from ..types import LEVELS
from .salient import saliency_of
from .steps import Options, Ranked, Scene

PRIORS = {
    **dict.fromkeys(("person", "face", "text", "license plate", "number plate"), 1.5),
    **dict.fromkeys(
        ("bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"), 1.25
    ),
    **dict.fromkeys(("dining table", "chair", "couch", "bed", "bench", "refrigerator", "oven", "sink"), 0.7),
}
"""What people look at first, and furniture, which is mostly what things stand on; labels in lower case."""


def area_of(thing: Object) -> int:
    """Pixels of an object."""
    return thing.box[2] * thing.box[3] if thing.mask is None else int(np.count_nonzero(thing.mask))


class DefaultRanking:
    """Size, place, saliency and class."""

    def __init__(self, options: Options):
        self.model = ""

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        """The objects in their order, each with the level that the rule above gives it."""
        height, width = scene.pixels.shape[:2]
        areas = [area_of(thing) for thing in objects]
        weights, reasons = [], []
        for thing, area in zip(objects, areas, strict=True):
            x, y, w, h = thing.box
            across, down = (2 * x + w) / width - 1, (2 * y + h) / height - 1
            share, stands_out = area / (width * height), saliency_of(thing, scene.saliency)
            prior = PRIORS.get(thing.label.strip().lower(), 1.0)
            central = 1 - (across**2 + down**2) / 4
            weights.append(thing.score * stands_out * central * share**0.25 * prior)
            reasons.append(thing.reason or f"saliency {stands_out:.2f}, area {100 * share:.0f} %")
        ranked = [replace(thing, reason=reason) for thing, reason in zip(objects, reasons, strict=True)]
        open_ones = [k for k, thing in enumerate(objects) if thing.level is None]
        before, total = 0, sum(areas[k] for k in open_ones)
        for k in sorted(open_ones, key=lambda k: (-weights[k], k)):
            ranked[k] = replace(ranked[k], level=LEVELS[3 * before // total])
            before += areas[k]
        return Ranked(ranked)
