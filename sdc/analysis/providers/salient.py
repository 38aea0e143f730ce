"""Regions that stand out, without a network: the default, and what other providers fall back to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...objects.object import Object
from ..interfaces import Options, Scene
from ..regions import regions_of


class SalientRegions:
    """Grounding and masks without a network: the default, and what others fall back to."""

    def __init__(self, options: Options):
        self.model = ""

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """The regions that :func:`..regions.regions_of` makes of the built-in map; the words are not used."""
        return regions_of(scene.saliency, scene.pixels.shape[1], scene.pixels.shape[0])

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """Objects that are boxes, cut to the superpixels that lie in the box by half or more.

        A box of which that would leave less than a quarter stays as it is.
        """
        labels = scene.saliency.labels
        height, width = scene.pixels.shape[:2]
        rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
        cols = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
        sizes = np.bincount(labels.reshape(-1))
        out = []
        for thing in objects:
            x, y, w, h = thing.box
            if thing.mask is None:
                inside = labels[np.ix_(np.unique(rows[y : y + h]), np.unique(cols[x : x + w]))]
                own = 2 * np.bincount(inside.reshape(-1), minlength=len(sizes)) >= sizes
                mask = own[labels[np.ix_(rows[y : y + h], cols[x : x + w])]]
                if 4 * mask.sum() >= mask.size and not mask.all():
                    thing = replace(thing, mask=mask)
            out.append(thing)
        return out
