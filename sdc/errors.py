"""The exceptions of this package, and the table of their codes (``spec/errors.json``)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def spec_data(name: str) -> Any:
    """A parsed JSON file of the specification, such as ``errors.json``."""
    return json.loads(files("sdc_spec").joinpath(name).read_text("utf-8"))


@cache
def error_table() -> dict[str, dict[str, Any]]:
    """Rows of the error table by code."""
    return {row["code"]: row for row in spec_data("errors.json")["errors"]}


class SdcError(Exception):
    """Anything that keeps a stream, an image or a model from being used.

    ``SdcError("E_USAGE")`` is a :class:`UsageError`: the code's class in the error table decides.

    Attributes:
        code: a code of the error table, such as ``E_HEAD_CRC``.
        message: what is wrong, in words; the table's own words by default.
        where: a byte offset or the path of a field, in words; may be empty.
        offset: byte offset in the file, where there is one.
    """

    def __new__(cls, code: str, *_: Any, **__: Any) -> SdcError:
        """An error of the subclass that the code belongs to."""
        right = _CLASSES[str(error_table()[code]["class"])]
        if not issubclass(right, cls):
            raise TypeError(f"{code} is the code of a {right.__name__}, not of a {cls.__name__}")
        return super().__new__(right)

    def __init__(self, code: str, message: str = "", where: str = "", offset: int | None = None):
        self.code = code
        self.message: str = message or str(error_table()[code]["name"])
        self.offset = offset
        self.where: str = where or (f"byte {offset}" if offset is not None else "")
        super().__init__(str(self))

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" + (f" ({self.where})" if self.where else "")

    def __reduce__(self) -> tuple[type[SdcError], tuple[str, str, str, int | None]]:
        """What makes it anew in another process."""
        return type(self), (self.code, self.message, self.where, self.offset)

    @property
    def kind(self) -> str:
        """Class of the error: ``invalid``, ``unsupported``, ``partial``, ``usage``, ``input`` or ``io``."""
        return str(error_table()[self.code]["class"])

    @property
    def exit_status(self) -> int:
        """Exit status of a command that ends with this error."""
        return int(spec_data("errors.json")["exit_status"][self.kind])

    def as_dict(self) -> dict[str, Any]:
        """For JSON reports."""
        return {"code": self.code, "message": self.message, "where": self.where, "offset": self.offset}


class InvalidError(SdcError):
    """The stream breaks a rule of the format."""


class UnsupportedError(SdcError):
    """The stream may be valid, but asks for something that this decoder does not have or allow."""


class PartialError(SdcError):
    """A part of the stream is cut off, damaged or withdrawn."""


class UsageError(SdcError):
    """An argument, an image or a file of objects cannot be used."""


class InputError(SdcError):
    """There is no such file."""


class IoError(SdcError):
    """A file could not be read or written."""


_CLASSES: dict[str, type[SdcError]] = {
    "invalid": InvalidError,
    "unsupported": UnsupportedError,
    "partial": PartialError,
    "usage": UsageError,
    "input": InputError,
    "io": IoError,
}
