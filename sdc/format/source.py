"""Ranged reading of what a stream comes from: bytes or a seekable binary reader."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ..errors import SdcError
from ..paths import PathLike, open_file

Source = bytes | bytearray | memoryview | npt.NDArray[np.uint8] | BinaryIO | io.RawIOBase
Readable = Source | PathLike
"""What a stream is read from: a path, bytes, or a seekable binary file."""


@contextmanager
def opened(source: Readable) -> Iterator[Source]:
    """What stands at a path, which is closed in the end; bytes and files as they are.

    Raises:
        SdcError: as :func:`sdc.paths.open_file`.
    """
    if isinstance(source, (str, os.PathLike)):
        with open_file(source) as file:
            yield file
    else:
        yield source


class Reader:
    """Reads ranges of a source, whole even where the source gives them in parts.

    Attributes:
        held: whether the source is bytes, of which none need be fetched.
        size: bytes of the source.

    Raises:
        SdcError: ``E_USAGE`` for what is no source.
    """

    def __init__(self, source: Source):
        wrong = SdcError(
            "E_USAGE", f"a stream is bytes or a seekable binary reader, not {type(source).__name__}"
        )
        self.held = not hasattr(source, "seek")
        self.file: BinaryIO
        if not self.held:
            self.file = cast(BinaryIO, source)
        elif isinstance(source, bytes):
            self.file = io.BytesIO(source)
        else:
            try:
                view = memoryview(cast(bytearray, source))
            except TypeError:
                raise wrong from None
            if not (view.ndim == view.itemsize == 1 and view.contiguous):
                raise SdcError("E_USAGE", "bytes of a stream that are an array lie in one row without gaps")
            self.file = io.BytesIO(view)
        if isinstance(source, io.TextIOBase):
            raise wrong
        try:
            end = cast("int | None", self.file.seek(0, io.SEEK_END))
        except io.UnsupportedOperation:
            raise wrong from None
        self.size = self.file.tell() if end is None else end  # mmap has given no place before Python 3.13

    def at(self, offset: int, size: int) -> bytes:
        """``size`` bytes from ``offset`` on, fewer only where the file ends.

        Raises:
            SdcError: ``E_IO`` when the source has nothing to give although it has not ended.
        """
        size = max(0, min(size, self.size - offset))  # a promise is not allocated (LIMT-01)
        if getattr(self.file, "closed", False):
            raise SdcError("E_USAGE", "the file is closed, and this part of it has not been read")
        self.file.seek(offset)
        parts: list[bytes] = []
        while size:
            part = self.file.read(size)
            if not part:
                raise SdcError("E_IO", "the source ends before the size it stated", offset=offset)
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
