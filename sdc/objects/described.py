"""Objects of a document: their fields, mended where that is plain, and what all of them make likely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import SdcError
from ..types import MAX_LABEL, MAX_REASON, Level
from .gathering import Gathering
from .mending import mended_box, mended_level, mended_polygon, mended_rle, mended_score, mended_text
from .raster import Shape, box_shape, polygon_shape, rle_shape
from .values import MAX_NUMBER, Bools, Box, Frame, objects_error

MAX_MASKS = 2**30

BEYOND = 2
"""Pixels by which a box must reach beyond the image to be suspected of giving two corners."""

Item = tuple["dict[str, Any] | SdcError", str]
"""An object with our names for the fields, or why it is none, and where it stands in the file."""


class Described(NamedTuple):
    """What a document says of an object; the names are those of :class:`.object.Object`."""

    label: str
    box: Box
    level: Level | None
    score: float
    reason: str
    mask: Bools | None


def note_turned(frame: Frame, turned: int, notes: Gathering) -> None:
    """Say that boxes are taken as for the image as it is shown, where they may be for it as it is stored."""
    if turned <= 1 or (turned >= 5 and frame.stated is not None and frame.width != frame.height):
        return
    notes.add(
        f"the image is turned by its EXIF orientation {turned}; the objects are taken as for the turned image"
    )


def _numbers(value: Any, depth: int = 3) -> Iterator[float]:
    """All numbers of nested lists, as deep as those of polygons are."""
    if isinstance(value, (list, tuple)) and depth:
        for item in value:
            yield from _numbers(item, depth - 1)
    elif type(value) in (int, float) and abs(value) < MAX_NUMBER:
        yield float(value)


def _are_shares(given: Sequence[dict[str, Any]]) -> bool:
    """Whether all coordinates are from 0 to 1, and some between."""
    between = False
    for field in ("box", "polygon"):
        for item in given:
            for number in _numbers(item.get(field)):
                if not -0.01 <= number <= 1.01:
                    return False
                between |= number % 1 != 0
    return between


def doubted(items: Sequence[Item], frame: Frame, notes: Gathering) -> Frame:
    """Say what all coordinates of an image together make likely; the frame that they are for."""
    stated = frame.stated or (frame.width, frame.height)
    given = [item for item, _ in items if isinstance(item, dict)]
    if min(stated) <= 2:
        return frame
    if _are_shares(given):
        notes.add(
            "all coordinates are from 0 to 1, and are taken as shares of the image's width and height; a box "
            "has its upper left corner first, not its middle as in YOLO's files"
        )
        return frame.of_shares()
    boxes = [box for item in given if len(box := list(_numbers(item.get("box"), 1))) == 4]
    beyond = [x + w > stated[0] + BEYOND or y + h > stated[1] + BEYOND for x, y, w, h in boxes]
    corners = [x < w <= stated[0] + 1 and y < h <= stated[1] + 1 for x, y, w, h in boxes]
    if any(beyond) and all(corners):
        notes.add(
            "boxes that reach beyond the image as x, y, width, height, which is how they are taken, but not "
            f"as left, top, right, bottom: {sum(beyond)} of {len(boxes)}"
        )
    return frame


def read_items(
    items: Sequence[Item], frame: Frame, names: Mapping[str, str], notes: Gathering
) -> list[Described]:
    """The objects that can be used; what is wrong with others is said, or raised where no other is left."""
    objects: list[Described] = []
    wrong: list[SdcError] = []
    pixels = 0
    for item, at in items:
        try:
            if isinstance(item, SdcError):
                raise item
            found = _object(item, at, frame, names, notes)
        except SdcError as error:
            notes.add(f"an object is left out: {error.message}", error.where)
            wrong.append(error)
            continue
        if found is not None:
            objects.append(found)
            pixels += 0 if found.mask is None else found.mask.size
            if pixels > MAX_MASKS:
                raise objects_error(at, f"the masks up to here fill {pixels} pixels, {MAX_MASKS} are allowed")
    if wrong and not objects:
        if len(items) == 1:
            raise wrong[0]
        raise objects_error(wrong[0].where, f"none of {len(items)} objects can be used; {wrong[0].message}")
    if items and not objects:
        raise objects_error(
            "", f"all {len(items)} objects are outside the image of {frame.width} x {frame.height}"
        )
    return objects


def _object(
    item: dict[str, Any], at: str, frame: Frame, names: Mapping[str, str], notes: Gathering
) -> Described | None:
    """One object of the JSON; None when it is outside the image.

    `names`: what the file calls a field, where that is not our name.

    Raises:
        SdcError: E_OBJECTS where it cannot be used.
    """

    def where(field: str) -> str:
        return f"{at}.{names.get(field, field)}"

    given = {field: value for field, value in item.items() if value is not None}
    label = mended_text(given.get("label"), where("label"), MAX_LABEL, notes)
    try:
        reason = mended_text(given.get("reason", ""), where("reason"), MAX_REASON, notes)
    except SdcError as error:
        reason = ""
        notes.add(f"a reason is left out: {error.message}", error.where)
    score = mended_score(given.get("score", 1), where("score"), notes)
    level = mended_level(given.get("level"), where("level"), notes)
    shape = _shape(given, at, where, frame, names, notes)
    return None if shape is None else Described(label, shape[0], level, score, reason, shape[1])


def _shape(
    given: dict[str, Any],
    at: str,
    where: Callable[[str], str],
    frame: Frame,
    names: Mapping[str, str],
    notes: Gathering,
) -> Shape | None:
    """Pixels of an object by the most exact geometry that can be used; None when it is outside the image."""
    if "polygon" in given and "rle" in given:
        raise objects_error(at, "has both polygon and rle")
    readers = {"rle": rle_shape, "polygon": polygon_shape, "box": box_shape}
    menders = {"rle": mended_rle, "polygon": mended_polygon, "box": mended_box}
    wrong: list[SdcError] = []
    shapes: list[Shape | None] = []
    for field, read in readers.items():
        value = given.get(field)
        value = menders[field](value, where(field), notes)
        if value is None or value in ([], ()):
            continue
        try:
            shapes.append(read(value, where(field), frame))
        except SdcError as error:
            wrong.append(error)
            continue
        if field == "rle":
            rows, cols = value["size"]
            frame.note_ratio(cols, rows, f"{where(field)}.size", notes)
    if shapes:
        for mistake in wrong:
            notes.add(
                f"an outline is left out, and the object's other one counts: {mistake.message}", mistake.where
            )
        return shapes[0]
    if wrong:
        raise wrong[0]
    known = dict.fromkeys(names.get(field, field) for field in ("box", "polygon", "rle"))
    raise objects_error(at, f"needs one of {', '.join(known)}")
