"""Ranking without a model: the rule for objects of files, :func:`sdc.objects.ranking.rank_objects`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...objects.object import Object
from ...objects.ranking import area_of, rank_objects
from ..interfaces import Options, Ranked, Scene
from ..saliency_map import saliency_of


class DefaultRanking:
    """Score, size, place, class and overlap."""

    def __init__(self, options: Options):
        self.model = ""

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        """The objects in their order, each with the level of the rule, and with a reason."""
        height, width = scene.pixels.shape[:2]
        ranked = rank_objects(objects, width, height)
        return Ranked(
            [
                replace(before, level=after.level, reason=before.reason or _reason(scene, before))
                for before, after in zip(objects, ranked, strict=True)
            ]
        )


def _reason(scene: Scene, thing: Object) -> str:
    """What the level of an object follows from, in words."""
    share = area_of(thing) / scene.pixels[..., 0].size
    if thing.level is None:
        return f"score {thing.score:.2f}, area {100 * share:.0f} %"
    return f"saliency {saliency_of(thing, scene.saliency):.2f}, area {100 * share:.0f} %"
