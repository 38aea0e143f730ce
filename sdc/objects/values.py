"""Checked values of JSON documents, and the frame of the image that they describe."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from .gathering import Gathering
from .kin import kin_of_bytes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Box = tuple[int, int, int, int]

# Guards against files that ask for more memory than any real one.
MAX_NUMBER = 10**9


def objects_error(where: str, message: str) -> SdcError:
    """``E_OBJECTS`` at a field."""
    return SdcError("E_OBJECTS", message, where)


def not_json(message: str, where: str, start: bytes = b"") -> SdcError:
    """``E_OBJECTS`` for a file that is no JSON, with what it is where its first bytes tell."""
    kin = kin_of_bytes(start) if start else None
    return objects_error(where, f"not JSON: {message}" if kin is None else f"not JSON but {kin}")


def parse_json(text: bytes, where: str) -> Any:
    """What the JSON of a file says.

    Raises:
        SdcError: ``E_OBJECTS``.
    """
    if not text.strip():
        raise objects_error(where, "the file is empty")
    try:
        return json.loads(text)
    except RecursionError:
        raise objects_error(where, "the JSON is nested too deeply") from None
    except ValueError as error:  # bad JSON, bad UTF-8, integers of thousands of digits
        raise not_json(str(error), where, text[:4096]) from None


def number(value: Any, where: str, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> float:
    """A finite number within bounds, as a float."""
    # The comparison also refuses NaN, infinities and integers too large for a float.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise objects_error(where, f"must be a number from {low:g} to {high:g}")
    return float(value)


def number_list(value: Any, where: str) -> Floats:
    """A list of numbers, float64."""
    if not isinstance(value, (list, tuple)):
        raise objects_error(where, "must be a list of numbers")
    return np.array([number(item, f"{where}[{i}]") for i, item in enumerate(value)], np.float64)


def integer(value: Any, where: str, low: int, high: int) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not low <= value <= high:
        raise objects_error(where, f"must be a whole number from {low} to {high}")
    return value


def checked_text(value: Any, where: str, most: int) -> str:
    """A text of at most some bytes of UTF-8."""
    if not isinstance(value, str):
        raise objects_error(where, "must be a text")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise objects_error(where, "holds half of a surrogate pair, which is no character") from None
    if size > most:
        raise objects_error(where, f"must be at most {most} bytes of UTF-8, is {size}")
    return value


def dict_list(value: Any, where: str) -> list[dict[str, Any]]:
    """A list of objects of JSON."""
    if not isinstance(value, (list, tuple)):
        raise objects_error(where, "must be a list")
    for i, item in enumerate(value):
        if not isinstance(item, dict):
            raise objects_error(f"{where}[{i}]", "must be an object of JSON")
    return list(value)


@dataclass(frozen=True)
class Frame:
    """An image's size, and the factors from an objects file's coordinates to pixels.

    Attributes:
        stated: width and height of the image that the file says it is for, or None.
    """

    width: int
    height: int
    scale: tuple[float, float] = (1.0, 1.0)
    stated: tuple[int, int] | None = None

    def described_by(self, data: dict[str, Any], at: str, notes: Gathering) -> Frame:
        """The same image for a file that may state another width and height."""
        if "width" not in data and "height" not in data:
            return self
        sides = [_side(data.get(name), f"{at}{name}", notes) for name in ("width", "height")]
        width, height = sides
        if width is None or height is None:
            notes.add("no size is stated, and that of this image is taken", f"{at}width, {at}height")
            return self
        self.refuse_turned(width, height, f"{at}width")
        self.note_ratio(width, height, f"{at}width", notes)
        return replace(self, scale=(self.width / width, self.height / height), stated=(width, height))

    def of_shares(self) -> Frame:
        """The same image where coordinates are shares of its width and height."""
        return replace(self, scale=(float(self.width), float(self.height)))

    def refuse_turned(self, width: int, height: int, where: str) -> None:
        """Refuse a frame that is this one turned by 90 degrees."""
        # Scaling would give plausible boxes in wrong places, so the commonest mistake is caught.
        if (width, height) == (self.height, self.width) and width != height:
            raise objects_error(
                where,
                f"the objects are for an image of {width}x{height}, this one is {self.width}x{self.height}:"
                " turned by its EXIF orientation?",
            )

    def note_ratio(self, width: int, height: int, where: str, notes: Gathering) -> None:
        """Say that a frame is not this one scaled: its sides have another ratio, beyond rounding."""
        across, down = width / self.width, height / self.height
        if abs(across - down) * max(self.width, self.height) > 1:
            notes.add(
                f"the objects are for an image of {width}x{height}, whose sides have another ratio than "
                f"{self.width}x{self.height}; they are stretched, and displaced if that one had borders",
                where,
            )


def _side(value: Any, where: str, notes: Gathering) -> int | None:
    """A width or a height that a file states; None where it is none."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) < 10:
        notes.add("a side that is written as a text is read", where)
        value = int(value)
    elif isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is int and 1 <= value <= MAX_NUMBER:
        return value
    return None
