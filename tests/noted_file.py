"""A file that notes what is read of it."""

from __future__ import annotations

import io


class Noted(io.BytesIO):
    """Bytes as a file.

    Attributes:
        reads: offset and size of every read.
    """

    def __init__(self, data: bytes):
        super().__init__(data)
        self.reads: list[tuple[int, int]] = []

    def read(self, size: int | None = -1, /) -> bytes:
        at = self.tell()
        data = super().read(size)
        self.reads.append((at, len(data)))
        return data

    def taken(self) -> list[tuple[int, int]]:
        """What was read since the last call."""
        reads, self.reads = self.reads, []
        return reads

    @property
    def seen(self) -> set[int]:
        """Offsets of all bytes that were read."""
        return {place for at, size in self.reads for place in range(at, at + size)}
