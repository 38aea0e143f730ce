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
_SEEN = frozenset({b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"eXIf"})
_TEXTS, _KEPT_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"}), (b"XML:com.adobe.xmp\0", b"Raw profile type ")
"""What Pillow is to see: what pixels need, EXIF and XMP."""
_LENGTHS = {b"cICP": (4,), b"sRGB": (1,), b"gAMA": (4,), b"cHRM": (32,), b"acTL": (8,)}
_OF_TRNS = {GREY: range(2, 3), RGB: range(6, 7), 3: range(1, 257)}
"""Lengths of tRNS by type of colour."""

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
    used = [chunk for chunk in chunks if _is_usable(chunk, chunks[0].data[9], notes)]
    facts = Facts(_joined(data, chunks, used, notes))
    found = {chunk.kind: chunk.data for chunk in reversed(used)}
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0].data[:10])
    facts.bits = bits
    packed = sum(len(chunk.data) for chunk in chunks if chunk.kind == b"IDAT")
    needed = height * (1 + (width * _CHANNELS.get(kind, 1) * bits + 7) // 8)
    if needed > DEFLATE_RATIO * (packed + 64) and not chunks[0].data[12]:
        raise SdcError("E_PICTURE", f"{packed} bytes of data cannot hold {width} x {height} pixels")
    facts.frames = max(1, int.from_bytes(found.get(b"acTL", b"")[:4], "big"))
    _transparency(found.get(b"tRNS"), kind, bits, facts)
    _colours(found, facts, notes)
    return facts


def _check_critical(data: bytes, chunks: list[_Chunk]) -> None:
    """Refuse a file of which something that is needed is damaged or missing."""
    for chunk in chunks:
        if chunk.critical and not chunk.sound and chunk.kind != b"IEND":
            raise SdcError(
                "E_PICTURE", f"the PNG is damaged: the CRC of {chunk.name} is wrong", f"byte {chunk.start}"
            )
    if not any(chunk.kind == b"IDAT" for chunk in chunks):
        raise SdcError(
            "E_PICTURE", f"the PNG is truncated: it ends before its data does, after {len(data)} bytes"
        )


def _is_usable(chunk: _Chunk, colour: int, notes: Notes) -> bool:
    """Whether a chunk is whole, and has the length of its kind; if not, that is said.

    Args:
        colour: type of colour of the image.
    """
    if not chunk.sound:
        notes.add(f"the CRC of the chunk {chunk.name} is wrong, and it is left out")
    elif chunk.kind in _LENGTHS and len(chunk.data) not in _LENGTHS[chunk.kind]:
        notes.add(f"the chunk {chunk.name} has a wrong length and is left out")
    elif chunk.kind == b"tRNS" and len(chunk.data) not in _OF_TRNS.get(colour, range(0)):
        notes.add("the chunk tRNS has a wrong length and is left out")
    else:
        return True
    return False


def _joined(data: bytes, chunks: list[_Chunk], used: list[_Chunk], notes: Notes) -> bytes:
    """A file of those chunks that Pillow is to see; it refuses a file for many a flaw of the others.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off in its data.
    """
    last = chunks[-1]
    if last.kind != b"IEND":
        end = last.start + 12 + len(last.data)
        cut = data[end + 4 : end + 8]
        if len(cut) == 4 and cut != b"IEND" and not cut[0] & 32:
            raise SdcError("E_PICTURE", f"the PNG is truncated: it ends in its data, after {len(data)} bytes")
        notes.add("the end of the PNG is missing")
    seen = [c for c in used if c.kind in _SEEN or (c.kind in _TEXTS and c.data.startswith(_KEPT_TEXTS))]
    parts = [
        data[chunk.start : chunk.start + 12 + len(chunk.data)] for chunk in seen if chunk.kind != b"IEND"
    ]
    return b"".join([PNG_MAGIC, *parts, b"\0\0\0\0IEND\xae\x42\x60\x82"])


def _transparency(trns: bytes | None, kind: int, bits: int, facts: Facts) -> None:
    """The transparent value of greys of less than 8 bits, and of 16-bit colours.

    Raises:
        SdcError: ``E_PICTURE`` for the latter: of the samples only the upper 8 bits are left to compare.
    """
    if trns is None:
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
    if cicp is not None and cicp[2] == 0:
        facts.above = Tagged(CodePoints(cicp[0], cicp[1]), "cICP")
        if cicp[3] == 0:
            raise SdcError("E_PICTURE", "samples of narrow range (cICP) are not read; make it the full one")
    elif cicp is not None:
        notes.add("code points of no RGB (cICP) are left out")
    if b"iCCP" in found:
        facts.profile = _inflated(found[b"iCCP"]) or b""
    if b"sRGB" in found:
        facts.below.append(Tagged(SRGB, "sRGB"))
        return
    gamma = int.from_bytes(found.get(b"gAMA", b""), "big")
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
    numbers = [n / 100000 for n in struct.unpack(">8I", chrm)]
    if not all(0 < y <= 1 for y in numbers[1::2]) or max(numbers) > 1:
        notes.add("chromaticities (cHRM) that make no sense are left out")
        return None
    white, red, green, blue = (numbers[k : k + 2] for k in range(0, 8, 2))
    return (*white, *red, *green, *blue)
