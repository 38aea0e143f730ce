"""An object: a named thing in an image."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from ..notes import Notes
from ..paths import write_file
from ..types import LEVELS, Level
from .classes import COCO_IDS
from .described import Described
from .document import Document, dump_document, open_document
from .values import Bools, Box, objects_error


@dataclass(frozen=True, eq=False)
class Object:
    """A named thing in an image.

    Attributes:
        label: what it is.
        box: x, y, width, height in pixels, inside the image; the tight bound of the mask if there is one.
        level: how important it is, in one of the ways of :class:`sdc.Level`; None = to be worked out by
            :func:`.ranking.rank_objects`.
        score: 0 to 1.
        reason: why it is of its level, in words; may be empty.
        rank: place in the order of importance, 0 first; None = to be worked out.
        mask: bool [height, width] of the box, which pixels are the object's; None = all of them.
        group: index of the group it lies in; None before :func:`.grouping.group_map`.

    Raises:
        SdcError: E_OBJECTS if a value is out of range.
    """

    label: str
    box: Box
    level: Level | None = None
    score: float = 1.0
    reason: str = ""
    rank: int | None = None
    mask: Bools | None = field(default=None, repr=False)
    group: int | None = None

    def __post_init__(self) -> None:
        try:
            x, y, width, height = map(index, self.box)
        except (TypeError, ValueError):
            raise objects_error("box", f"must be four whole numbers, not {self.box!r}") from None
        if min(x, y) < 0 or min(width, height) < 1:
            raise objects_error("box", f"not a box inside an image: {self.box}")
        if self.level is not None:
            try:
                object.__setattr__(self, "level", Level(self.level))
            except ValueError:
                names = ", ".join(LEVELS)
                raise objects_error(
                    "level", f"must be one of {names}, or 1 to 3, not {self.level!r}"
                ) from None
        if not 0 <= self.score <= 1:
            raise objects_error("score", "must be 0 to 1")
        mask, size = self.mask, self.box[3:1:-1]
        if mask is not None and (mask.dtype != bool or mask.shape != size or not mask.any()):
            raise objects_error("mask", "must be boolean, of the size of the box and not empty")

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal, masks pixel for pixel."""
        if not isinstance(other, Object):
            return NotImplemented
        a, b = self.mask, other.mask
        same_masks = a is b or (a is not None and b is not None and np.array_equal(a, b))
        return same_masks and {**vars(self), "mask": None} == {**vars(other), "mask": None}

    @property
    def class_id(self) -> int | None:
        """Id of the category of COCO whose name the label is, 1 to 90; None where it is none of the 80."""
        return COCO_IDS.get(self.label.strip().casefold())

    @staticmethod
    def load(
        source: Path | str | dict[str, Any] | list[Any] | Document,
        width: int,
        height: int,
        name: str | None = None,
        *,
        turned: int = 1,
        alone: bool = True,
        strict: bool = False,
    ) -> Objects:
        """Read the objects of an image from a file (``spec/objects.md``).

        Pixels outside the image are cut off. An object wholly outside is left out, but a file whose objects
        are all outside is refused, since it is hardly this image's.
        An object that cannot be used is left out too, and oddities that have one meaning are mended; notes
        say so.

        Args:
            source: a file, or what its JSON parses to: the JSON of ``spec/objects.md`` (or its list of
                objects alone), or COCO's ``instances.json``. Of a file of 32 MB or more an index is made,
                once, in the user's folder of caches.
            width: width of the image in pixels.
            height: height of the image in pixels.
            name: name or path of the image's file, by which it is found in a COCO file of several images.
            turned: EXIF orientation by which the image has been turned, 1 where it has not.
            alone: whether no other image is asked about: then a COCO file of one image is about this one.
            strict: whether what would be a note is an error.

        Returns:
            The objects in the order of the file, with ``notes`` on what was assumed or left out; level is
            None where the file gives none.

        Raises:
            SdcError: E_INPUT when there is no such file, E_IO when it cannot be read, E_OBJECTS with the path
                of the field when its content is wrong.
        """
        notes = Notes("E_OBJECTS", strict=strict)
        document = open_document(str(source)) if isinstance(source, (str, Path)) else source
        if not isinstance(document, Document):
            document = Document(document)
        found = document.read(width, height, name, notes, alone=alone, turned=turned)
        made = (Object(d.label, d.box, d.level, d.score, d.reason, mask=d.mask) for d in found)
        return Objects(made, (*notes, *document.unkept))

    @staticmethod
    def dump(objects: Sequence[Object], width: int, height: int) -> dict[str, Any]:
        """The JSON of ``spec/objects.md``; :meth:`load` gives the same objects again.

        Args:
            objects: objects of the image; ranks and groups are not kept.
            width: width of the image in pixels.
            height: height of the image in pixels.
        """
        described = [Described(o.label, o.box, o.level, o.score, o.reason, o.mask) for o in objects]
        return dump_document(described, width, height)

    @staticmethod
    def save(path: Path | str, objects: Sequence[Object], width: int, height: int) -> None:
        """Write :meth:`dump` to a file.

        Raises:
            SdcError: E_IO.
        """
        text = json.dumps(Object.dump(objects, width, height), indent=1, ensure_ascii=False)
        write_file(path, (text + "\n").encode())


class Objects(list[Object]):
    """Objects as they were read, with what there is to say about them.

    Attributes:
        notes: what was assumed or left out, in words.
    """

    notes: tuple[str, ...]

    def __init__(self, objects: Iterable[Object] = (), notes: Iterable[str] = ()):
        super().__init__(objects)
        self.notes = tuple(notes)
