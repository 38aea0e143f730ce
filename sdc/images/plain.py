"""Headers of TGA, PNM, BMP, GIF, QOI and WebP files: bits, alpha that is none, and sizes that cannot be."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

from ..errors import SdcError
from .facts import Facts

_GIF_RATIO = 4096
"""Pixels that a code of LZW stands for, at most; a code takes a byte or more where it is as long."""
_QOI_RATIO, _TGA_RATIO = 62, 128
"""Pixels of a run, which takes a byte, or a byte and a pixel."""


def plain_facts(data: bytes, name: str) -> Facts:
    """What a file of one of these formats says of itself; those of others say nothing here.

    Args:
        name: of its format, as :func:`.kinds.read_as` has it, or ``TGA``.

    Raises:
        SdcError: ``E_PICTURE`` for a file that is cut off, or cannot hold the pixels that it claims.
    """
    facts = Facts(data)
    look = _LOOKS.get(name)
    if look is not None:
        try:
            look(data, facts)
        except (struct.error, IndexError):
            raise SdcError("E_PICTURE", f"the {name} is truncated: {len(data)} bytes") from None
    return facts


def _check(data: bytes, width: int, height: int, needed: float) -> None:
    if needed > len(data) + 64:
        raise SdcError("E_PICTURE", f"{len(data)} bytes cannot hold {width} x {height} pixels")


def _webp(data: bytes, facts: Facts) -> None:
    size = 8 + int(struct.unpack_from("<I", data, 4)[0])
    if size > len(data) + 1:
        raise SdcError("E_PICTURE", f"the WebP is truncated: {len(data)} of {size} bytes")


def _gif(data: bytes, facts: Facts) -> None:
    width, height = struct.unpack_from("<HH", data, 6)
    _check(data, width, height, width * height / _GIF_RATIO)


def _qoi(data: bytes, facts: Facts) -> None:
    width, height = struct.unpack_from(">II", data, 4)
    _check(data, width, height, width * height / _QOI_RATIO)


def _bmp(data: bytes, facts: Facts) -> None:
    if struct.unpack_from("<I", data, 14)[0] < 40:
        return
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if compression in (0, 3):
        _check(data, width, abs(height), abs(height) * (width * bits / 8))


def _tga(data: bytes, facts: Facts) -> None:
    kind, (width, height, depth, descriptor) = data[2], struct.unpack_from("<HHBB", data, 12)
    size = max(1, depth // 8)
    runs = _TGA_RATIO / (size + 1) if kind & 8 else 1 / size
    _check(data, width, height, width * height / runs)
    if kind & 7 == 2 and depth in (16, 32) and not descriptor & 15:
        facts.opaque = "the header of the TGA says that there is no alpha"
    if data[-18:-2] == b"TRUEVISION-XFILE":
        place = int(struct.unpack_from("<I", data, len(data) - 26)[0])
        if place and data[place + 494 : place + 495] in (b"\1", b"\2"):
            facts.opaque = "the extension of the TGA says that its alpha means nothing"


_PNM = re.compile(rb"P([1-6])(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:(?:\s|#[^\n]*\n)+(\d+))?")


def _pnm(data: bytes, facts: Facts) -> None:
    found = _PNM.match(data[:4096])
    if found is None:
        return
    kind, width, height = int(found[1]), int(found[2]), int(found[3])
    most = int(found[4] or 1) if kind not in (1, 4) else 1
    facts.bits = 16 if most > 255 else 8
    samples = width * height * (3 if kind in (3, 6) else 1)
    size = {1: 1.0, 2: 2.0, 3: 2.0, 4: 1 / 8}.get(kind, 2.0 if most > 255 else 1.0)
    _check(data, width, height, samples * size)


_LOOKS: dict[str, Callable[[bytes, Facts], None]] = {
    "WebP": _webp,
    "GIF": _gif,
    "QOI": _qoi,
    "BMP": _bmp,
    "TGA": _tga,
    "PNM": _pnm,
}
