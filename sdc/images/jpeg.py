"""Markers of JPEG files, and what they say about samples; whether scans are whole is for :mod:`.scans`."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from ..errors import SdcError
from .facts import Facts

_EOI, _SOS, _DRI = 0xD9, 0xDA, 0xDD
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
SEQUENTIAL, PROGRESSIVE, ARITHMETIC = frozenset({0xC0, 0xC1}), 0xC2, frozenset({0xC9, 0xCA})
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_OTHERS = {0xC3: "lossless JPEG", 0xCB: "lossless JPEG", 0xF7: "JPEG-LS"}
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_DECODING = _FRAMES | {0xC4, _SOS, 0xE0, 0xEE}
"""Frame, Huffman codes, scan, and of JFIF and Adobe, by which colours are told."""
_TOLD = {0xE0: 14, 0xEE: 12}
"""Bytes of the latter two that are read."""
_ICC = b"ICC_PROFILE\0"


@dataclass
class Scan:
    """A scan: its header, and where each stretch between restart markers begins and ends."""

    components: int
    spectrum: tuple[int, int]
    low: int
    interval: int
    own: tuple[int, ...]
    stretches: list[tuple[int, int]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)


@dataclass
class Structure:
    """What the markers of a file say.

    Attributes:
        frame: marker of the frame header; 0 where there is none.
        factors: horizontal and vertical sampling factors of each component.
        end: where the image ends: behind EOI, or 0 where that is missing.
        decoding: marker and content of what the first scan is decoded by, in order, its own header the last.
    """

    frame: int = 0
    precision: int = 8
    width: int = 0
    height: int = 0
    factors: tuple[tuple[int, int], ...] = ()
    scans: list[Scan] = field(default_factory=list)
    end: int = 0
    icc: bool = False
    decoding: list[tuple[int, bytes]] = field(default_factory=list)

    @property
    def unit(self) -> tuple[int, int]:
        """Width and height of what an interleaved scan codes at once, in pixels."""
        if len(self.factors) == 1:
            return 8, 8
        return 8 * max(h for h, _ in self.factors), 8 * max(v for _, v in self.factors)

    @property
    def units(self) -> tuple[int, int]:
        """How many of these there are across and down."""
        return -(-self.width // self.unit[0]), -(-self.height // self.unit[1])

    @property
    def blocks(self) -> int:
        """Blocks of 8 x 8 samples that are coded at least."""
        across = max((h for h, _ in self.factors), default=1)
        down = max((v for _, v in self.factors), default=1)
        return sum(
            -(-self.width * h // (8 * across)) * -(-self.height * v // (8 * down)) for h, v in self.factors
        )


def structure_of(data: bytes) -> Structure:
    """The markers of a file, up to EOI or the end."""
    found = Structure()
    place, interval = 2, 0
    while True:
        start = data.find(b"\xff", place)
        if start < 0 or start + 1 >= len(data):
            return found
        marker = data[start + 1]
        if marker in (0x00, 0xFF):
            place = start + 1
            continue
        place = start + 2
        if marker == _EOI:
            found.end = place
            return found
        if marker in _ALONE:
            continue
        size = int.from_bytes(data[place : place + 2], "big")
        content = data[place + 2 : place + size]
        place += max(size, 2)
        if marker in _DECODING and not found.scans:
            told = content[: _TOLD.get(marker, len(content))]
            if marker not in _TOLD or told.startswith((b"JFIF\0", b"Adobe")):
                found.decoding.append((marker, told))
        if marker in _FRAMES and not found.frame and len(content) >= 6:
            _read_frame(found, marker, content)
        elif marker == _DRI and len(content) >= 2:
            interval = int.from_bytes(content[:2], "big")
        elif marker == 0xE2 and content.startswith(_ICC):
            found.icc = True
        elif marker == _SOS and content:
            place = _read_scan(found, data, content, place, interval)


def _read_frame(found: Structure, marker: int, content: bytes) -> None:
    found.frame = marker
    found.precision, found.height, found.width, count = struct.unpack(">BHHB", content[:6])
    sampling = content[7 : 6 + 3 * count : 3]
    found.factors = tuple((max(1, s >> 4), max(1, s & 15)) for s in sampling)


def _read_scan(found: Structure, data: bytes, content: bytes, start: int, interval: int) -> int:
    """Add a scan; returns where it ends."""
    count = content[0]
    spectrum = content[1 + 2 * count : 4 + 2 * count].ljust(3, b"\0")
    own = tuple(content[1 : 1 + 2 * count : 2])
    scan = Scan(count, (spectrum[0], spectrum[1]), spectrum[2] & 15, interval, own)
    found.scans.append(scan)
    begin = start
    for match in _MARKER.finditer(data, start):
        marker = data[match.start() + 1]
        scan.stretches.append((begin, match.start()))
        begin = match.end()
        if not 0xD0 <= marker <= 0xD7:
            return match.start()
        scan.restarts.append(marker - 0xD0)
    scan.stretches.append((begin, len(data)))
    return len(data)


def jpeg_facts(data: bytes) -> Facts:
    """What a JPEG file says of itself.

    Raises:
        SdcError: ``E_PICTURE`` for a kind of JPEG that is not read, and for more pixels than its bytes hold.
    """
    found = structure_of(data)
    if not found.frame or not found.scans:
        raise SdcError("E_PICTURE", f"the JPEG is truncated: {len(data)} bytes, and no image data among them")
    if found.frame in _OTHERS:
        raise SdcError("E_PICTURE", f"{_OTHERS[found.frame]} is not read here; convert it to PNG")
    if found.precision != 8:
        raise SdcError("E_PICTURE", f"{found.precision}-bit JPEG is not read here; convert it to PNG")
    coded = sum(end - start for scan in found.scans for start, end in scan.stretches)
    least = {**dict.fromkeys(SEQUENTIAL, 2), PROGRESSIVE: 1}.get(found.frame, 0)
    if found.blocks * least > 8 * coded:
        raise SdcError(
            "E_PICTURE", f"{coded} bytes of data cannot hold {found.width} x {found.height} pixels"
        )
    facts = Facts(data if found.end else ended(data), profile=b"" if found.icc else None)
    return facts


def ended(data: bytes) -> bytes:
    """A file with an end marker behind the data that there are."""
    return data.rstrip(b"\xff") + b"\xff\xd9"
