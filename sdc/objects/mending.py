"""Oddities of annotation files that have one meaning, brought into the form that is read, and said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..types import LEVELS, Level
from .gathering import Gathering
from .values import MAX_NUMBER, checked_text, number, objects_error

SLACK = 1e-3
"""How far a score may be beyond 0 or 1 and still be taken for it: what rounding does."""


def _is_number(value: Any) -> bool:
    """Whether a value is a number that may be a coordinate or a score."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= MAX_NUMBER


def _point(value: Any) -> list[Any] | None:
    """A point as a pair of numbers, from a pair or from an object with x and y."""
    if isinstance(value, dict) and {"x", "y"} <= set(value):
        value = [value["x"], value["y"]]
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value)):
        return list(value)
    return None


def _flat(points: Sequence[Any]) -> list[Any] | None:
    """Points as x, y, x, y, ...; None where they are something else, or fewer than three."""
    pairs = [_point(value) for value in points]
    if len(pairs) < 3 or None in pairs:
        return None
    return [value for pair in pairs if pair is not None for value in pair]


def _is_outline(part: Any) -> bool:
    return (
        isinstance(part, (list, tuple))
        and len(part) >= 6
        and len(part) % 2 == 0
        and all(map(_is_number, part))
    )


def mended_polygon(value: Any, where: str, notes: Gathering) -> Any:
    """The outlines of a polygon that can be read; None where it has parts and none of them can.

    A flat list and lists of points become outlines; parts that are none are left out.
    What is no list at all is left to the reader to refuse.
    """
    if not isinstance(value, (list, tuple)) or not value:
        return value
    if _is_outline(value):
        notes.add("a polygon that is a flat list is read as one outline", where)
        return [value]
    one = _flat(value)
    if one is not None:
        notes.add("a polygon that is a list of points is read as one outline", where)
        return [one]
    kept = []
    for i, part in enumerate(value):
        points = _flat(part) if isinstance(part, (list, tuple)) else None
        if _is_outline(part):
            kept.append(part)
        elif points is not None:
            notes.add("an outline that is a list of points is read", f"{where}[{i}]")
            kept.append(points)
        else:
            notes.add("an outline that is not three points or more, of numbers, is left out", f"{where}[{i}]")
    return kept or None


def mended_box(value: Any, where: str, notes: Gathering) -> Any:
    """A box as a list of numbers: from an object with x, y, width, height, or from numbers that are texts."""
    if isinstance(value, dict):
        for names in (("x", "y", "width", "height"), ("x", "y", "w", "h")):
            if set(names) <= set(value):
                notes.add("a box that is an object with x, y, width, height is read", where)
                value = [value[name] for name in names]
                break
    if isinstance(value, (list, tuple)) and any(isinstance(side, str) for side in value):
        try:
            numbers = [float(side) if isinstance(side, str) else side for side in value]
        except ValueError:
            return value
        notes.add("numbers of a box that are written as texts are read", where)
        return numbers
    return value


def mended_rle(value: Any, where: str, notes: Gathering) -> Any:
    """A run-length mask whose list of runs ends before the image does: what is behind is outside."""
    if not isinstance(value, dict):
        return value
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, (list, tuple)) or not isinstance(counts, (list, tuple)):
        return value
    if not counts or any(type(n) is not int or n < 0 for n in (*size, *counts)) or len(size) != 2:
        return value
    missing = size[0] * size[1] - sum(counts)
    if missing <= 0:
        return value
    notes.add("run lengths that end early are read, and the rest is outside", f"{where}.counts")
    whole = [*counts, 0] if len(counts) % 2 == 0 else list(counts)
    whole[-1] += missing
    return {"size": size, "counts": whole}


def mended_score(value: Any, where: str, notes: Gathering) -> float:
    """A score; what rounding has made of 0 or 1 is 0 or 1.

    Raises:
        SdcError: ``E_OBJECTS``.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise objects_error(where, "must be a number from 0 to 1") from None
        notes.add("a score that is written as a text is read", where)
    if _is_number(value) and (-SLACK <= value < 0 or 1 < value <= 1 + SLACK):
        notes.add(f"a score just beyond {0 if value < 0 else 1} is taken for it", where)
        return 0.0 if value < 0 else 1.0
    return number(value, where, 0, 1)


def mended_text(value: Any, where: str, most: int, notes: Gathering) -> str:
    """A text, cut where it is too long; numbers are written out.

    Raises:
        SdcError: ``E_OBJECTS``.
    """
    if _is_number(value):
        notes.add("a number is taken as a text", where)
        value = str(value)
    if isinstance(value, str) and len(value) * 4 > most:
        whole = value.encode("utf-8", "surrogatepass")
        if len(whole) > most:
            notes.add(f"a text is cut to {most} bytes", where)
            value = whole[:most].decode("utf-8", "ignore")
    return checked_text(value, where, most)


def mended_level(value: Any, where: str, notes: Gathering) -> Level | None:
    """A level in one of the ways of :class:`..types.Level`; None where it is to be worked out."""
    if value is None or value in LEVELS:
        return None if value is None else Level(value)
    try:
        level = Level(value)
    except (ValueError, TypeError):
        notes.add(f"a level that is none of {', '.join(LEVELS)} is left out and worked out", where)
        return None
    notes.add(f"a level that is not written as one of {', '.join(LEVELS)} is read", where)
    return level
