"""Boxes, polygons and run lengths to pixels and back.

Geometry is exact and depends on no drawing library: a pixel is inside a shape when its centre is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import MAX_SIDE
from .values import Bools, Box, Floats, Frame, integer, number_list, objects_error

Ints = npt.NDArray[np.int64]
MAX_GRID = 2**30
MAX_CROSSINGS = 2**22
Shape = tuple[Box, Bools | None]


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """Range of the pixels of 0 to size - 1 whose centres lie in [low, high), or the one in its middle."""
    first, past = math.ceil(low - 0.5), math.ceil(high - 0.5)
    if past <= first:
        first = math.floor((low + high) / 2)
        past = first + 1
    return max(first, 0), min(past, size)


def box_shape(value: Any, where: str, frame: Frame) -> Shape | None:
    """Pixels of a box x, y, w, h; None when it is outside the image."""
    numbers = number_list(value, where)
    if len(numbers) != 4:
        raise objects_error(where, "must be 4 numbers: x, y, width, height")
    x, y, w, h = (numbers * (frame.scale * 2)).tolist()
    if w < 0 or h < 0:
        raise objects_error(where, "width and height must not be negative")
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


def _bounds(points: Floats, frame: Frame) -> Box:
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
        raise objects_error(where, "has too many edges")
    edge = np.repeat(np.arange(len(points)), count)
    row = np.arange(len(edge)) - np.repeat(count.cumsum() - count, count) + first[edge]
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * slope
    column = np.ceil(x - 0.5).clip(left, right).astype(np.int64)
    return _between(row - top, column - left, (bottom - top, right - left))


def polygon_shape(value: Any, where: str, frame: Frame) -> Shape | None:
    """Pixels of the union of polygons [[x, y, x, y, ...], ...]; None when it is outside the image."""
    if not isinstance(value, (list, tuple)) or not value:
        raise objects_error(where, "must be a list of polygons, each a list x, y, x, y, ...")
    outlines = []
    for i, part in enumerate(value):
        numbers = number_list(part, f"{where}[{i}]")
        if len(numbers) < 6 or len(numbers) % 2:
            raise objects_error(f"{where}[{i}]", "must be an even count of numbers, three points or more")
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
            raise objects_error(where, f"not a compressed run-length text at character {i}")
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            value -= (digit & 16) << (shift - 4)
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise objects_error(where, "ends within a number")
    return counts


def rle_shape(value: Any, where: str, frame: Frame) -> Shape | None:
    """Pixels of COCO's run-length mask {"size": [h, w], "counts": ...}; None when it has none.

    Runs go down the columns, outside first. A mask of another size than the image's is scaled to it.
    """
    if not isinstance(value, dict):
        raise objects_error(where, 'must be {"size": [height, width], "counts": ...}')
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise objects_error(f"{where}.size", "must be [height, width]")
    h, w = (integer(number, f"{where}.size", 1, MAX_SIDE) for number in size)
    if h * w > MAX_GRID:
        raise objects_error(f"{where}.size", f"must be at most {MAX_GRID} pixels")
    frame.refuse_turned(w, h, f"{where}.size")
    if isinstance(counts, str):
        counts = _decode_counts(counts, f"{where}.counts")
    if not isinstance(counts, (list, tuple)):
        raise objects_error(f"{where}.counts", "must be a list of run lengths or a compressed text")
    if not all(type(number) is int and 0 <= number <= MAX_GRID for number in counts):
        raise objects_error(f"{where}.counts", f"must be whole numbers from 0 to {MAX_GRID}")
    if sum(counts) != h * w:
        raise objects_error(f"{where}.counts", f"must add up to {h * w} pixels, not {sum(counts)}")

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
    return _scaled(ends, (w, h), (left, right, top, bottom), frame)


def _scaled(ends: Ints, size: tuple[int, int], bounds: tuple[int, int, int, int], frame: Frame) -> Shape:
    """Pixels of a run-length mask of another size than the image's.

    Args:
        ends: where the runs end, outside first.
        size: width and height of the mask.
        bounds: left, right, top and bottom of what is inside.
    """
    (w, h), (left, right, top, bottom) = size, bounds
    # Nearest neighbour: the mask's pixel under the centre of each of the image's pixels.
    # Only those are looked up, so that a mask far larger than the image takes no memory of its own size.
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


def rle_of(box: Box, mask: Bools, width: int, height: int) -> dict[str, Any]:
    """COCO's run-length mask of an image, of a mask in a box."""
    x, y, _, _ = box
    edges = np.diff(np.pad(mask.T, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    columns, rows = np.nonzero(edges)
    # A run that goes on in the next column ends and begins at one place, and so does not end there.
    places, times = np.unique((x + columns) * height + y + rows, return_counts=True)
    ends = [0, *places[times == 1].tolist(), width * height]
    return {"size": [height, width], "counts": _encode_counts(np.diff(ends).tolist())}
