"""Objects of a picture: read from a file, ranked, and turned into the map of groups.

The file is the small JSON of ``spec/objects.md`` or COCO's ``instances.json``; the same page states the rules
of ranking and of grouping that this module carries out. None of them concerns a decoder.
Geometry is exact and depends on no drawing library: a pixel is inside a shape when its centre is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import index
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from .container import LEVELS
from .errors import SdcError, spec_data

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Box = tuple[int, int, int, int]

CELL = 16
OTHER = LEVELS.index("other")


def _largest(structure: str, field: str) -> int:
    """The largest value that the table of fields allows in a field."""
    rows = spec_data("fields.json")["structures"][structure]["fields"]
    return int(next(row["max"] for row in rows if row["name"] == field))


# What a stream can hold.
MAX_SIDE = _largest("HEAD", "width")
MAX_OBJECTS = _largest("OBJS", "count")
MAX_LABEL = _largest("OBJECT", "label_length")
MAX_REASON = _largest("OBJECT", "reason_length")
MAX_MASK_BYTES = _largest("OBJECT", "mask_length")
# One group number is kept for the cells that no object covers.
MAX_OBJECT_GROUPS = _largest("GRPS", "count") - 1

# Guards against files that ask for more memory than any real one.
MAX_NUMBER = 10**9
MAX_GRID = 2**30
MAX_MASKS = 2**30
MAX_CROSSINGS = 2**22

MAX_MARGIN = 15
"""Cells around objects that may be of their groups."""


@dataclass(frozen=True, eq=False)
class Object:
    """A named thing in a picture.

    Attributes:
        label: what it is.
        box: x, y, width, height in pixels, inside the picture; the tight bound of the mask if there is one.
        level: 0 = L1, 1 = L2, 2 = L3, 3 = other; None = to be worked out by `rank_objects`.
        score: 0 to 1.
        reason: why it is of its level, in words; may be empty.
        rank: place in the order of importance, 0 first; None = to be worked out.
        mask: bool [height, width] of the box, which pixels are the object's; None = all of them.
        group: index of the group it lies in; None before `group_map`.

    Raises:
        SdcError: E_OBJECTS if a value is out of range.
    """

    label: str
    box: Box
    level: int | None = None
    score: float = 1.0
    reason: str = ""
    rank: int | None = None
    mask: Bools | None = None
    group: int | None = None

    def __post_init__(self) -> None:
        try:
            x, y, width, height = map(index, self.box)
        except (TypeError, ValueError):
            raise _error("box", f"must be four whole numbers, not {self.box!r}") from None
        if min(x, y) < 0 or min(width, height) < 1:
            raise _error("box", f"not a box inside a picture: {self.box}")
        if self.level is not None and self.level not in range(OTHER + 1):
            raise _error("level", f"must be 0 for L1 to 3 for other, not {self.level!r}")
        if not 0 <= self.score <= 1:
            raise _error("score", "must be 0 to 1")
        mask, size = self.mask, self.box[3:1:-1]
        if mask is not None and (mask.dtype != bool or mask.shape != size or not mask.any()):
            raise _error("mask", "must be boolean, of the size of the box and not empty")

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal, masks pixel for pixel."""
        if not isinstance(other, Object):
            return NotImplemented
        a, b = self.mask, other.mask
        same_masks = a is b or (a is not None and b is not None and np.array_equal(a, b))
        return same_masks and {**vars(self), "mask": None} == {**vars(other), "mask": None}


@dataclass(frozen=True, eq=False)
class GroupMap:
    """Which cell belongs to which group.

    Attributes:
        labels: uint8 [rows, cols]; k + 1 = group k. 0, no group, does not occur: every cell is transmitted.
        levels: level code of each group, never decreasing.
        objects: the objects in the order given, with level, rank and group set.
    """

    labels: npt.NDArray[np.uint8]
    levels: tuple[int, ...]
    objects: tuple[Object, ...]


# --- Reading ------------------------------------------------------------------------------------------


def _error(where: str, message: str) -> SdcError:
    return SdcError("E_OBJECTS", message, where)


def _number(value: Any, where: str, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> float:
    # The comparison also refuses NaN, infinities and integers too large for a float.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _error(where, f"must be a number from {low:g} to {high:g}")
    return float(value)


def _numbers(value: Any, where: str) -> Floats:
    if not isinstance(value, (list, tuple)):
        raise _error(where, "must be a list of numbers")
    return np.array([_number(item, f"{where}[{i}]") for i, item in enumerate(value)], np.float64)


def _integer(value: Any, where: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise _error(where, f"must be a whole number from {low} to {high}")
    return value


def _text(value: Any, where: str, most: int) -> str:
    if not isinstance(value, str):
        raise _error(where, "must be a text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise _error(where, "holds half of a surrogate pair, which is no character") from None
    if size > most:
        raise _error(where, f"must be at most {most} bytes of UTF-8, is {size}")
    return value


def _dicts(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, (list, tuple)):
        raise _error(where, "must be a list")
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            raise _error(f"{where}[{i}]", "must be an object of JSON")
    return list(value)


def _read_json(path: Path) -> Any:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, ValueError):  # the latter for a path with a NUL
        raise SdcError("E_INPUT", "no such objects file", str(path)) from None
    except OSError as error:
        raise SdcError("E_IO", f"could not read: {error.strerror}", str(path)) from None
    try:
        return json.loads(text)
    except RecursionError:
        raise _error(str(path), "nested too deeply") from None
    except ValueError as error:  # bad JSON, bad UTF-8, integers of thousands of digits
        raise _error(str(path), f"not JSON: {error}") from None


@dataclass(frozen=True)
class _Frame:
    """A picture's size, and the factors from an objects file's coordinates to pixels."""

    width: int
    height: int
    scale: tuple[float, float] = (1.0, 1.0)

    def described_by(self, data: dict[str, Any], at: str) -> _Frame:
        """The same picture for a file that may state another width and height."""
        if "width" not in data and "height" not in data:
            return self
        width = _integer(data.get("width"), f"{at}width", 1, MAX_NUMBER)
        height = _integer(data.get("height"), f"{at}height", 1, MAX_NUMBER)
        self.refuse_turned(width, height, f"{at}width")
        return replace(self, scale=(self.width / width, self.height / height))

    def refuse_turned(self, width: int, height: int, where: str) -> None:
        # Scaling would give plausible boxes in wrong places, so the commonest mistake is caught.
        if (width, height) == (self.height, self.width) and width != height:
            raise _error(
                where,
                f"the objects are for a picture of {width}x{height}, this one is {self.width}x{self.height}:"
                " turned by its EXIF orientation?",
            )


Shape = tuple[Box, Bools | None]


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """Range of the pixels of 0 to size - 1 whose centres lie in [low, high), or the one in its middle."""
    first, past = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if past <= first:
        first = math.floor((low + high) / 2)
        past = first + 1
    return max(first, 0), min(past, size)


def _box(value: Any, where: str, frame: _Frame) -> Shape | None:
    """Pixels of a box x, y, w, h; None when it is outside the picture."""
    numbers = _numbers(value, where)
    if len(numbers) != 4:
        raise _error(where, "must be 4 numbers: x, y, width, height")
    x, y, w, h = (numbers * (frame.scale * 2)).tolist()
    if w < 0 or h < 0:
        raise _error(where, "width and height must not be negative")
    left, right = _pixels(x, x + w, frame.width)
    top, bottom = _pixels(y, y + h, frame.height)
    if left >= right or top >= bottom:
        return None
    return (left, top, right - left, bottom - top), None


def _tight(x: int, y: int, mask: Bools) -> Shape:
    """The mask at x, y cut to its True pixels, of which there must be some."""
    rows, cols = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    box = (x + left, y + top, right - left, bottom - top)
    return box, np.ascontiguousarray(mask[top:bottom, left:right])


def _between(lines: Ints, toggles: Ints, shape: tuple[int, int]) -> Bools:
    """Mask [shape] of the places that lie, in their line, from an odd toggle up to the next even one.

    Every line has an even number of toggles, of 0 to its length.
    """
    count, length = shape
    places = np.concatenate([[0], np.sort(lines * length + toggles), [count * length]])
    return np.repeat(np.arange(len(places) - 1) % 2 == 1, np.diff(places)).reshape(shape)


def _bounds(points: Floats, frame: _Frame) -> Box:
    """left, top, right, bottom of the pixels whose centres may lie within an outline [n, 2]."""
    left, top = np.ceil(points.min(0) - 0.5).clip(0, (frame.width, frame.height)).astype(int).tolist()
    right, bottom = np.ceil(points.max(0) - 0.5).clip(0, (frame.width, frame.height)).astype(int).tolist()
    return left, top, right, bottom


def _fill(points: Floats, bounds: Box, where: str) -> Bools:
    """Mask of the bounds: the pixels whose centres a polygon [n, 2] encloses, by the even-odd rule."""
    left, top, right, bottom = bounds
    # Edges run downwards whichever way the outline does, so that two objects share an edge exactly.
    start, end = points, np.roll(points, -1, axis=0)
    up = (start[:, 1] > end[:, 1])[:, None]
    start, end = np.where(up, end, start), np.where(up, start, end)
    first = np.ceil(start[:, 1] - 0.5).clip(top, bottom).astype(np.int64)
    count = np.ceil(end[:, 1] - 0.5).clip(top, bottom).astype(np.int64) - first
    if int(count.sum()) > MAX_CROSSINGS:
        raise _error(where, "has too many edges")
    edge = np.repeat(np.arange(len(points)), count)
    row = np.arange(len(edge)) - np.repeat(count.cumsum() - count, count) + first[edge]
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * slope
    column = np.ceil(x - 0.5).clip(left, right).astype(np.int64)
    return _between(row - top, column - left, (bottom - top, right - left))


def _polygons(value: Any, where: str, frame: _Frame) -> Shape | None:
    """Pixels of the union of polygons [[x, y, x, y, ...], ...]; None when it is outside the picture."""
    if not isinstance(value, (list, tuple)) or not value:
        raise _error(where, "must be a list of polygons, each a list x, y, x, y, ...")
    outlines = []
    for i, part in enumerate(value):
        numbers = _numbers(part, f"{where}[{i}]")
        if len(numbers) < 6 or len(numbers) % 2:
            raise _error(f"{where}[{i}]", "must be an even count of numbers, three points or more")
        outlines.append(numbers.reshape(-1, 2) * frame.scale)
    corners = np.concatenate(outlines)
    left, top, right, bottom = _bounds(corners, frame)
    union = np.zeros((bottom - top, right - left), bool)
    for i, points in enumerate(outlines):
        x, y, past_x, past_y = bounds = _bounds(points, frame)
        union[y - top : past_y - top, x - left : past_x - left] |= _fill(points, bounds, f"{where}[{i}]")
    if not union.any():
        # A shape too thin for any pixel centre: the pixels that its corners lie in.
        inside = (corners >= 0).all(1) & (corners < (frame.width, frame.height)).all(1)
        if not inside.any():
            return None
        pixels = corners[inside].astype(int)
        left, top = pixels.min(0).tolist()
        union = np.zeros(pixels.max(0)[::-1] - (top - 1, left - 1), bool)
        union[pixels[:, 1] - top, pixels[:, 0] - left] = True
    return _tight(left, top, union)


def _decode_counts(text: str, where: str) -> list[int]:
    """Run lengths of COCO's compressed form: `rleFrString` of pycocotools' maskApi.c.

    Each number is a little-endian string of 5-bit digits, one character each from "0" on, bit 5 = more
    follow; the last digit's bit 4 is the sign.
    From the fourth on, numbers are differences from the last but one.
    """
    counts: list[int] = []
    value = shift = 0
    for i, character in enumerate(text):
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift > 30:
            raise _error(where, f"not a compressed run-length text at character {i}")
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            value -= (digit & 16) << (shift - 4)
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise _error(where, "ends within a number")
    return counts


def _runs(value: Any, where: str, frame: _Frame) -> Shape | None:
    """Pixels of COCO's run-length mask {"size": [h, w], "counts": ...}; None when it has none.

    Runs go down the columns, outside first. A mask of another size than the picture's is scaled to it.
    """
    if not isinstance(value, dict):
        raise _error(where, 'must be {"size": [height, width], "counts": ...}')
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise _error(f"{where}.size", "must be [height, width]")
    h, w = (_integer(number, f"{where}.size", 1, MAX_SIDE) for number in size)
    if h * w > MAX_GRID:
        raise _error(f"{where}.size", f"must be at most {MAX_GRID} pixels")
    frame.refuse_turned(w, h, f"{where}.size")
    if isinstance(counts, str):
        counts = _decode_counts(counts, f"{where}.counts")
    if not isinstance(counts, (list, tuple)):
        raise _error(f"{where}.counts", "must be a list of run lengths or a compressed text")
    if not all(type(number) is int and 0 <= number <= MAX_GRID for number in counts):
        raise _error(f"{where}.counts", f"must be whole numbers from 0 to {MAX_GRID}")
    if sum(counts) != h * w:
        raise _error(f"{where}.counts", f"must add up to {h * w} pixels, not {sum(counts)}")

    runs = np.array(counts, np.int64)
    ends = runs.cumsum()
    inside = (np.arange(len(runs)) % 2 == 1) & (runs > 0)
    start, last = (ends - runs)[inside], ends[inside] - 1
    if not len(start):
        return None
    # Each run is cut where it goes on in the next column.
    pieces = last // h - start // h + 1
    run = np.repeat(np.arange(len(start)), pieces)
    column = np.arange(len(run)) - np.repeat(pieces.cumsum() - pieces, pieces) + start[run] // h
    above = np.maximum(start[run] - column * h, 0)
    below = np.minimum(last[run] - column * h + 1, h)
    left, right, top, bottom = int(column[0]), int(column[-1]) + 1, int(above.min()), int(below.max())
    if (w, h) == (frame.width, frame.height):
        toggles = np.concatenate([above, below]) - top
        mask = _between(np.tile(column - left, 2), toggles, (right - left, bottom - top)).T
        return _tight(left, top, mask)

    # Nearest neighbour: the mask's pixel under the centre of each of the picture's pixels.
    # Only those are looked up, so that a mask far larger than the picture takes no memory of its own size.
    xs = (2 * np.arange(frame.width) + 1) * w // (2 * frame.width)
    ys = (2 * np.arange(frame.height) + 1) * h // (2 * frame.height)
    xs_at, ys_at = ((xs >= left) & (xs < right)).nonzero()[0], ((ys >= top) & (ys < bottom)).nonzero()[0]
    xs, xs_back = np.unique(xs[xs_at], return_inverse=True)
    ys, ys_back = np.unique(ys[ys_at], return_inverse=True)
    looked_up = np.zeros((len(xs), len(ys)), bool)
    for k, x in enumerate(xs):
        looked_up[k] = ends.searchsorted(x * h + ys, "right") % 2 == 1
    scaled = looked_up.T[np.ix_(ys_back, xs_back)]
    if scaled.any():
        return _tight(int(xs_at[0]), int(ys_at[0]), scaled)
    # Too thin for any centre: the pixel under the middle of its bounds.
    x, y = (left + right) * frame.width // (2 * w), (top + bottom) * frame.height // (2 * h)
    return (x, y, 1, 1), np.ones((1, 1), bool)


def _object(item: dict[str, Any], at: str, frame: _Frame, names: dict[str, str]) -> Object | None:
    """One object of the JSON; None when it is outside the picture.

    `names`: what the file calls a field, where that is not our name.
    """

    def where(field: str) -> str:
        return f"{at}.{names.get(field, field)}"

    given = {field: value for field, value in item.items() if value is not None}
    label = _text(given.get("label"), where("label"), MAX_LABEL)
    reason = _text(given.get("reason", ""), where("reason"), MAX_REASON)
    score = _number(given.get("score", 1), where("score"), 0, 1)
    level = given.get("level")
    if level is not None and level not in LEVELS:
        raise _error(where("level"), f"must be one of {', '.join(LEVELS)}")
    # Every geometry given is checked; the most exact one is used.
    readers = {"box": _box, "polygon": _polygons, "rle": _runs}
    shapes = [read(given[field], where(field), frame) for field, read in readers.items() if field in given]
    if not shapes:
        raise _error(at, f"needs one of {', '.join(names.get(field, field) for field in readers)}")
    if "polygon" in given and "rle" in given:
        raise _error(at, "has both polygon and rle")
    if shapes[-1] is None:
        return None
    box, mask = shapes[-1]
    code = None if level is None else LEVELS.index(level)
    return Object(label, box, code, score, reason, mask=mask)


def _coco(
    data: dict[str, Any], frame: _Frame, image_name: str | None
) -> tuple[list[tuple[dict[str, Any], str]], _Frame]:
    """The annotations of one picture of COCO's instances.json, with our names for the fields."""
    images = _dicts(data.get("images"), "images")
    found = list(range(len(images)))
    if image_name is not None:
        paths = [PurePath(str(image.get("file_name"))) for image in images]
        # The whole path if that is there, else the file's name, else that without its suffix.
        for part in ("parts", "name", "stem"):
            wanted = getattr(PurePath(image_name), part)
            found = [i for i, path in enumerate(paths) if getattr(path, part) == wanted]
            if found:
                break
    if len(found) != 1:
        count = "no picture is" if not found else f"{len(found)} pictures are"
        what = "the picture's name is needed" if image_name is None else f"{count} named {image_name!r}"
        raise _error("images", f"{what}, among {len(images)}")
    image = images[found[0]]
    at = f"images[{found[0]}]"
    if type(image.get("id")) not in (int, str):
        raise _error(f"{at}.id", "must be a number or a text")
    labels = {}
    for i, category in enumerate(_dicts(data.get("categories"), "categories")):
        if type(category.get("id")) not in (int, str):
            raise _error(f"categories[{i}].id", "must be a number or a text")
        labels[category["id"]] = _text(category.get("name"), f"categories[{i}].name", MAX_LABEL)
    items = []
    for i, note in enumerate(_dicts(data["annotations"], "annotations")):
        if note.get("image_id") != image["id"] or note.get("iscrowd") == 1:
            continue
        category_id = note.get("category_id")
        if type(category_id) not in (int, str) or category_id not in labels:
            raise _error(f"annotations[{i}].category_id", "not among the categories")
        outline = note.get("segmentation")
        item = {"label": labels[category_id], "box": note.get("bbox"), "score": note.get("score")}
        if outline not in (None, [], ()):
            item["rle" if isinstance(outline, dict) else "polygon"] = outline
        items.append((item, f"annotations[{i}]"))
    return items, frame.described_by(image, f"{at}.")


def load_objects(
    source: Path | str | dict[str, Any] | list[Any], width: int, height: int, image_name: str | None = None
) -> list[Object]:
    """Reads the objects of a picture.

    Pixels outside the picture are cut off. An object wholly outside is left out, but a file whose objects
    are all outside is refused, since it is hardly this picture's.

    Args:
        source: a file, or what its JSON parses to: the JSON of ``spec/objects.md`` (or its list of objects
            alone), or COCO's ``instances.json``, of which ``iscrowd`` annotations are left out.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
        image_name: name of the picture's file, by which it is found in a COCO file of several pictures.

    Returns:
        The objects in the order of the file; level is None where the file gives none.

    Raises:
        SdcError: E_INPUT when there is no such file, E_IO when it cannot be read, E_OBJECTS with the path
            of the field when its content is wrong.
    """
    data = _read_json(Path(source)) if isinstance(source, (str, Path)) else source
    if isinstance(data, (list, tuple)):
        data = {"objects": data}
    if not isinstance(data, dict) or ("objects" in data) == ("annotations" in data):
        raise _error("", 'must have either "objects" or, as COCO has it, "annotations"')
    frame = _Frame(width, height)
    names: dict[str, str] = {}
    if "objects" in data:
        items = [(item, f"objects[{i}]") for i, item in enumerate(_dicts(data["objects"], "objects"))]
        frame = frame.described_by(data, "")
    else:
        items, frame = _coco(data, frame, image_name)
        names = {"label": "category_id", "box": "bbox", "polygon": "segmentation", "rle": "segmentation"}
    if len(items) > MAX_OBJECTS:
        raise _error("", f"{len(items)} objects in one picture, of which there may be {MAX_OBJECTS}")
    objects = []
    pixels = 0
    for item, at in items:
        found = _object(item, at, frame, names)
        if found is not None:
            objects.append(found)
            pixels += 0 if found.mask is None else found.mask.size
            if pixels > MAX_MASKS:
                raise _error(at, f"the masks up to here fill {pixels} pixels, {MAX_MASKS} are allowed")
    if items and not objects:
        raise _error("", f"all {len(items)} objects are outside the picture of {width}x{height}")
    return objects


def load_analysis(data: Any) -> dict[str, Any] | None:
    """How the objects were found, as the JSON of ``spec/objects.md`` says; None when it does not.

    Raises:
        SdcError: E_OBJECTS when it is not an object of JSON.
    """
    about = data.get("analysis") if isinstance(data, dict) else None
    if about is not None and not isinstance(about, dict):
        raise _error("analysis", "must be an object of JSON")
    return about


# --- Writing ------------------------------------------------------------------------------------------


def _encode_counts(counts: Sequence[int]) -> str:
    """COCO's compressed form of run lengths; the inverse of :func:`_decode_counts`."""
    out = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            digit = value & 31
            value >>= 5
            done = value == (-1 if digit & 16 else 0)
            out.append(chr(48 + digit + (0 if done else 32)))
            if done:
                break
    return "".join(out)


def _rle(box: Box, mask: Bools, width: int, height: int) -> dict[str, Any]:
    """COCO's run-length mask of a picture, of a mask in a box."""
    x, y, _, _ = box
    edges = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    columns, rows = np.nonzero(edges)
    # A run that goes on in the next column ends and begins at one place, and so does not end there.
    places, times = np.unique((x + columns) * height + y + rows, return_counts=True)
    ends = [0, *places[times == 1].tolist(), width * height]
    return {"size": [height, width], "counts": _encode_counts(np.diff(ends).tolist())}


def dump_objects(objects: Sequence[Object], width: int, height: int) -> dict[str, Any]:
    """The JSON of ``spec/objects.md``; :func:`load_objects` gives the same objects again.

    Args:
        objects: objects of the picture; ranks and groups are not kept.
        width: width of the picture in pixels.
        height: height of the picture in pixels.
    """
    items = []
    for thing in objects:
        item: dict[str, Any] = {"label": thing.label, "box": list(thing.box)}
        if thing.mask is not None:
            item["rle"] = _rle(thing.box, thing.mask, width, height)
        if thing.level is not None:
            item["level"] = LEVELS[thing.level]
        item["score"] = round(thing.score, 4)
        if thing.reason:
            item["reason"] = thing.reason
        items.append(item)
    return {"width": width, "height": height, "objects": items}


# --- Ranking ------------------------------------------------------------------------------------------


def _weight(thing: Object, width: int, height: int) -> float:
    """Score * share of the picture's area * centrality, from 1 in the middle down to 1/2 in a corner."""
    x, y, w, h = thing.box
    area = w * h if thing.mask is None else int(np.count_nonzero(thing.mask))
    across, down = (2 * x + w) / width - 1, (2 * y + h) / height - 1
    return thing.score * area / (width * height) * (1 - (across**2 + down**2) / 4)


def rank_objects(objects: Sequence[Object], width: int, height: int) -> list[Object]:
    """Sets level and rank of every object; the order of the list stays.

    Objects without a level are sorted by score times share of the picture's area times centrality (1 in the
    middle, 1/2 in a corner): the first third is of L1, the second of L2, the last of L3, the earlier
    thirds taking what is left over.
    The rank counts objects by level; within a level by a rank already given, then objects whose level
    was given (by score) before those whose level was worked out (by that product), then by their order.
    """
    weights = [_weight(thing, width, height) for thing in objects]
    open_ones = sorted(
        (i for i, thing in enumerate(objects) if thing.level is None), key=lambda i: (-weights[i], i)
    )
    default = {i: place * 3 // len(open_ones) for place, i in enumerate(open_ones)}

    def importance(i: int) -> tuple[float, ...]:
        thing = objects[i]
        rank = math.inf if thing.rank is None else thing.rank
        if thing.level is None:
            return (default[i], rank, 1, -weights[i], i)
        return (thing.level, rank, 0, -thing.score, i)

    order = sorted(range(len(objects)), key=importance)
    ranked = list(objects)
    for rank, i in enumerate(order):
        level = ranked[i].level
        ranked[i] = replace(ranked[i], level=default[i] if level is None else level, rank=rank)
    return ranked


# --- Cells --------------------------------------------------------------------------------------------


def _extent(count: int, size: int) -> npt.NDArray[np.uint16]:
    """Pixels across each of `count` cells that together span `size` pixels: 16, less in the last."""
    return np.minimum(size - CELL * np.arange(count), CELL).astype(np.uint16)


def _coverage(thing: Object) -> tuple[tuple[slice, slice], npt.NDArray[np.uint16]]:
    """The rectangle of cells that the object's box touches, and its pixels in each of them, uint16 [r, c]."""
    x, y, w, h = thing.box
    top, left, bottom, right = y // CELL, x // CELL, -(-(y + h) // CELL), -(-(x + w) // CELL)
    rows, cols = bottom - top, right - left
    if thing.mask is None:
        down, across = (
            np.diff(np.clip(CELL * np.arange(first, first + count + 1), low, low + size)).astype(np.uint16)
            for first, count, low, size in ((top, rows, y, h), (left, cols, x, w))
        )
        counts = np.multiply.outer(down, across)
    else:
        padded = np.zeros((rows * CELL, cols * CELL), np.uint8)
        padded[y - top * CELL :, x - left * CELL :][:h, :w] = thing.mask
        # First down the columns, where whole rows are added at once and 16 fits a byte.
        strips = padded.reshape(rows, CELL, -1).sum(1, dtype=np.uint8)
        counts = strips.reshape(rows, cols, CELL).sum(2, dtype=np.uint16)
    return (slice(top, bottom), slice(left, right)), counts


class _Owners:
    """Which object owns each cell, and which cell is each object's home.

    An object owns cells, or is a guest in one whose owner is of the same unit (level, or object), or, if
    there is no room, shares a cell with a stranger.
    Objects are known by their place in the order of importance.
    """

    def __init__(self, objects: Sequence[Object], units: Sequence[int], width: int, height: int):
        self.objects = objects
        self.units = np.array(units)
        rows, cols = -(-height // CELL), -(-width // CELL)
        pixels = np.multiply.outer(_extent(rows, height), _extent(cols, width))
        self.owner = np.full((rows, cols), -1, np.int32)
        self.hosts = np.zeros((rows, cols), bool)
        for i, thing in enumerate(objects):
            area, counts = _coverage(thing)
            owner = self.owner[area]
            owner[(8 * counts >= pixels[area]) & (owner < 0)] = i
        self.owned = np.bincount(self.owner[self.owner >= 0], minlength=len(objects))
        self.home: dict[int, tuple[int, int]] = {}
        stuck = np.zeros(len(objects), bool)
        for i in np.flatnonzero(self.owned == 0).tolist():
            self._settle(i, stuck)
        # Owners' homes change while others settle, so they are noted at the end.
        for r, c in np.argwhere(self.owner >= 0).tolist():
            self.home.setdefault(int(self.owner[r, c]), (r, c))

    def misplaced(self, levels: Sequence[int]) -> int:
        """How many objects have their home in a cell of another level."""
        return sum(levels[self.owner[cell]] != levels[i] for i, cell in self.home.items())

    def _settle(self, newcomer: int, stuck: Bools) -> None:
        """Gives an object without cells a home: its best cell among those whose loss makes no object vanish.

        If there is none, the owner of such a cell may move to another cell that it touches, and so on: a
        breadth-first search for the shortest chain of moves. `stuck` marks objects known to have no way out.
        """
        seen = stuck.copy()
        came_from: dict[int, tuple[int, tuple[int, int]] | None] = {newcomer: None}
        queue = [newcomer]
        for i in queue:
            (rows, cols), counts = _coverage(self.objects[i])
            owner = self.owner[rows, cols]
            same = (owner >= 0) & (self.units[owner] == self.units[i])
            # The cells of i and of those on the way to it would be taken over.
            k = i
            while (step := came_from[k]) is not None:
                same &= owner != k
                k = step[0]
            spare = (owner < 0) | ((self.owned[owner] > 1) & ~self.hosts[rows, cols])
            # Even counts for pixels, and one more where nothing need change.
            choice = np.where(same | spare, 2 * counts + same, 0) * (counts > 0)
            if choice.any():
                r, c = divmod(int(choice.argmax()), choice.shape[1])
                self._move(i, (rows.start + r, cols.start + c), came_from)
                return
            # Here every cell it touches is the only one of a stranger. Best cell first.
            places = np.flatnonzero((counts > 0) & ~self.hosts[rows, cols] & ~seen[owner])
            best_first = np.argsort(-counts.flat[places].astype(int), kind="stable")
            for place in places[best_first].tolist():
                r, c = divmod(place, counts.shape[1])
                stranger = int(owner[r, c])
                if not seen[stranger]:
                    seen[stranger] = True
                    came_from[stranger] = (i, (rows.start + r, cols.start + c))
                    queue.append(stranger)
        # All of these wait for one another's cells, and always will: nobody outside holds any of them.
        stuck |= seen
        (rows, cols), counts = _coverage(self.objects[newcomer])
        r, c = divmod(int(counts.argmax()), counts.shape[1])
        self.home[newcomer] = (rows.start + r, cols.start + c)

    def _move(
        self, i: int, cell: tuple[int, int], came_from: dict[int, tuple[int, tuple[int, int]] | None]
    ) -> None:
        """Settles i in the cell, then the one who wanted i's old cell there, and so on."""
        step: tuple[int, tuple[int, int]] | None = (i, cell)
        while step is not None:
            i, cell = step
            step = came_from[i]
            owner = int(self.owner[cell])
            if owner >= 0 and self.units[owner] == self.units[i]:
                self.hosts[cell] = True
                self.home[i] = cell
            else:
                if owner >= 0:
                    self.owned[owner] -= 1
                self.owned[i] += 1
                self.owner[cell] = i


def _with_margin(owner: npt.NDArray[np.int32], levels: Sequence[int], margin: int) -> npt.NDArray[np.int32]:
    """The owners of cells, where cells of nobody go to the most important object of L1 to L3 near them.

    Args:
        owner: int32 [rows, cols], objects by importance, -1 = nobody.
        levels: level code of each object.
        margin: how near, in cells, in all eight directions.
    """
    nobody = len(levels)
    # The last entry is for owner -1.
    who = np.array([i if level != OTHER else nobody for i, level in enumerate(levels)] + [nobody], np.int32)
    near = who[owner]
    for _ in range(2):  # down, then across
        padded = np.pad(near.T, ((0, 0), (margin, margin)), constant_values=nobody)
        near = reduce(np.minimum, (padded[:, k : k + near.shape[0]] for k in range(2 * margin + 1)))
    return np.where((owner < 0) & (near < nobody), near, owner)


def group_map(
    objects: Sequence[Object], width: int, height: int, group_by: str = "level", margin: int = 0
) -> GroupMap:
    """Gives every cell of a picture its group.

    A cell belongs to the most important object that covers at least an eighth of its pixels (at the right and
    bottom edges, of those that exist).
    An object without a cell gets the cell it covers most, unless that is another object's only one: then
    the next best, or the other object moves to a cell that it touches too.
    With level groups it is enough that the cell is of the object's level.
    Where the objects in one place outnumber the cells, the less important share the best cell of theirs
    with its owner, and take on its group and level; none does so if each can have a cell of its own.
    With a margin, cells of no object go to the most important object of L1 to L3 that owns one near them.
    The other cells of no object are of level other.

    Args:
        objects: objects of the picture, levels and ranks given or not (see `rank_objects`).
        width: width of the picture in pixels, 1 or more.
        height: height of the picture in pixels, 1 or more.
        group_by: "level": one group for each level that has cells. "object": one group for each object, most
            important first, and one for the cells of no object, last. Objects beyond 254 go into the last
            group of their level; each level keeps at least one.
        margin: how many cells around the cells of objects of L1 to L3 are of their groups too, 0 to 15.

    Returns:
        The map; a single group of level other when there are no objects.

    Raises:
        SdcError: E_OBJECTS when a box reaches out of the picture, E_USAGE for an unknown `group_by` or
            another `margin`.
    """
    if group_by not in ("level", "object"):
        raise SdcError("E_USAGE", "must be level or object", "group-by")
    if type(margin) is not int or not 0 <= margin <= MAX_MARGIN:
        raise SdcError("E_USAGE", f"must be a whole number of 0 to {MAX_MARGIN} cells", "margin")
    if not all(isinstance(thing, Object) for thing in objects):
        raise SdcError("E_USAGE", "must be sdc.Object, as sdc.load_objects gives them", "objects")
    for i, thing in enumerate(objects):
        x, y, w, h = thing.box
        if x + w > width or y + h > height:
            raise _error(f"objects[{i}].box", f"reaches out of the picture of {width}x{height}")
    ranked = rank_objects(objects, width, height)
    order = sorted(range(len(ranked)), key=lambda i: ranked[i].rank or 0)
    by_rank = [ranked[i] for i in order]
    levels = [OTHER if thing.level is None else thing.level for thing in by_rank]
    by_level = group_by == "level"
    singles = list(range(len(by_rank)))
    owners = _Owners(by_rank, levels if by_level else singles, width, height)
    if by_level and owners.misplaced(levels):
        # Guests pin cells. The other way gives every object a cell of its own if that is possible at all.
        owners = min(owners, _Owners(by_rank, singles, width, height), key=lambda o: o.misplaced(levels))
    owner = _with_margin(owners.owner, levels, margin) if margin and objects else owners.owner

    # Groups are numbered in the order of importance of the objects that own their cells.
    # The last entry is for owner -1, nobody.
    group_of = np.zeros(len(by_rank) + 1, np.uint8)
    group_levels: list[int] = []
    with_cells = np.flatnonzero(owners.owned).tolist()
    spare = MAX_OBJECT_GROUPS - len({levels[i] for i in with_cells})
    for i in with_cells:
        if levels[i] not in group_levels:
            group_levels.append(levels[i])
        elif not by_level and spare:
            spare -= 1
            group_levels.append(levels[i])
        group_of[i] = len(group_levels) - 1
    if (owner < 0).any():
        if not by_level or OTHER not in group_levels:
            group_levels.append(OTHER)
        group_of[-1] = len(group_levels) - 1
    labels = group_of[owner] + np.uint8(1)
    for i, place in enumerate(order):
        group = int(labels[owners.home[i]]) - 1
        ranked[place] = replace(ranked[place], group=group, level=group_levels[group])
    return GroupMap(labels, tuple(group_levels), tuple(ranked))
