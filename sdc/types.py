"""What every room shares: levels of importance, limits, array types, and the sizes that a stream can hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import SdcError, spec_data

CELL = 16
LEVELS = ("L1", "L2", "L3", "other")

LEVEL_CODES = {"1": 0, "2": 1, "3": 2, **{name.lower(): code for code, name in enumerate(LEVELS)}}
"""Code of each level by what a caller may call it, in lower case."""


@dataclass(frozen=True)
class Limits:
    """What a reader agrees to hold in memory; beyond it ``E_LIMIT`` (spec section "Limits")."""

    pixels: int = 1 << 28
    chunk_bytes: int = 1 << 30
    chunks: int = 4096
    """Ancillary chunks."""
    mask_pixels: int = 1 << 26
    """Pixels of all pixel masks of OBJS together."""


def level_code(level: int | str) -> int:
    """Code of a level that is given by code or name.

    Raises:
        SdcError: ``E_USAGE``.
    """
    if isinstance(level, str) and level.lower() in LEVEL_CODES:
        return LEVEL_CODES[level.lower()]
    if isinstance(level, int) and 0 <= level < len(LEVELS):
        return level
    raise SdcError("E_USAGE", f"a level is one of {', '.join(LEVELS)}, not {level!r}")


def level_codes(levels: Iterable[str] | None) -> list[int] | None:
    """Codes of levels by name: ``L1``, ``l1`` or ``1``, and so on; ``None`` when no levels are given.

    Raises:
        SdcError: ``E_USAGE``, also for numbers: 1 is L1 on the command line and L2 in GRPS.
    """
    if levels is None:
        return None
    if isinstance(levels, str) or not isinstance(levels, Iterable):
        raise SdcError("E_USAGE", f'levels are a list of names, such as ["L1"], not {levels!r}')
    codes = []
    for level in levels:
        if not isinstance(level, str):
            counted = isinstance(level, (int, np.integer)) and 1 <= level <= 3
            hint = f'; level {level:d} is "L{level:d}"' if counted else ""
            raise SdcError("E_USAGE", f"a level is one of the names {', '.join(LEVELS)}, not {level!r}{hint}")
        codes.append(level_code(level))
    return codes


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


Array = npt.NDArray[Any]
Pixels = npt.NDArray[np.uint8]


def largest(structure: str, field: str) -> int:
    """The largest value that the table of fields allows in a field."""
    rows = spec_data("fields.json")["structures"][structure]["fields"]
    return int(next(row["max"] for row in rows if row["name"] == field))


# What a stream can hold.
MAX_SIDE = largest("HEAD", "width")


MAX_OBJECTS = largest("OBJS", "count")
MAX_LABEL = largest("OBJECT", "label_length")
MAX_REASON = largest("OBJECT", "reason_length")
MAX_MASK_BYTES = largest("OBJECT", "mask_length")
Colour = tuple[int, int, int]
