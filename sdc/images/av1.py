"""The sequence header of AV1 (5.5 of its specification): code points, where the container has none."""

from __future__ import annotations

from ..format.colr import CodePoints

_SEQUENCE_HEADER = 1


class _Bits:
    """Bits of some bytes, the most significant first; zeros behind their end."""

    def __init__(self, data: bytes):
        self.data, self.place = data, 0

    def read(self, count: int) -> int:
        """The next bits as a number."""
        value = 0
        for _ in range(count):
            byte = self.data[self.place >> 3] if self.place >> 3 < len(self.data) else 0
            value = value << 1 | byte >> (7 - (self.place & 7)) & 1
            self.place += 1
        return value

    def skip_uvlc(self) -> None:
        """Pass over a number of a length that it says."""
        zeros = 0
        while zeros < 32 and not self.read(1):
            zeros += 1
        self.read(zeros)


def sequence_header(data: bytes) -> bytes | None:
    """Content of the sequence header among the first units of some AV1 data."""
    place = 0
    for _ in range(8):
        if place >= len(data):
            return None
        head = data[place]
        place += 2 if head & 4 else 1
        if not head & 2:
            size = len(data) - place
        else:
            size, shift = 0, 0
            while place < len(data) and shift < 56:
                size |= (data[place] & 0x7F) << shift
                shift, place = shift + 7, place + 1
                if not data[place - 1] & 0x80:
                    break
        if head >> 3 & 15 == _SEQUENCE_HEADER and size:
            return data[place : place + size]
        place += size
    return None


def frame_size(header: bytes) -> tuple[int, int]:
    """Width and height of the largest frame that a sequence header allows."""
    return _at_size(_Bits(header))


def code_points_of(header: bytes) -> CodePoints | None:
    """Code points of a sequence header; ``None`` where it has none."""
    bits = _Bits(header)
    _at_size(bits)
    profile, reduced = header[0] >> 5, bool(header[0] & 8)
    if not reduced and bits.read(1):
        bits.read(7)
    bits.read(3)
    if not reduced:
        _skip_tools(bits)
    bits.read(3)
    if bits.read(1) and profile == 2:
        bits.read(1)
    if profile != 1:
        bits.read(1)
    return CodePoints(bits.read(8), bits.read(8)) if bits.read(1) else None


def _at_size(bits: _Bits) -> tuple[int, int]:
    """Read up to the size of the frame, which is what comes out."""
    bits.read(4)
    if bits.read(1):
        bits.read(5)
    else:
        _skip_operating_points(bits)
    width, height = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width) + 1, bits.read(height) + 1


def _skip_operating_points(bits: _Bits) -> None:
    delay = 0
    model = False
    if bits.read(1):
        bits.read(64)
        if bits.read(1):
            bits.skip_uvlc()
        model = bool(bits.read(1))
        if model:
            delay = bits.read(5) + 1
            bits.read(42)
    display = bits.read(1)
    for _ in range(bits.read(5) + 1):
        bits.read(12)
        if bits.read(5) > 7:
            bits.read(1)
        if model and bits.read(1):
            bits.read(2 * delay + 1)
        if display and bits.read(1):
            bits.read(4)


def _skip_tools(bits: _Bits) -> None:
    bits.read(4)
    hints = bits.read(1)
    if hints:
        bits.read(2)
    forced = 2 if bits.read(1) else bits.read(1)
    if forced and not bits.read(1):
        bits.read(1)
    if hints:
        bits.read(3)
