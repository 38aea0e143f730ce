"""Markers and scans of JPEG files: what they say about samples, and whether the scans are whole.

libjpeg warns of a scan that ends early, or late, and of restart markers out of order; Pillow keeps that to
itself.  So it is found out by trials.  Random bytes behind the last ones of a scan change nothing if the scan
is whole, since the decoder does not read on; if they change pixels, the scan ended early.
Random bytes in place of the last ones change pixels if the scan is whole; if they change nothing, the decoder
was through before them, and the scan is damaged.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import SdcError
from ..notes import Notes
from .facts import Facts

_SOI, _EOI, _SOS, _DRI = 0xD8, 0xD9, 0xDA, 0xDD
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""
_SEQUENTIAL, _PROGRESSIVE, _ARITHMETIC = frozenset({0xC0, 0xC1}), 0xC2, frozenset({0xC9, 0xCA})
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_OTHERS = {0xC3: "lossless JPEG", 0xCB: "lossless JPEG", 0xF7: "JPEG-LS"}
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_ICC = b"ICC_PROFILE\0"

TAIL = 16
"""Bytes at the end of a scan in whose place others change pixels."""
FEW = 8
"""The same for a sequential scan of all components, whose last bits are those of a block that shows."""
TRIALS = 8
SEEDS, SHORT = 257, 64
"""Sequences of random bytes that are kept, and their length."""
MOST_ZEROS = 32
"""Zeros at the end of a file without an end marker; more are what a download that stopped has left."""
MOST_PIXELS_TRIED = 1 << 26
"""Of larger images only the structure is checked."""

Flags = npt.NDArray[np.bool_]


@dataclass
class _Scan:
    """A scan: its header, and where each stretch between restart markers begins and ends."""

    components: int
    spectrum: tuple[int, int]
    low: int
    interval: int
    own: tuple[int, ...]
    stretches: list[tuple[int, int]] = field(default_factory=list)
    restarts: list[int] = field(default_factory=list)


@dataclass
class _Structure:
    """What the markers of a file say.

    Attributes:
        frame: marker of the frame header; 0 where there is none.
        factors: horizontal and vertical sampling factors of each component.
        end: where the image ends: behind EOI, or 0 where that is missing.
    """

    frame: int = 0
    precision: int = 8
    width: int = 0
    height: int = 0
    factors: tuple[tuple[int, int], ...] = ()
    scans: list[_Scan] = field(default_factory=list)
    end: int = 0
    icc: bool = False

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


def _structure(data: bytes) -> _Structure:
    """The markers of a file, up to EOI or the end."""
    found = _Structure()
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
        if marker in _FRAMES and not found.frame and len(content) >= 6:
            _read_frame(found, marker, content)
        elif marker == _DRI and len(content) >= 2:
            interval = int.from_bytes(content[:2], "big")
        elif marker == 0xE2 and content.startswith(_ICC):
            found.icc = True
        elif marker == _SOS and content:
            place = _read_scan(found, data, content, place, interval)


def _read_frame(found: _Structure, marker: int, content: bytes) -> None:
    found.frame = marker
    found.precision, found.height, found.width, count = struct.unpack(">BHHB", content[:6])
    sampling = content[7 : 6 + 3 * count : 3]
    found.factors = tuple((max(1, s >> 4), max(1, s & 15)) for s in sampling)


def _read_scan(found: _Structure, data: bytes, content: bytes, start: int, interval: int) -> int:
    """Add a scan; returns where it ends."""
    count = content[0]
    spectrum = content[1 + 2 * count : 4 + 2 * count].ljust(3, b"\0")
    own = tuple(content[1 : 1 + 2 * count : 2])
    scan = _Scan(count, (spectrum[0], spectrum[1]), spectrum[2] & 15, interval, own)
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
    found = _structure(data)
    if not found.frame or not found.scans:
        raise SdcError("E_PICTURE", f"the JPEG is truncated: {len(data)} bytes, and no image data among them")
    if found.frame in _OTHERS:
        raise SdcError("E_PICTURE", f"{_OTHERS[found.frame]} is not read here; convert it to PNG")
    if found.precision != 8:
        raise SdcError("E_PICTURE", f"{found.precision}-bit JPEG is not read here; convert it to PNG")
    coded = sum(end - start for scan in found.scans for start, end in scan.stretches)
    least = {**dict.fromkeys(_SEQUENTIAL, 2), _PROGRESSIVE: 1}.get(found.frame, 0)
    if found.blocks * least > 8 * coded:
        raise SdcError(
            "E_PICTURE", f"{coded} bytes of data cannot hold {found.width} x {found.height} pixels"
        )
    facts = Facts(data if found.end else _ended(data), profile=b"" if found.icc else None)
    return facts


def _ended(data: bytes) -> bytes:
    return data.rstrip(b"\xff") + b"\xff\xd9"


def check_scans(data: bytes, image: Image.Image, notes: Notes) -> None:
    """Say whether the scans of a JPEG file are whole.

    Args:
        data: the file as it is.
        image: as Pillow gives it, its pixels loaded.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off within its data.
    """
    found = _structure(data)
    lacking = _lacking(found)
    rows = _short_from(data, found, image)
    if not found.end:
        _check_end(data, found, lacking, rows)
        if rows is None:
            notes.add("the end marker of the JPEG is missing")
    if rows is not None:
        notes.add(f"the JPEG is damaged: its data ends early, from row {rows} of {found.height}")
    elif lacking:
        notes.add(f"the JPEG is damaged: {lacking}")
    elif _is_long(data, found, image):
        notes.add("the JPEG is damaged: there is more data than its pixels take")


def _check_end(data: bytes, found: _Structure, lacking: str, rows: int | None) -> None:
    """Refuse a file without an end marker of which more than a sliver is missing.

    Raises:
        SdcError: ``E_PICTURE``.
    """
    zeros = len(data) - len(data.rstrip(b"\0"))
    if zeros > MOST_ZEROS:
        raise SdcError("E_PICTURE", f"the JPEG is truncated: its last {zeros} bytes are zeros")
    if lacking or (rows is not None and rows < (found.units[1] - 1) * found.unit[1] - 2):
        where = f"after row {rows} of {found.height}" if rows else "within its data"
        raise SdcError("E_PICTURE", f"the JPEG is truncated: it ends {where}")


def _lacking(found: _Structure) -> str:
    """What the headers of the scans show to be missing, in words."""
    if found.frame == _PROGRESSIVE:
        have = {(c, k) for scan in found.scans if not scan.low for c in scan.own for k in _band(scan)}
        if len(have) < 64 * len(found.factors):
            return "its last scans, with the details, are missing"
    if found.frame in _SEQUENTIAL and sum(scan.components for scan in found.scans) < len(found.factors):
        return "scans are missing"
    for scan in found.scans:
        if any(number != k % 8 for k, number in enumerate(scan.restarts)):
            return "restart markers are missing or out of order"
    scan = found.scans[0]
    if len(found.scans) == 1 and scan.interval:
        across, down = found.units
        if len(scan.stretches) != -(-across * down // scan.interval):
            return "restart markers are missing or out of order"
    return ""


def _band(scan: _Scan) -> range:
    return range(scan.spectrum[0], min(scan.spectrum[1], 63) + 1)


def _tried(data: bytes, image: Image.Image) -> npt.NDArray[np.uint8] | None:
    """Pixels of a changed file, in the mode of an image; ``None`` where it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as other:
            other.load()
            return np.asarray(other) if other.mode == image.mode and other.size == image.size else None
    except (OSError, SyntaxError, ValueError):
        return None


def _noise(size: int, seed: int) -> bytes:
    """Bytes without 0xFF, the same for the same seed."""
    if size > SHORT:
        noise: bytes = np.random.default_rng(seed).integers(1, 255, size, np.uint8).tobytes()
        return noise
    return _short_noise(seed % SEEDS)[:size]


@lru_cache(SEEDS)
def _short_noise(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(1, 255, SHORT, np.uint8).tobytes()


def _can_be_tried(found: _Structure) -> bool:
    """Arithmetic decoders read on behind the end."""
    return found.frame not in _ARITHMETIC and found.width * found.height <= MOST_PIXELS_TRIED


def _differs(data: bytes, image: Image.Image) -> Flags | None:
    """Where the pixels of a changed file differ, ``bool [H, W]``; ``None`` where nothing can be said."""
    other = _tried(data, image)
    if other is None:
        return None
    differs: Flags = np.asarray(image) != other
    return differs if differs.ndim == 2 else differs.any(2)


def _short_from(data: bytes, found: _Structure, image: Image.Image) -> int | None:
    """The first row of pixels that random bytes behind the scans change; ``None`` if they change nothing."""
    if not _can_be_tried(found):
        return None
    ends = [end for scan in found.scans for _, end in scan.stretches]
    if not found.end:
        data, ends = _ended(data), [min(end, len(data.rstrip(b"\xff"))) for end in ends]
    differs = _differs(_replaced(data, [(end, end, _noise(SHORT, k)) for k, end in enumerate(ends)]), image)
    if differs is None or not differs.any():
        return None
    return int(np.flatnonzero(differs.any(1))[0])


def _replaced(data: bytes, changes: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The file with other bytes in some places, which are in order."""
    parts, place = [], 0
    for start, end, other in changes:
        parts += [data[place:start], other]
        place = end
    return b"".join([*parts, data[place:]])


def _is_long(data: bytes, found: _Structure, image: Image.Image) -> bool:
    """Whether a scan has bytes in whose place others change nothing."""
    if not _can_be_tried(found):
        return False
    if len(found.scans) == 1:
        return bool(_long_stretches(data, found, image, found.scans[0].stretches).any())
    ends = [
        scan.stretches[-1] for scan in found.scans if scan.stretches[-1][1] - scan.stretches[-1][0] >= TAIL
    ]
    # Where a scan of nothing but noise changes nothing either, its few codes all stand for the same.
    return any(not _changes(data, image, end, TAIL) and _changes(data, image, end, len(data)) for end in ends)


def _tails(stretches: Sequence[tuple[int, int]], most: int, trial: int) -> list[tuple[int, int, bytes]]:
    """Other bytes for the last ones of some stretches, for as many at most."""
    changes = []
    for k, (start, end) in enumerate(stretches):
        size = min(most, end - start)
        changes.append((end - size, end, _noise(size, 1000 * trial + k)))
    return changes


def _changes(data: bytes, image: Image.Image, stretch: tuple[int, int], most: int) -> bool:
    """Whether other bytes at the end of a stretch change pixels."""
    for trial in range(TRIALS):
        differs = _differs(_replaced(data, _tails([stretch], most, trial)), image)
        if differs is None or differs.any():
            return True
    return False


def _long_stretches(
    data: bytes, found: _Structure, image: Image.Image, stretches: Sequence[tuple[int, int]]
) -> Flags:
    """For each stretch of the only scan whether other bytes at its end change nothing, ``bool [N]``."""
    sequential = found.frame in _SEQUENTIAL and len(stretches) == 1
    long = ~_touched(data, found, image, stretches, FEW if sequential else TAIL)
    # Where a stretch of nothing but noise changes nothing either, its few codes all stand for the same.
    return long & _touched(data, found, image, stretches, len(data)) if long.any() else long


def _touched(
    data: bytes, found: _Structure, image: Image.Image, stretches: Sequence[tuple[int, int]], most: int
) -> Flags:
    """For each stretch of the only scan whether other bytes at its end change pixels, ``bool [N]``."""
    across, down = found.units
    width, height = found.unit
    interval = found.scans[0].interval or across * down
    touched = np.zeros(len(stretches), bool)
    for trial in range(TRIALS):
        differs = _differs(_replaced(data, _tails(stretches, most, trial)), image)
        if differs is None:
            return np.ones(len(stretches), bool)
        rest = (down * height - differs.shape[0], across * width - differs.shape[1])
        whole = np.pad(differs, ((0, rest[0]), (0, rest[1])), "edge").reshape(down, height, across, width)
        # Without its edges, into which colours of the neighbours are smoothed.
        units = whole[:, 1:-1, :, 1:-1].any((1, 3)).ravel()
        for k in np.flatnonzero(~touched):
            touched[k] = units[k * interval : (k + 1) * interval].any()
        if touched.all():
            break
    return touched
