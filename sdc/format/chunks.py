"""Chunk types, their order and their number, and a chunk kept byte for byte (spec section "Container")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from ..errors import SdcError, spec_data
from .fields import encode_varint

MAGIC = b"\xd3SDC"
VERSION = 0x10
SMALLEST_CHUNK = 6
ANCILLARY, SAFE_TO_COPY = 0x80, 0x40
_TABLE = spec_data("registry.json")["chunk_types"]
PLACES = tuple(place["name"] for place in _TABLE["places"])
"""Where a chunk may stand, in file order."""


@dataclass(frozen=True)
class ChunkType:
    """What the registry says about a chunk type.

    Attributes:
        name: such as ``HEAD``; empty when the type is not registered.
        stands: indices into :data:`PLACES`.
        once: whether a second one is an error.
    """

    name: str
    stands: tuple[int, ...]
    once: bool

    @classmethod
    def of(cls, row: dict[str, object], places: list[str]) -> ChunkType:
        """From a row of the registry."""
        name = str(row.get("name", ""))
        return cls(name, tuple(map(PLACES.index, places)), row["second"] == "E_CHUNK_DUPLICATE")


TYPES = {row["type"]: ChunkType.of(row, row["stands"]) for row in _TABLE["entries"]}
OTHER_TYPE = ChunkType.of(_TABLE["other"], _TABLE["other"]["stands"])
"""An ancillary type that is not registered."""

NAMES: dict[int, str] = {number: kind.name for number, kind in TYPES.items()}
_NUMBERS = {name: number for number, name in NAMES.items()}
HEAD, GRPS, MASK, LATN = (_NUMBERS[name] for name in ("HEAD", "GRPS", "MASK", "LATN"))
OBJS, PROV, ICCP = (_NUMBERS[name] for name in ("OBJS", "PROV", "ICCP"))


class Order:
    """Checks order and number of the chunks behind GRPS, as a reader meets them (CHNK-05 to CHNK-08)."""

    def __init__(self) -> None:
        self.place = PLACES.index("grps")
        self.seen = {HEAD, GRPS}

    def behind_latents(self) -> None:
        """Go on behind the last latent chunk."""
        self.place = PLACES.index("end")

    def admit(self, kind: int, offset: int) -> None:
        """Check the next chunk, whose CRC is right.

        Args:
            kind: its type.
            offset: of the chunk in the file.

        Raises:
            SdcError: ``E_CHUNK_DUPLICATE``, ``E_CHUNK_ORDER`` or ``E_CHUNK_CRITICAL``.
        """
        known = TYPES.get(kind, OTHER_TYPE)
        if known.once and kind in self.seen:
            raise SdcError("E_CHUNK_DUPLICATE", f"a second {known.name}", offset=offset)
        place = next((place for place in known.stands if place >= self.place), None)
        if place is None:
            raise SdcError("E_CHUNK_ORDER", f"{known.name} stands too late", offset=offset)
        if not kind & ANCILLARY and known is OTHER_TYPE:
            raise SdcError("E_CHUNK_CRITICAL", f"unknown critical chunk type 0x{kind:02X}", offset=offset)
        self.seen.add(kind)
        self.place = place


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


def build_chunk(kind: int, payload: bytes, seed: bytes = b"") -> bytes:
    """Bytes of a chunk; ``seed`` goes before the CRC of a latent chunk."""
    body = bytes([kind]) + encode_varint(len(payload)) + payload
    return body + zlib.crc32(seed + body).to_bytes(4, "little")
