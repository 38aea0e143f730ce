"""Objects of many streams as COCO's ``instances.json``."""

from __future__ import annotations

from typing import Any

from ..errors import SdcError
from ..format.objs import parse_objects
from ..format.prov import captions_of
from ..format.stream import Outline
from ..objects.classes import COCO_IDS
from ..objects.object import Object
from ..objects.raster import rle_of
from ..remote.file import ORDINARY, Access
from ..types import Limits
from .streams import OnError, Streams, name_within, outlines, warn

FIRST_OWN_ID = max(COCO_IDS.values()) + 1
"""Id of the first category that is none of COCO's."""


def to_coco(
    source: Streams,
    *,
    masks: bool = True,
    limits: Limits = Limits(),
    access: Access = ORDINARY,
    on_error: OnError = warn,
) -> dict[str, Any]:
    """Objects of streams as COCO's ``instances.json``, without decoding pixels or group maps.

    Besides what COCO has, an annotation has ``score``, ``level``, ``rank`` and, if there is one, ``reason``,
    and an image ``captions``, where an analysis has written some.
    Objects without a pixel mask have an empty ``segmentation``.

    Args:
        source: a folder, a stream's path or URL, or several.
        masks: whether pixel masks are decoded.
        limits: what the caller agrees to hold in memory.
        access: what is allowed of URLs.
        on_error: told of streams that cannot be read, which are left out; by default a warning.

    Returns:
        What is written as JSON.  Categories of COCO have its ids, others those from 91 on, by their names.

    Raises:
        SdcError: ``E_INPUT`` for a folder without streams.
    """
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    labels: list[str] = []
    for path, stream in outlines(source, limits, access, on_error):
        for error in stream.errors:
            on_error(path, error)
        try:
            objects = parse_objects(stream, masks=masks, limits=limits)
        except SdcError as error:
            on_error(path, error)
            objects = ()
        images.append(_image(len(images) + 1, name_within(source, path), stream))
        for o in objects:
            labels.append(o.label)
            notes.append(_annotation(len(notes) + 1, images[-1], o))
    ids = _category_ids(labels)
    for note, label in zip(notes, labels, strict=True):
        note["category_id"] = ids[_class_of(label)]
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": images, "annotations": notes, "categories": categories}


def _image(number: int, name: str, stream: Outline) -> dict[str, Any]:
    size = {"width": stream.head.width, "height": stream.head.height}
    captions = captions_of(stream)
    return {"id": number, "file_name": name, **size, **({"captions": captions} if captions else {})}


def _annotation(number: int, image: dict[str, Any], o: Object) -> dict[str, Any]:
    _, _, width, height = o.box
    outline = [] if o.mask is None else rle_of(o.box, o.mask, image["width"], image["height"])
    return {
        "id": number,
        "image_id": image["id"],
        "category_id": 0,
        "bbox": list(o.box),
        "area": width * height if o.mask is None else int(o.mask.sum()),
        "segmentation": outline,
        "iscrowd": 0,
        "score": o.score,
        "level": str(o.level),
        "rank": o.rank,
        **({"reason": o.reason} if o.reason else {}),
    }


def _class_of(label: str) -> str:
    """A label as a category's name: those of COCO in its spelling."""
    folded = label.strip().casefold()
    return folded if folded in COCO_IDS else label


def _category_ids(labels: list[str]) -> dict[str, int]:
    """Ids of the categories that occur, by name, in the order of the ids."""
    names = sorted(set(map(_class_of, labels)))
    own = [name for name in names if name not in COCO_IDS]
    ids = {name: COCO_IDS[name] for name in names if name in COCO_IDS}
    ids |= {name: FIRST_OWN_ID + k for k, name in enumerate(own)}
    return dict(sorted(ids.items(), key=lambda item: item[1]))
