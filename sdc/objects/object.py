"""An object: a named thing in an image."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from ..types import LEVELS

Bools = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]
OTHER = LEVELS.index("other")


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
            raise objects_error("box", f"must be four whole numbers, not {self.box!r}") from None
        if min(x, y) < 0 or min(width, height) < 1:
            raise objects_error("box", f"not a box inside a picture: {self.box}")
        if self.level is not None and self.level not in range(OTHER + 1):
            raise objects_error("level", f"must be 0 for L1 to 3 for other, not {self.level!r}")
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


def objects_error(where: str, message: str) -> SdcError:
    """``E_OBJECTS`` at a field."""
    return SdcError("E_OBJECTS", message, where)
