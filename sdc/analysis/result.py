"""What an analysis gives, and its JSON (``spec/objects.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..objects.document import load_provenance
from ..objects.object import Object
from .masks import cut_to_mask


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was found in an image.

    Attributes:
        width, height: of the image in pixels.
        objects: what is in it, with levels and reasons.
        provenance: how they were found, as the stream keeps it: providers and models of the steps, what was
            looked for, captions, warnings.
        told: what else there is to say, and does not belong into a stream.
    """

    width: int
    height: int
    objects: tuple[Object, ...]
    provenance: dict[str, Any]
    told: tuple[str, ...] = ()

    @property
    def warnings(self) -> list[str]:
        """What went wrong and was made good."""
        return list(self.provenance.get("warnings", []))

    @property
    def notes(self) -> tuple[str, ...]:
        """All that there is to say: the warnings, and what does not belong into a stream."""
        return (*self.warnings, *self.told)

    def as_dict(self) -> dict[str, Any]:
        """The JSON of ``spec/objects.md``; :meth:`from_dict` gives the same analysis again."""
        return {**Object.dump(self.objects, self.width, self.height), "analysis": self.provenance}

    @classmethod
    def from_dict(cls, described: Any, width: int, height: int) -> Analysis:
        """The analysis that a JSON describes.

        Args:
            described: what the JSON parses to.
            width, height: of the image in pixels.

        Raises:
            SdcError: ``E_OBJECTS`` when it is not the JSON of ``spec/objects.md``.
        """
        found = tuple(Object.load(described, width, height))
        return cls(width, height, found, load_provenance(described) or {})


def settled(objects: Sequence[Object]) -> tuple[Object, ...]:
    """Objects of providers as JSON can say them, so that a file of them leads to the same stream.

    Masks fill their boxes, numbers are Python's own, and ranks and groups are left to the encoder.
    """
    out = []
    for thing in map(cut_to_mask, objects):
        x, y, w, h = map(int, thing.box)
        out.append(replace(thing, box=(x, y, w, h), score=float(thing.score), rank=None, group=None))
    return tuple(out)
