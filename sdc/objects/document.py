"""The JSON document of objects (``spec/objects.md``), read and written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import SdcError
from ..notes import Notes
from ..types import LEVELS, MAX_LABEL, MAX_OBJECTS, MAX_REASON, Level
from .coco import coco_annotations
from .raster import box_shape, polygon_shape, rle_of, rle_shape
from .values import Bools, Box, Frame, checked_text, dict_list, number, objects_error, parse_json

MAX_MASKS = 2**30


class Described(NamedTuple):
    """What a document says of an object; the names are those of :class:`.object.Object`."""

    label: str
    box: Box
    level: Level | None
    score: float
    reason: str
    mask: Bools | None


def _read_json(path: Path) -> Any:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, ValueError):  # the latter for a path with a NUL
        raise SdcError("E_INPUT", "no such file of objects", str(path)) from None
    except OSError as error:
        raise SdcError("E_IO", f"could not read: {error.strerror}", str(path)) from None
    return parse_json(text, str(path))


def _object(item: dict[str, Any], at: str, frame: Frame, names: dict[str, str]) -> Described | None:
    """One object of the JSON; None when it is outside the image.

    `names`: what the file calls a field, where that is not our name.
    """

    def where(field: str) -> str:
        return f"{at}.{names.get(field, field)}"

    given = {field: value for field, value in item.items() if value is not None}
    label = checked_text(given.get("label"), where("label"), MAX_LABEL)
    reason = checked_text(given.get("reason", ""), where("reason"), MAX_REASON)
    score = number(given.get("score", 1), where("score"), 0, 1)
    level = given.get("level")
    if level is not None and level not in LEVELS:
        raise objects_error(where("level"), f"must be one of {', '.join(LEVELS)}")
    # Every geometry given is checked; the most exact one is used.
    readers = {"box": box_shape, "polygon": polygon_shape, "rle": rle_shape}
    shapes = [read(given[field], where(field), frame) for field, read in readers.items() if field in given]
    if not shapes:
        raise objects_error(at, f"needs one of {', '.join(names.get(field, field) for field in readers)}")
    if "polygon" in given and "rle" in given:
        raise objects_error(at, "has both polygon and rle")
    if shapes[-1] is None:
        return None
    box, mask = shapes[-1]
    return Described(label, box, None if level is None else Level(level), score, reason, mask)


def read_document(
    source: Path | str | dict[str, Any] | list[Any],
    width: int,
    height: int,
    image_name: str | None,
    notes: Notes,
) -> list[Described]:
    """What a file says of the objects of an image: :meth:`.object.Object.load`.

    Args:
        notes: what is assumed or left out is said here.
    """
    data = _read_json(Path(source)) if isinstance(source, (str, Path)) else source
    if isinstance(data, (list, tuple)):
        data = {"objects": data}
    if not isinstance(data, dict) or ("objects" in data) == ("annotations" in data):
        raise objects_error("", 'must have either "objects" or, as COCO has it, "annotations"')
    frame = Frame(width, height)
    names: dict[str, str] = {}
    if "objects" in data:
        items = [(item, f"objects[{i}]") for i, item in enumerate(dict_list(data["objects"], "objects"))]
        frame = frame.described_by(data, "")
    else:
        items, frame = coco_annotations(data, frame, image_name)
        names = {"label": "category_id", "box": "bbox", "polygon": "segmentation", "rle": "segmentation"}
    if len(items) > MAX_OBJECTS:
        raise objects_error("", f"{len(items)} objects in one image; {MAX_OBJECTS} are allowed")
    objects = []
    pixels = 0
    for item, at in items:
        found = _object(item, at, frame, names)
        if found is not None:
            objects.append(found)
            pixels += 0 if found.mask is None else found.mask.size
            if pixels > MAX_MASKS:
                raise objects_error(at, f"the masks up to here fill {pixels} pixels, {MAX_MASKS} are allowed")
    if items and not objects:
        raise objects_error("", f"all {len(items)} objects are outside the image of {width} x {height}")
    return objects


def load_provenance(data: Any) -> dict[str, Any] | None:
    """How the objects were found, as the JSON of ``spec/objects.md`` says; None when it does not.

    Raises:
        SdcError: E_OBJECTS when it is not an object of JSON.
    """
    provenance = data.get("analysis") if isinstance(data, dict) else None
    if provenance is not None and not isinstance(provenance, dict):
        raise objects_error("analysis", "must be an object of JSON")
    return provenance


def dump_document(objects: Sequence[Described], width: int, height: int) -> dict[str, Any]:
    """The JSON of ``spec/objects.md``; :func:`read_document` gives the same again."""
    items = []
    for thing in objects:
        item: dict[str, Any] = {"label": thing.label, "box": list(thing.box)}
        if thing.mask is not None:
            item["rle"] = rle_of(thing.box, thing.mask, width, height)
        if thing.level is not None:
            item["level"] = thing.level.value
        item["score"] = float(thing.score)  # written so that it is read as the same number
        if thing.reason:
            item["reason"] = thing.reason
        items.append(item)
    return {"width": width, "height": height, "objects": items}
