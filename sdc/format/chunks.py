"""Chunk types and their number, and a chunk kept byte for byte (spec section "Container")."""

from __future__ import annotations

import zlib
from collections.abc import Container
from dataclasses import dataclass, field

from ..errors import SdcError, spec_data
from .fields import encode_varint

MAGIC = b"\xd3SDC"
VERSION = 0x10
CRC_SIZE = 4
"""Bytes of the CRC of a header, a chunk or a group's data."""
SMALLEST_CHUNK = 6
ANCILLARY, SAFE_TO_COPY = 0x80, 0x40
_ENTRIES = spec_data("registry.json")["chunk_types"]["entries"]
NAMES: dict[int, str] = {row["type"]: row["name"] for row in _ENTRIES}
ONCE = frozenset(row["type"] for row in _ENTRIES if row["second"] == "E_CHUNK_DUPLICATE")
"""Types of which a second chunk is an error (CHNK-08)."""

_NUMBERS = {name: number for number, name in NAMES.items()}
OBJS, PROV, EXIF, XMPP, REST, ICCP, COLR = (
    _NUMBERS[name] for name in ("OBJS", "PROV", "EXIF", "XMPP", "REST", "ICCP", "COLR")
)


def check_type(kind: int, seen: Container[int], offset: int) -> None:
    """Check the type of a chunk whose CRC is right (CHNK-05 to CHNK-08).

    Args:
        kind: its type.
        seen: types of the right chunks in front of it.
        offset: of the chunk in the file.

    Raises:
        SdcError: ``E_CHUNK_DUPLICATE`` or ``E_CHUNK_CRITICAL``.
    """
    if kind in ONCE and kind in seen:
        raise SdcError("E_CHUNK_DUPLICATE", f"a second {NAMES[kind]}", offset=offset)
    if not kind & ANCILLARY and kind not in NAMES:
        raise SdcError("E_CHUNK_CRITICAL", f"unknown critical chunk type 0x{kind:02X}", offset=offset)


@dataclass(frozen=True)
class Chunk:
    """A chunk kept byte for byte."""

    type: int
    payload: bytes = field(repr=False)
    offset: int = 0

    @property
    def name(self) -> str:
        """Name of the chunk type, or its number in hex."""
        return NAMES.get(self.type, f"0x{self.type:02X}")

    @property
    def size(self) -> int:
        """Bytes of the whole chunk."""
        return 1 + len(encode_varint(len(self.payload))) + len(self.payload) + 4

    @property
    def payload_offset(self) -> int:
        """Offset of the payload in the file."""
        return self.offset + 1 + len(encode_varint(len(self.payload)))


def right_crc(data: bytes, seed: bytes = b"") -> bool:
    """Whether some bytes end with the CRC of those in front of it, behind a seed."""
    found = int.from_bytes(data[-CRC_SIZE:], "little")
    return zlib.crc32(memoryview(data)[:-CRC_SIZE], zlib.crc32(seed)) == found


def with_crc(body: bytes, seed: bytes = b"") -> bytes:
    """Some bytes and their CRC, which begins with a seed."""
    return body + zlib.crc32(body, zlib.crc32(seed)).to_bytes(CRC_SIZE, "little")


def build_chunk(kind: int, payload: bytes) -> bytes:
    """Bytes of a chunk."""
    return with_crc(bytes([kind]) + encode_varint(len(payload)) + payload)
