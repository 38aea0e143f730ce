"""A chunk as it is found in a file: whole or cut off, its CRC right or wrong (spec section "Chunk")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from ..errors import SdcError
from ..types import Limits
from .chunks import NAMES, SMALLEST_CHUNK
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
        return self.data[self.header : -4]

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
    """Read the chunk at an offset, whatever is wrong with it.

    Raises:
        SdcError: ``E_VARINT`` for its length; ``E_LIMIT`` when it is whole and too large for the caller.
    """
    head = reader.at(at, SMALLEST_CHUNK)
    kind = head[0] if head else 0
    try:
        length, used = decode_varint(head, 1, at)
    except IndexError:
        return Found(kind, at, 0, head, False, False)
    if length > limits.chunk_bytes:
        if at + used + length + 4 > reader.size:
            return Found(kind, at, used, head, False, False)
        raise SdcError("E_LIMIT", f"a chunk of {length} bytes", offset=at + 1)
    data = reader.at(at, used + length + 4)
    whole = len(data) == used + length + 4
    good = whole and zlib.crc32(data[:-4]) == int.from_bytes(data[-4:], "little")
    return Found(kind, at, used, data, whole, good)


def read_tolerant(reader: Reader, at: int, limits: Limits) -> Found:
    """Like :func:`read_chunk`; a length that is no varint makes a damaged chunk (STAT-06)."""
    try:
        return read_chunk(reader, at, limits)
    except SdcError as error:
        if error.code != "E_VARINT":
            raise
        return Found(reader.at(at, 1)[0], at, 0, b"", True, False)


def read_required(chunk: Found, kind: int, size: int) -> Found:
    """The chunk, when it is HEAD, GRPS or MASK as wanted and right.

    Args:
        chunk: what stands in its place.
        kind: type that must stand there.
        size: bytes of the file.

    Raises:
        SdcError: ``E_TRUNCATED``, ``E_CHUNK_CRC`` or ``E_CHUNK_ORDER``.
    """
    name = NAMES[kind]
    if not chunk.whole:
        raise SdcError("E_TRUNCATED", f"the file ends within {name}", offset=size)
    if not chunk.good:
        raise SdcError(
            "E_CHUNK_CRC", f"CRC-32 of the chunk is wrong where {name} stands", offset=chunk.end - 4
        )
    if chunk.type != kind:
        raise SdcError("E_CHUNK_ORDER", f"{name} is missing", offset=chunk.offset)
    return chunk
