"""Boxes of AVIF and JPEG 2000 files: what they say about samples and colours.

The boxes are those of ISO/IEC 14496-12 and 23008-12 (HEIF, MIAF) for AVIF, of ISO/IEC 15444-1 for JP2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction

from ..errors import SdcError
from ..format.colr import SRGB, CodePoints
from ..notes import Notes
from .av1 import code_points_of, frame_size, sequence_header
from .facts import Facts, Tagged

Box = tuple[bytes, bytes]
"""Type and content of a box."""

MOST_BOXES = 1 << 16


def _boxes(data: bytes, start: int = 0) -> Iterator[Box]:
    """Boxes in a row, up to the first that is cut off, which comes as far as it goes."""
    place, count = start, 0
    while place + 8 <= len(data) and count < MOST_BOXES:
        size, kind = struct.unpack_from(">I4s", data, place)
        head = 8
        if size == 1 and place + 16 <= len(data):
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        end = len(data) if size == 0 else place + size
        if end < place + head:
            return
        yield kind, data[place + head : end]
        place, count = end, count + 1


def _cut(data: bytes) -> bool:
    """Whether the last box of a file is cut off."""
    place = 0
    while place + 8 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(data[place + 8 : place + 16], "big")
        if size == 0:
            return False
        if size < 8:
            return False
        place += size
    return place > len(data)


def _first(boxes: Iterator[Box] | list[Box], kind: bytes) -> bytes | None:
    return next((content for found, content in boxes if found == kind), None)


def _u(data: bytes, place: int, size: int) -> int:
    return int.from_bytes(data[place : place + size], "big")


# --- AVIF -----------------------------------------------------------------------------------------
def _associated(iprp: bytes, item: int) -> list[Box]:
    """Properties of an item in their order."""
    parts = list(_boxes(iprp))
    properties = list(_boxes(_first(parts, b"ipco") or b""))
    found = []
    for kind, ipma in parts:
        if kind != b"ipma" or len(ipma) < 8:
            continue
        wide, long = ipma[0] > 0, bool(ipma[3] & 1)
        place = 8
        for _ in range(min(_u(ipma, 4, 4), MOST_BOXES)):
            size = 4 if wide else 2
            own, count = _u(ipma, place, size), _u(ipma, place + size, 1)
            place += size + 1
            for _ in range(count):
                index = _u(ipma, place, 2) & 0x7FFF if long else _u(ipma, place, 1) & 0x7F
                place += 2 if long else 1
                if own == item and 0 < index <= len(properties):
                    found.append(properties[index - 1])
    return found


def _item_types(iinf: bytes) -> set[bytes]:
    """Types of the items of a file."""
    entries = iinf[(6 if iinf[:1] == b"\0" else 8) :]
    return {
        infe[8:12] if infe[0] == 2 else infe[10:14]
        for kind, infe in _boxes(entries)
        if kind == b"infe" and infe[:1] in (b"\2", b"\3")
    }


def avif_facts(data: bytes, notes: Notes) -> Facts:
    """What an AVIF file says of itself.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off.
    """
    if _cut(data):
        raise SdcError("E_PICTURE", f"the AVIF is truncated: it ends in a box, after {len(data)} bytes")
    facts = Facts(data)
    meta = list(_boxes(_first(_boxes(data), b"meta") or b"", 4))
    pitm = _first(meta, b"pitm") or bytes(6)
    item = _u(pitm, 4, 2 if pitm[0] == 0 else 4)
    own = _associated(_first(meta, b"iprp") or b"", item) or _of_track(data)
    if b"tmap" in _item_types(_first(meta, b"iinf") or b""):
        notes.add("the gain map for brighter displays is left out")
    for kind, content in own:
        if kind == b"colr" and content[:4] == b"nclx" and len(content) >= 8:
            facts.below.append(Tagged(CodePoints(_narrow(content, 4), _narrow(content, 6)), "nclx"))
        elif kind == b"pixi" and len(content) > 5:
            facts.bits = max(content[5:])
        elif kind == b"av1C" and len(content) >= 3 and content[2] & 0x40:
            facts.bits = max(facts.bits, 12 if content[2] & 0x20 else 10)
        elif kind == b"clap" and len(content) >= 32:
            facts.crop = _clean_aperture(content, own, notes)
    header = _sequence(data, meta, item, own)
    if header is not None:
        _check_frame(header, own)
        points = code_points_of(header)
        facts.below += [Tagged(points, "AV1")] if points is not None and not facts.below else []
    return facts


def _check_frame(header: bytes, own: list[Box]) -> None:
    """Refuse a size far above that of the frame, to which libavif would scale it."""
    ispe = _first(own, b"ispe") or b""
    claimed, (width, height) = (_u(ispe, 4, 4), _u(ispe, 8, 4)), frame_size(header)
    if claimed[0] * claimed[1] > 4 * width * height:
        raise SdcError(
            "E_PICTURE",
            f"the AVIF claims {claimed[0]} x {claimed[1]} pixels, and its data has {width} x {height}",
        )


def _narrow(content: bytes, place: int) -> int:
    """A code point of 16 bits, of which those above 255 stand for nothing."""
    value = _u(content, place, 2)
    return value if value < 256 else 255


def _of_track(data: bytes) -> list[Box]:
    """Boxes of the first sample entry of an image sequence."""
    content: bytes | None = data
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        content = _first(_boxes(content or b""), kind)
    entry = _first(_boxes(content or b"", 8), b"av01")
    return list(_boxes(entry or b"", 78))


def _clean_aperture(content: bytes, own: list[Box], notes: Notes) -> tuple[int, int, int, int] | None:
    """The rectangle of whole pixels that is to be seen; ``None`` for all of the image."""
    ispe = _first(own, b"ispe")
    numbers = struct.unpack(">8i", content[:32])
    if ispe is None or len(ispe) < 12 or not all(n > 0 for n in numbers[1::2]):
        notes.add("the clean aperture (clap) is damaged and is left out")
        return None
    width, height, right, down = (Fraction(a, b) for a, b in zip(numbers[::2], numbers[1::2], strict=True))
    whole = _u(ispe, 4, 4), _u(ispe, 8, 4)
    left = (whole[0] - width) / 2 + right
    upper = (whole[1] - height) / 2 + down
    edges = (left, upper, left + width, upper + height)
    if min(edges[:2]) < 0 or edges[2] > whole[0] or edges[3] > whole[1] or min(width, height) < 1:
        notes.add("the clean aperture (clap) leaves the image and is left out")
        return None
    if any(edge.denominator > 1 for edge in edges):
        notes.add("the clean aperture (clap) is rounded to whole pixels")
    crop = (int(left), int(upper), max(int(left) + 1, int(edges[2])), max(int(upper) + 1, int(edges[3])))
    return None if crop == (0, 0, *whole) else crop


def _sequence(data: bytes, meta: list[Box], item: int, own: list[Box]) -> bytes | None:
    """The sequence header of an item, which counts where there is no nclx (MIAF, 7.3.6.4)."""
    config = (_first(own, b"av1C") or b"")[4:]
    return sequence_header(config) or sequence_header(_item_data(data, meta, item))


def _item_data(data: bytes, meta: list[Box], item: int) -> bytes:
    """The first bytes of an item that lies in the file itself; none where it is made of others."""
    iloc = _first(meta, b"iloc") or b""
    if len(iloc) < 8 or iloc[0] > 2:
        return b""
    version, sizes, more = iloc[0], iloc[4], iloc[5]
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15
    wide = 4 if version == 2 else 2
    count = _u(iloc, 6, wide)
    place = 6 + wide
    for _ in range(min(count, MOST_BOXES)):
        own = _u(iloc, place, wide)
        place += wide
        method = _u(iloc, place, 2) & 15 if version else 0
        place += 4 if version else 2
        base = _u(iloc, place, base_size)
        extents = _u(iloc, place + base_size, 2)
        place += base_size + 2
        first = place + (index_size if version else 0)
        start = base + _u(iloc, first, offset_size)
        if own == item:
            within = data if method == 0 else (_first(meta, b"idat") or b"") if method == 1 else b""
            return within[start : start + 4096]
        place += extents * (offset_size + length_size + (index_size if version else 0))
    return b""


# --- JPEG 2000 ------------------------------------------------------------------------------------
_SIZ, _SOT, _EOC = b"\xff\x51", b"\xff\x90", b"\xff\xd9"


def _check_tiles(stream: bytes, notes: Notes) -> None:
    """Say that tiles of a codestream are missing or cut off, which OpenJPEG passes over.

    Raises:
        SdcError: ``E_PICTURE`` where most of them are.
    """
    if stream[2:4] != _SIZ or len(stream) < 40:
        return
    width, height, *_, across, down, left, upper = struct.unpack_from(">8I", stream, 8)
    expected = -(-(width - left) // max(across, 1)) * -(-(height - upper) // max(down, 1))
    found, whole = _tiles(stream)
    missing = expected - len(found)
    if 2 * missing > expected:
        raise SdcError("E_PICTURE", f"{len(stream)} bytes of data cannot hold {width} x {height} pixels")
    if missing > 0:
        notes.add(f"{missing} of {expected} tiles of the JPEG 2000 are missing")
    elif not whole:
        notes.add("the JPEG 2000 ends early, and details are missing")


def _tiles(stream: bytes) -> tuple[set[int], bool]:
    """Indices of the tiles of which parts are there, and whether all parts are whole up to the end."""
    place = stream.find(_SOT)
    found: set[int] = set()
    while place >= 0 and stream[place : place + 2] == _SOT and place + 12 <= len(stream):
        found.add(_u(stream, place + 4, 2))
        size = _u(stream, place + 6, 4)
        if size == 0:
            return found, stream.rstrip(b"\0")[-2:] == _EOC
        if size < 14 or place + size > len(stream):
            return found, False
        place += size
    return found, stream[place : place + 2] == _EOC


_ENUMERATED = {
    16: Tagged(SRGB, "JP2"),
    17: None,
    18: Tagged(SRGB, "JP2"),
    21: Tagged(CodePoints(193, 194), "JP2"),
}
"""Colour spaces of JP2 and JPX that are read: sRGB, grey, sYCC, ROMM RGB."""
_OTHERS = {
    0: "two levels", 1: "YCbCr(1)", 3: "YCbCr(2)", 4: "YCbCr(3)", 9: "PhotoYCC", 11: "CMY", 13: "YCCK",
    14: "CIELab", 15: "two levels", 19: "CIEJab", 20: "e-sRGB", 22: "YPbPr(1125/60)", 23: "YPbPr(1250/50)",
    24: "e-sYCC",
}  # fmt: skip
"""Those that are not."""
_CMYK = 12


def jp2_facts(data: bytes, notes: Notes) -> Facts:
    """What a JP2 file or a bare codestream says of itself.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off, and for a colour space that is not read.
    """
    facts = Facts(data, shifted=True)
    bare = data.startswith(b"\xff\x4f")
    if not bare and _cut(data):
        raise SdcError("E_PICTURE", f"the JPEG 2000 is truncated: it ends in a box, after {len(data)} bytes")
    stream = data if bare else _first(_boxes(data), b"jp2c") or b""
    _check_tiles(stream, notes)
    if stream[2:4] == b"\xff\x51" and len(stream) > 44:
        count = min(_u(stream, 40, 2), 16384)
        facts.bits = max(((size & 0x7F) + 1 for size in stream[42 : 42 + 3 * count : 3]), default=8)
    if bare:
        return facts
    header = list(_boxes(_first(_boxes(data), b"jp2h") or b""))
    told = [content for kind, content in header if kind == b"colr" and len(content) >= 3]
    # The first that is understood counts (15444-1, I.5.3.3).
    for content in told:
        method = content[0]
        if method in (2, 3):
            facts.profile = content[3:]
            return facts
        if method == 5 and len(content) >= 9:
            facts.below.append(Tagged(CodePoints(_narrow(content, 3), _narrow(content, 5)), "JP2"))
            return facts
        if method == 1 and len(content) >= 7:
            number = _u(content, 3, 4)
            if number in _ENUMERATED or number == _CMYK:
                claim = _ENUMERATED.get(number)
                facts.below += [] if claim is None else [claim]
                return facts
    for content in told:
        if content[0] == 1 and len(content) >= 7 and _u(content, 3, 4) not in (0, 15):
            number = _u(content, 3, 4)
            name = _OTHERS.get(number, str(number))
            raise SdcError(
                "E_PICTURE", f"JPEG 2000 in the colour space {name} is not read; convert it to sRGB"
            )
    return facts
