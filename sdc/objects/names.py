"""Which entry of a list of images is meant by the name of a file."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

NEAR = 3
"""Names that an error shows."""

NEIGHBOURS = 500
"""Names before and behind another in their order, among which those near to it are looked for."""

_PREFIX = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of a file that is uploaded."""

_ROBOFLOW = re.compile(r"^(.+)_(jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9a-z]+$", re.IGNORECASE)
"""What Roboflow makes of the name of a file."""


class Name(NamedTuple):
    """A file's name in the forms by which it is compared.

    Attributes:
        parts: of the path; separators of Windows count too.
        tail: the last part, in lower case.
        stem: the tail without its suffix.
        bare: the stem without what annotation tools put before or behind it.
    """

    parts: tuple[str, ...]
    tail: str
    stem: str
    bare: str


def name_of(text: str) -> Name:
    """The forms of a file's name, a path or the URL of a file."""
    if "?d=" in text:  # a local file of Label Studio
        text = unquote(text.split("?d=", 1)[1])
    elif "://" in text:
        text = unquote(urlsplit(text).path)
    text = unicodedata.normalize("NFC", text).replace("\\", "/")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    last = parts[-1] if parts else ""
    stem = stem_of(last).casefold()
    return Name(parts, last.casefold(), stem, _bare(stem))


def stem_of(part: str) -> str:
    """The last part of a path without its suffix."""
    head, dot, _ = part.rpartition(".")
    return head if dot and head else part


def _bare(stem: str) -> str:
    found = _ROBOFLOW.match(stem)
    return _PREFIX.sub("", unquote(found[1] if found else stem))


def common_tail(one: Sequence[str], two: Sequence[str]) -> int:
    """How many of the last parts of two paths are the same."""
    count = 0
    for a, b in zip(reversed(one), reversed(two), strict=False):
        if a != b:
            break
        count += 1
    return count


def nearest(wanted: Name, found: Collection[tuple[int, Name]], same: str) -> list[tuple[int, Name]]:
    """Of entries with one form in common with the name wanted, those whose folders agree best.

    Args:
        wanted: the name that is looked for.
        found: places in the list and names.
        same: ``tail`` where whole last parts are compared, else ``stem``: then only the folders are.
    """

    def agree(name: Name) -> int:
        cut = None if same == "tail" else -1
        return common_tail(wanted.parts[:cut], name.parts[:cut])

    best = max((agree(name) for _, name in found), default=0)
    return [(place, name) for place, name in found if agree(name) == best]


def near_names(wanted: str, names: Collection[str]) -> str:
    """In words: the names that are there and most like the one that is not."""
    ordered = sorted(names)
    at = bisect_left(ordered, wanted)
    around = ordered[max(at - NEIGHBOURS, 0) : at + NEIGHBOURS]
    shown = get_close_matches(wanted, around, NEAR, 0.4) or ordered[:NEAR]
    if not shown:
        return "it names none"
    more = ", ..." if len(ordered) > len(shown) else ""
    return f"there are {', '.join(repr(name) for name in shown)}{more}"
