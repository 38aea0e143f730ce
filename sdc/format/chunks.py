"""Chunk types and their numbers, and a chunk kept byte for byte (spec section "Container")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from .fields import encode_varint

MAGIC = b"\xd3SDC"
VERSION = 0x10
HEAD, GRPS, MASK, LATN = 0x01, 0x02, 0x03, 0x04
OBJS, PROV, ICCP = 0x81, 0x82, 0xC1

NAMES = {
    HEAD: "HEAD",
    GRPS: "GRPS",
    MASK: "MASK",
    LATN: "LATN",
    OBJS: "OBJS",
    PROV: "PROV",
    ICCP: "ICCP",
}


ANCILLARY, SAFE_TO_COPY = 0x80, 0x40

FEATURES = 0
"""Required-feature bits this reader knows: none."""


SMALLEST_CHUNK = 6
ICC_BYTES = (128, 1 << 20)


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


def build_chunk(kind: int, payload: bytes, seed: bytes = b"") -> bytes:
    """Bytes of a chunk; ``seed`` goes before the CRC of a latent chunk."""
    body = bytes([kind]) + encode_varint(len(payload)) + payload
    return body + zlib.crc32(seed + body).to_bytes(4, "little")
