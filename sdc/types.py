"""What every room shares: levels of importance, limits, array types, and the sizes that a stream can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from operator import index
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .errors import SdcError, spec_data

CELL = 16


class Level(str, Enum):
    """How important a group or an object is.

    ``Level("L1")``, ``Level("l1")``, ``Level("1")``, ``Level(1)`` and ``Level(Level.L1)`` are the same.
    A level is also the text of its name, so that it can be compared with one, and written to JSON.
    Levels sort by importance, the most important first.

    Raises:
        ValueError: there is no such level.
    """

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    OTHER = "other"

    @classmethod
    def _missing_(cls, value: object) -> Level | None:
        """The level that a user means by a text or a number."""
        if isinstance(value, str):
            name = value.strip().casefold()
            return next(
                (level for level in cls if name in (level.value.lower(), level.value.lstrip("L"))), None
            )
        if isinstance(value, (bool, np.bool_)):
            return None
        try:
            number = index(value)  # type: ignore[arg-type]
        except TypeError:
            return None
        return next((level for level in (cls.L1, cls.L2, cls.L3) if level.value == f"L{number}"), None)

    @property
    def code(self) -> int:
        """The number that the head holds: 0 for L1 to 3 for other."""
        return LEVELS.index(self)

    def __str__(self) -> str:
        return self.value

    def __format__(self, format_spec: str) -> str:
        return format(self.value, format_spec)


LEVELS = tuple(Level)
"""All levels by their codes."""


def level_of(value: object) -> Level:
    """The level that a user has named in one of the ways of :class:`Level`.

    Raises:
        SdcError: ``E_USAGE``.
    """
    try:
        return Level(value)
    except ValueError:
        names = ", ".join(LEVELS)
        raise SdcError("E_USAGE", f"a level is one of {names}, or 1 to 3, not {value!r}") from None


LevelLike = Level | str | int
"""What :class:`Level` accepts."""


def levels_of(levels: LevelLike | Iterable[LevelLike] | None) -> list[Level] | None:
    """The levels that a user has named, one or several; ``None`` where none are given.

    One text may name several, with commas between.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if levels is None:
        return None
    if isinstance(levels, str):
        return [level_of(part) for part in levels.split(",")]
    if not isinstance(levels, Iterable):
        return [level_of(levels)]
    return [level_of(level) for level in levels]


@dataclass(frozen=True)
class Limits:
    """What a reader agrees to hold in memory; beyond it ``E_LIMIT`` (spec section "Limits")."""

    pixels: int = 1 << 28
    chunk_bytes: int = 1 << 30
    chunks: int = 4096
    """Ancillary chunks."""
    mask_pixels: int = 1 << 26
    """Pixels of all pixel masks of OBJS together."""


class Encoded(bytes):
    """A stream as bytes, with what there is to say about it.

    Attributes:
        missing: groups and chunks that were to be in it and are not, with the error of each.
        notes: what else the caller may want to know, in words.
    """

    missing: tuple[SdcError, ...]
    notes: tuple[str, ...]

    def __new__(cls, data: bytes, notes: Iterable[str] = (), missing: Iterable[SdcError] = ()) -> Encoded:
        """Bytes with notes."""
        made = super().__new__(cls, data)
        made.notes, made.missing = tuple(notes), tuple(missing)
        return made

    def __repr__(self) -> str:
        return f"<Encoded, {len(self)} bytes, {len(self.notes)} notes, {len(self.missing)} missing>"


Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


class HasPixels(Protocol):
    """What is an array by its interface, such as an image of Pillow."""

    @property
    def __array_interface__(self) -> dict[str, Any]: ...


ImageLike = Pixels | HasPixels
"""``uint8 [H, W, 3]`` RGB, an array or an image of Pillow in mode RGB."""


def largest(structure: str, field: str) -> int:
    """The largest value that the table of fields allows in a field."""
    rows = spec_data("fields.json")["structures"][structure]["fields"]
    return int(next(row["max"] for row in rows if row["name"] == field))


# What a stream can hold.
MAX_SIDE = largest("HEAD", "width")
MAX_OBJECTS = largest("OBJS", "count")
MAX_LABEL = largest("LABEL", "length")
MAX_REASON = largest("REASON", "length")
MAX_MASK_BYTES = 65535
"""Of one object (OBJS-15)."""
