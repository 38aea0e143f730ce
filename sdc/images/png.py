"""Chunks of PNG files (third edition): what they say about samples and colours, and which are damaged."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ..colour.spaces import Primaries
from ..errors import SdcError
from ..format.colr import SRGB, CodePoints
from ..notes import Notes
from .facts import Facts, Measured, Tagged
from .kinds import PNG_MAGIC

GREY, RGB = 0, 2
"""Types of colour that may have one transparent value."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_XMP = b"XML:com.adobe.xmp"
MOST_INFLATED = 1 << 20
"""Bytes of an inflated chunk that Pillow allows."""

DEFLATE_RATIO = 1032
"""Bytes that a byte of deflate stands for, at most (RFC 1951: 258 bytes by two bits)."""


@dataclass(frozen=True)
class _Chunk:
    """A chunk, where it stands, and whether its CRC is right."""

    kind: bytes
    start: int
    data: bytes
    sound: bool

    @property
    def critical(self) -> bool:
        return not self.kind[0] & 32

    @property
    def name(self) -> str:
        return self.kind.decode("latin-1")


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Chunks up to IEND, or to the first that is cut off."""
    place = len(PNG_MAGIC)
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + size
        if end + 4 > len(data):
            return
        kind = data[place + 4 : place + 8]
        crc = zlib.crc32(data[place + 4 : end])
        yield _Chunk(kind, place, data[place + 8 : end], crc == int.from_bytes(data[end : end + 4], "big"))
        if kind == b"IEND":
            return
        place = end + 4


def png_facts(data: bytes, notes: Notes) -> Facts:
    """What a PNG file says of itself; chunks that are damaged and not needed are left out.

    Raises:
        SdcError: ``E_PICTURE`` where what is needed is damaged, cut off, or less than the image takes.
    """
    chunks = list(_chunks(data))
    if not chunks or chunks[0].kind != b"IHDR" or len(chunks[0].data) != 13:
        raise SdcError("E_PICTURE", "the PNG is cut off or damaged in its header")
    _check_critical(data, chunks)
    facts = Facts(_without_damaged(data, chunks, notes))
    facts.data = _without_text(facts.data)
    found = {chunk.kind: chunk.data for chunk in reversed(chunks) if chunk.sound}
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0].data[:10])
    facts.bits = bits
    packed = sum(len(chunk.data) for chunk in chunks if chunk.kind == b"IDAT")
    needed = height * (1 + (width * _CHANNELS.get(kind, 1) * bits + 7) // 8)
    if needed > DEFLATE_RATIO * (packed + 64) and not chunks[0].data[12]:
        raise SdcError("E_PICTURE", f"{packed} bytes of data cannot hold {width} x {height} pixels")
    _transparency(found.get(b"tRNS"), kind, bits, facts)
    _colours(found, facts, notes)
    return facts


def _check_critical(data: bytes, chunks: list[_Chunk]) -> None:
    """Refuse a file of which something that is needed is damaged or missing."""
    for chunk in chunks:
        if chunk.critical and not chunk.sound:
            raise SdcError(
                "E_PICTURE", f"the PNG is damaged: the CRC of {chunk.name} is wrong", f"byte {chunk.start}"
            )
    if not any(chunk.kind == b"IDAT" for chunk in chunks):
        raise SdcError(
            "E_PICTURE", f"the PNG is truncated: it ends before its data does, after {len(data)} bytes"
        )


def _without_damaged(data: bytes, chunks: list[_Chunk], notes: Notes) -> bytes:
    """The file without ancillary chunks whose CRC is wrong, each of which is said."""
    damaged = [chunk for chunk in chunks if not chunk.sound]
    for chunk in damaged:
        notes.add(f"the CRC of the chunk {chunk.name} is wrong, and it is left out")
    for chunk in reversed(damaged):
        data = data[: chunk.start] + data[chunk.start + 12 + len(chunk.data) :]
    if chunks[-1].kind == b"IEND":
        return data
    end = chunks[-1].start + 12 + len(chunks[-1].data) - sum(12 + len(c.data) for c in damaged)
    cut = data[end + 4 : end + 8]
    if len(cut) == 4 and cut != b"IEND" and not cut[0] & 32:
        raise SdcError("E_PICTURE", f"the PNG is truncated: it ends in its data, after {len(data)} bytes")
    notes.add("the end of the PNG is missing")
    return data[:end] + b"\0\0\0\0IEND\xae\x42\x60\x82"


def _without_text(data: bytes) -> bytes:
    """The file without texts other than XMP, and without a profile that inflates to more than Pillow allows.

    Pillow refuses the whole file where one of them is large.
    """
    parts, place = [], 0
    for chunk in _chunks(data):
        text = chunk.kind in (b"tEXt", b"zTXt") or (chunk.kind == b"iTXt" and not chunk.data.startswith(_XMP))
        if text or (chunk.kind == b"iCCP" and len(_inflated(chunk.data) or b"") > MOST_INFLATED):
            parts.append(data[place : chunk.start])
            place = chunk.start + 12 + len(chunk.data)
    return b"".join([*parts, data[place:]]) if parts else data


def _transparency(trns: bytes | None, kind: int, bits: int, facts: Facts) -> None:
    """The transparent value of greys of less than 8 bits, and of 16-bit colours.

    Raises:
        SdcError: ``E_PICTURE`` for the latter: of the samples only the upper 8 bits are left to compare.
    """
    if trns is None or len(trns) < (6 if kind == RGB else 2):
        return
    if kind == GREY and bits < 8:
        value = int.from_bytes(trns[:2], "big") & ((1 << bits) - 1)
        facts.clear = value * 255 // ((1 << bits) - 1)
    if kind == RGB and bits == 16:
        raise SdcError(
            "E_PICTURE", "16-bit colours with a transparent one are not read; convert the image to RGBA"
        )


def _colours(found: dict[bytes, bytes], facts: Facts, notes: Notes) -> None:
    """Claims in the order of PNG: cICP, iCCP, sRGB, gAMA with cHRM."""
    cicp = found.get(b"cICP")
    if cicp is not None and len(cicp) == 4 and cicp[2] == 0:
        facts.above = Tagged(CodePoints(cicp[0], cicp[1]), "cICP")
        if cicp[3] == 0:
            raise SdcError("E_PICTURE", "samples of narrow range (cICP) are not read; make it the full one")
    elif cicp is not None:
        notes.add("the chunk cICP is damaged and is left out")
    if b"iCCP" in found:
        facts.profile = _inflated(found[b"iCCP"]) or b""
    if b"sRGB" in found:
        facts.below.append(Tagged(SRGB, "sRGB"))
        return
    gamma = int.from_bytes(found.get(b"gAMA", b"")[:4], "big")
    primaries = _primaries(found.get(b"cHRM"), notes)
    if b"gAMA" in found and not 1000 <= gamma <= 1_000_000:
        notes.add(f"a gamma of {gamma / 100000:g} (gAMA) makes no sense and is left out")
        gamma = 0
    if gamma or primaries:
        source = "gAMA and cHRM" if gamma and primaries else "gAMA" if gamma else "cHRM"
        facts.below.append(Measured(100000 / gamma if gamma else 2.2, primaries, source))


def _inflated(iccp: bytes) -> bytes | None:
    """The profile of iCCP, ``None`` where it does not inflate."""
    _, _, rest = iccp.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(rest[1:], 1 << 26) if rest[:1] == b"\0" else None
    except zlib.error:
        return None


def _primaries(chrm: bytes | None, notes: Notes) -> Primaries | None:
    if chrm is None:
        return None
    numbers = [n / 100000 for n in struct.unpack(">8I", chrm)] if len(chrm) == 32 else []
    if len(numbers) != 8 or not all(0 < y <= 1 for y in numbers[1::2]) or max(numbers) > 1:
        notes.add("chromaticities (cHRM) that make no sense are left out")
        return None
    white, red, green, blue = (numbers[k : k + 2] for k in range(0, 8, 2))
    return (*white, *red, *green, *blue)
