"""Things found by the network of this package: the default, and what other groundings fall back to."""

from __future__ import annotations

from collections.abc import Sequence

from ...networks.backbone import FILE
from ...objects.object import Object
from ..finder import finder
from ..interfaces import Options, Scene
from ..things import things_missed, things_of


class Finder:
    """Grounding by the network of this package.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """

    def __init__(self, options: Options):
        self.network = finder()
        self.model = f"{FILE} {self.network.sha256[:12]}"

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Things with masks and levels, and the whole scene where nothing stands out; words are not used."""
        height, width = scene.pixels.shape[:2]
        return things_of(self.network.maps(scene.pixels), width, height)

    def missed(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """Things of level L3 that are none of the objects."""
        height, width = scene.pixels.shape[:2]
        return things_missed(self.network.maps(scene.pixels), objects, width, height)
