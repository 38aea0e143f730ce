"""A chunk as it is found in a file: whole or cut off, its CRC right or wrong (spec section "Chunk")."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import SdcError
from ..types import Limits
from .chunks import CRC_SIZE, SMALLEST_CHUNK, right_crc
from .fields import decode_varint
from .grps import COMPLETE, DAMAGED, TRUNCATED
from .source import Reader


@dataclass(frozen=True)
class Found:
    """A chunk as found.

    Attributes:
        header: bytes of its type and length.
        data: the whole chunk, or what is there of it.
        whole: whether the file does not end within it.
        good: whether its CRC is right.
    """

    type: int
    offset: int
    header: int
    data: bytes
    whole: bool
    good: bool

    @property
    def payload(self) -> bytes:
        """Its payload, when it is whole."""
        return self.data[self.header : -CRC_SIZE]

    @property
    def payload_offset(self) -> int:
        """Offset of the payload in the file."""
        return self.offset + self.header

    @property
    def end(self) -> int:
        """First byte after it."""
        return self.offset + len(self.data)

    @property
    def state(self) -> str:
        """``complete``, ``damaged`` or ``truncated``."""
        return COMPLETE if self.good else DAMAGED if self.whole else TRUNCATED


def read_chunk(reader: Reader, at: int, limits: Limits) -> Found:
    """Read the chunk at an offset, whatever is wrong with it; one whose length is no varint is damaged.

    Raises:
        SdcError: ``E_LIMIT`` when it is whole and too large for the caller.
    """
    head = reader.at(at, SMALLEST_CHUNK)
    kind = head[0] if head else 0
    try:
        length, used = decode_varint(head, 1, at)
    except IndexError:
        return Found(kind, at, 0, head, False, False)
    except SdcError:
        return Found(kind, at, 0, b"", True, False)
    size = used + length + CRC_SIZE
    if length > limits.chunk_bytes:
        if at + size > reader.size:
            return Found(kind, at, used, head, False, False)
        raise SdcError("E_LIMIT", f"a chunk of {length} bytes", offset=at + 1)
    data = reader.at(at, size)
    whole = len(data) == size
    return Found(kind, at, used, data, whole, whole and right_crc(data))
