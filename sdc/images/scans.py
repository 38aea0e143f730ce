"""Whether the scans of a JPEG file are whole.

libjpeg warns of a scan that ends early, or late, and of restart markers out of order; Pillow keeps that to
itself.  So it is found out by trials.  That a sequential scan with the usual codes ends where its pixels do,
one small decode tells (:mod:`.overrun`).  For others, and to say what is wrong, whole files are decoded.
Random bytes behind the last ones of a scan change nothing if the scan is whole, since the decoder does not
read on; if they change pixels, the scan ended early.
Random bytes in place of the last ones change pixels if the scan is whole; if they change nothing, the decoder
was through before them, and the scan is damaged.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import SdcError
from ..notes import Notes
from .jpeg import ARITHMETIC, PROGRESSIVE, SEQUENTIAL, Scan, Structure, ended, structure_of
from .overrun import ends_in_place

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


def check_scans(data: bytes, image: Image.Image, notes: Notes) -> None:
    """Say whether the scans of a JPEG file are whole.

    Args:
        data: the file as it is.
        image: as Pillow gives it, its pixels loaded.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off within its data.
    """
    found = structure_of(data)
    lacking = _lacking(found)
    if found.end and not lacking and _can_be_tried(found) and ends_in_place(data, found):
        return
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


def _check_end(data: bytes, found: Structure, lacking: str, rows: int | None) -> None:
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


def _lacking(found: Structure) -> str:
    """What the headers of the scans show to be missing, in words."""
    if found.frame == PROGRESSIVE:
        have = {(c, k) for scan in found.scans if not scan.low for c in scan.own for k in _band(scan)}
        if len(have) < 64 * len(found.factors):
            return "its last scans, with the details, are missing"
    if found.frame in SEQUENTIAL and sum(scan.components for scan in found.scans) < len(found.factors):
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


def _band(scan: Scan) -> range:
    return range(scan.spectrum[0], min(scan.spectrum[1], 63) + 1)


def _tried(data: bytes, image: Image.Image) -> Image.Image | None:
    """The image of a changed file, in the mode of an image; ``None`` where it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as other:
            other.load()
            return other if other.mode == image.mode and other.size == image.size else None
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


def _can_be_tried(found: Structure) -> bool:
    """Arithmetic decoders read on behind the end."""
    return found.frame not in ARITHMETIC and found.width * found.height <= MOST_PIXELS_TRIED


def _differs(data: bytes, image: Image.Image) -> Flags | None:
    """Where the pixels of a changed file differ, ``bool [H, W]``; ``None`` where nothing can be said."""
    other = _tried(data, image)
    if other is None:
        return None
    if image.tobytes() == other.tobytes():
        return np.zeros(image.size[::-1], bool)
    differs: Flags = np.asarray(image) != np.asarray(other)
    return differs if differs.ndim == 2 else np.logical_or.reduce([*np.moveaxis(differs, 2, 0)])


def _short_from(data: bytes, found: Structure, image: Image.Image) -> int | None:
    """The first row of pixels that random bytes behind the scans change; ``None`` if they change nothing."""
    if not _can_be_tried(found):
        return None
    ends = [end for scan in found.scans for _, end in scan.stretches]
    if not found.end:
        data, ends = ended(data), [min(end, len(data.rstrip(b"\xff"))) for end in ends]
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


def _is_long(data: bytes, found: Structure, image: Image.Image) -> bool:
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
    data: bytes, found: Structure, image: Image.Image, stretches: Sequence[tuple[int, int]]
) -> Flags:
    """For each stretch of the only scan whether other bytes at its end change nothing, ``bool [N]``."""
    sequential = found.frame in SEQUENTIAL and len(stretches) == 1
    if sequential and _changes_the_end(data, found, image, stretches):
        return np.zeros(1, bool)
    long = ~_touched(data, found, image, stretches, FEW if sequential else TAIL)
    # Where a stretch of nothing but noise changes nothing either, its few codes all stand for the same.
    return long & _touched(data, found, image, stretches, len(data)) if long.any() else long


def _changes_the_end(
    data: bytes, found: Structure, image: Image.Image, stretches: Sequence[tuple[int, int]]
) -> bool:
    """Whether other bytes at the end of the only stretch change the last row of units, which is soon seen."""
    other = _tried(_replaced(data, _tails(stretches, FEW, 0)), image)
    inner = (
        0,
        (found.units[1] - 1) * found.unit[1] + 1,
        *image.size,
    )  # not what the row above is smoothed into
    return other is None or image.crop(inner).tobytes() != other.crop(inner).tobytes()


def _touched(
    data: bytes, found: Structure, image: Image.Image, stretches: Sequence[tuple[int, int]], most: int
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
