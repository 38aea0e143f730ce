"""Whether the data of a sequential JPEG ends where its pixels do, by one decode of its mean values.

The file is decoded as that of a larger image, with random bytes behind each stretch of data between restart
markers.  A decoder that has come to the end of the stretch, and not further, reads these bytes as the next
blocks.  Which blocks they are depends on the bit at which it begins, so they are decoded alone too, behind
each number of bits that a last byte may be filled up with.  Where none of these gives the same blocks, the
decoder was elsewhere: it wanted more data, or had left some over.

At an eighth of the size a decoder computes no more of a block than its mean, so this takes less than half the
time of a decode.  Means are those of the first component, relative to the last block before the random bytes.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from .jpeg import SEQUENTIAL, Structure

MIDDLE = 128
"""Mean of a block without a change."""

_CODING = 1 << 14
"""Bytes of what blocks are decoded by, at most, since it is remembered; usual files have some hundred."""
_SIDE = 65500
"""Longest side that libjpeg takes."""

BLOCKS, UNITS = 48, 16
"""Blocks that are read behind a stretch, but no more units than these."""

FEW, MANY = ("f400", "e800", "9c71"), ("4010", "35b2", "3fe0")
"""What random bytes begin with, to be tried behind few ones and behind many.

A decoder takes the first bits for a change of the mean, and the larger that is, the more it tells.  Ones in
front make it larger still, so behind many of them it has to be the least of its size, lest means be clamped.
"""

ONES = 4
"""Ones that are many."""

TRIALS = 2
"""Decodes of a file, at most."""

_RANDOM = np.random.default_rng(0).integers(1, 255, 1022, np.uint8).tobytes()
"""What follows: bytes without 0xFF."""

_FINE = b"".join(bytes([table, *[1] * 64]) for table in range(4))
"""Quantisation by 1, so that no mean is clamped that is not in the file itself."""

SHIFTS = 64
"""Bits by which a decoder may begin too late: behind as many it has read more than a few blocks."""

CLEAR, EDGE = 0.5, 32
"""Part of the means that are to be as far from both ends of the range."""

SURE = 6
"""Means that have to tell something."""

FILLED = 8
"""Numbers of bits that a last byte may be filled up with: 0 to 7."""

Flags = npt.NDArray[np.bool_]
Means = npt.NDArray[np.int16]
"""Means by unit (MCU), ``[units, N]``: of each component where all have one block, else of the first one."""

Segments = tuple[tuple[int, bytes], ...]
"""Markers and contents."""


def ends_in_place(data: bytes, found: Structure) -> bool:
    """Whether each stretch of data ends within the byte at which its pixels do.

    Args:
        data: the file.
        found: its markers; restart markers are as many as they should be.

    Returns:
        Whether that is sure; ``False`` too where this cannot tell.
    """
    if not _can_tell(found):
        return False
    coding = _Coding.of(found)
    filled = np.array([_ones_at_the_end(data[start:end]) for start, end in found.scans[0].stretches])
    left, fits, trials = np.arange(FILLED) <= filled[:, None], filled < 0, 0
    for start in MANY + FEW if filled.max() >= ONES else FEW + MANY:
        noise = _noise(coding, start)
        if noise is None or trials == TRIALS:
            return False
        tried = left & noise.tells & ~fits[:, None]
        if tried.any():
            fits |= _fit(data, found, coding, noise, tried)
            left &= ~tried
            trials += 1
        if fits.all():
            return True
    return False


def _fit(data: bytes, found: Structure, coding: _Coding, noise: _Noise, tried: Flags) -> Flags:
    """For each stretch whether the blocks behind it are those of the random bytes, ``bool [N]``.

    Args:
        tried: how many bits of the last byte may be filled up, ``[N, 8]``.
    """
    across, down = found.units
    stretches = found.scans[0].stretches
    units = found.scans[0].interval if len(stretches) > 1 else across * down
    each = units + coding.spare
    pieces = [data[start:end] + noise.bytes for start, end in stretches]
    means = coding.means(each if len(pieces) > 1 else across, pieces, each)
    if means is None:
        return np.zeros(len(pieces), bool)
    begins = each * np.arange(len(pieces)) + units
    begins[-1] += across * down - units * len(pieces)
    behind = means[begins[:, None] + np.arange(coding.spare)]
    before = means[begins - 1] if coding.mode == "YCbCr" else means[begins - 1, -1:]
    wanted = before[:, None, None] + (noise.alone - MIDDLE)
    tells = _inside(noise.alone) & _inside(wanted)
    same = np.abs(behind[:, None] - wanted) <= 1  # each is rounded
    alike = (same | ~tells).all((2, 3)) & (tells.sum((2, 3)) >= SURE) & tried
    fits: Flags = alike.any(1) & _inside(before).all(1)
    return fits


def _inside(means: Means) -> Flags:
    """Which are not clamped."""
    inside: Flags = (means > 0) & (means < 255)
    return inside


def _can_tell(found: Structure) -> bool:
    """Whether there is one scan of grey or of three components, the first of which has the most blocks."""
    if found.frame not in SEQUENTIAL or len(found.scans) != 1 or found.width * found.height == 0:
        return False
    if sum(len(content) for _, content in found.decoding) > _CODING:
        return False
    scan, factors = found.scans[0], found.factors
    several = len(scan.stretches) > 1
    if scan.components != len(factors) or (several and not scan.interval):
        return False
    if several and len(scan.stretches) * found.unit[1] > _SIDE:  # each is a row of the larger image
        return False
    return len(factors) == 1 or (len(factors) == 3 and tuple(8 * n for n in factors[0]) == found.unit)


def _ones_at_the_end(data: bytes) -> int:
    """How many of the last bits are ones, 7 at most."""
    last = 0xFF if data.endswith(b"\xff\0") else int.from_bytes(data[-1:], "big")
    return next((k for k in range(FILLED - 1) if not last >> k & 1), FILLED - 1)


# --- files that are decoded -----------------------------------------------------------------------
@dataclass(frozen=True)
class _Coding:
    """What blocks are decoded by.

    Attributes:
        segments: of the file, frame and scan among them, the size 0 x 0.
        frame: which of them is the frame.
        unit: pixels of a unit, across and down.
        spare: units that are read behind each stretch.
        mode: Pillow's mode of what is looked at.
    """

    segments: Segments
    frame: int
    unit: tuple[int, int]
    spare: int
    mode: str

    @staticmethod
    def of(found: Structure) -> _Coding:
        """That of a file."""
        segments = tuple(
            (marker, content[:1] + bytes(4) + content[5:] if marker == found.frame else content)
            for marker, content in found.decoding
        )
        factors = found.factors
        blocks = 1 if len(factors) == 1 else sum(h * v for h, v in factors)
        mode = "YCbCr" if len(factors) == 3 and len(set(factors)) == 1 else "L"
        spare = min(-(-BLOCKS // blocks), UNITS)
        return _Coding(segments, found.frame, found.unit, spare, mode)

    def means(self, columns: int, pieces: Sequence[bytes], each: int) -> Means | None:
        """Means of the units of some data; ``None`` where it cannot be decoded.

        Args:
            columns: units in a row.
            pieces: data between restart markers.
            each: units of each of them.
        """
        rows = -(-each * len(pieces) // columns)
        width, height = columns * self.unit[0], rows * self.unit[1]
        if max(width, height) > _SIDE or (each > 0xFFFF and len(pieces) > 1):
            return None
        file = self._file(struct.pack(">HH", height, width), pieces, each)
        try:
            with Image.open(io.BytesIO(file), formats=("JPEG",)) as image:
                image.draft(self.mode, (width // 8, height // 8))
                image.load()
                grey = np.asarray(image)
        except (OSError, SyntaxError, ValueError):
            return None
        if grey.shape[:2] != (height // 8, width // 8) or image.mode != self.mode:
            return None
        split = grey.reshape(rows, self.unit[1] // 8, columns, -1).swapaxes(1, 2)
        return split.reshape(rows * columns, -1).astype(np.int16)

    def _file(self, size: bytes, pieces: Sequence[bytes], each: int) -> bytes:
        segments = [(0xDB, _FINE)]
        segments += [(0xDD, struct.pack(">H", each))] if len(pieces) > 1 else []
        for marker, content in self.segments:
            whole = content[:1] + size + content[5:] if marker == self.frame else content
            segments.append((marker, whole))
        head = b"".join(
            bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content
            for marker, content in segments
        )
        parts = [b"\xff\xd8", head]
        for k, piece in enumerate(pieces):
            parts += [piece, bytes([0xFF, 0xD0 + k % 8])]
        return b"".join([*parts[:-1], b"\xff\xd9"])


@dataclass(frozen=True, eq=False)
class _Noise:
    """Random bytes for files of a coding.

    Attributes:
        alone: the means that they give behind 0 to 7 ones, ``[8, units, blocks]``.
        tells: behind how many ones they give others wherever else a decoder begins, ``[8]``.
    """

    bytes: bytes
    alone: Means
    tells: Flags


@lru_cache(64)
def _noise(coding: _Coding, start: str) -> _Noise | None:
    """Random bytes, and what they tell; ``None`` where they cannot be decoded."""
    noise = bytes.fromhex(start) + _RANDOM
    pieces = [_behind_ones(noise, ones) for ones in range(FILLED)]
    pieces += [_late(noise, bits) for bits in range(1, SHIFTS)]
    means = coding.means(coding.spare, pieces, coding.spare)
    if means is None:
        return None
    found = means.reshape(len(pieces), coding.spare, -1)
    alone, late = found[:FILLED], found[FILLED:]
    clear = (np.abs(alone - MIDDLE) < MIDDLE - EDGE).mean((1, 2)) > CLEAR
    apart = (np.abs(alone[:, None] - late) > 2) & _inside(alone)[:, None] & _inside(late)
    return _Noise(noise, alone, clear & apart.any((2, 3)).all(1))


def _behind_ones(noise: bytes, count: int) -> bytes:
    """Bytes behind some ones, as data of a scan."""
    bits = ((1 << count) - 1 << 8 * len(noise)) | int.from_bytes(noise, "big")
    return _scan_data(bits << -count % 8, len(noise) + (count > 0))


def _late(noise: bytes, count: int) -> bytes:
    """Bytes without their first bits, as data of a scan."""
    size = len(noise) - count // 8
    bits = int.from_bytes(noise, "big") << count % 8
    return _scan_data(bits & (1 << 8 * size) - 1, size)


def _scan_data(bits: int, size: int) -> bytes:
    return bits.to_bytes(size, "big").replace(b"\xff", b"\xff\0")
