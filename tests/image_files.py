"""Small image files, made byte by byte where no library writes them so."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]


def ramp(height: int = 24, width: int = 32) -> Array:
    """A coloured image ``uint8 [H, W, 3]`` that no two turns of which are alike."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 4 % 256], 2).astype(np.uint8)


def noise(height: int = 64, width: int = 96) -> Array:
    """A coloured image ``uint8 [H, W, 3]`` that takes many bytes."""
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


RGB = ramp()
GREY = RGB[:, :, 0].copy()


def saved(pixels: Array | Image.Image, name: str, **options: Any) -> bytes:
    """The file that Pillow writes."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


# --- PNG ------------------------------------------------------------------------------------------
def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    pixels: Array, *chunks: tuple[bytes, bytes], bits: int = 8, size: tuple[int, int] | None = None
) -> bytes:
    """A PNG of grey or RGB of 1 to 16 bits.

    Args:
        pixels: samples, ``[H, W]`` or ``[H, W, 3]``.
        chunks: in front of the data.
        size: width and height that the header claims.
    """
    height, width = pixels.shape[:2]
    if bits < 8:
        planes = np.unpackbits(pixels.astype(np.uint8)[..., None], axis=2)[:, :, 8 - bits :]
        rows = np.packbits(planes.reshape(height, -1), axis=1)
    else:
        rows = pixels.astype(">u2" if bits == 16 else np.uint8).reshape(height, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", *(size or (width, height)), bits, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    data = (*((b"IHDR", header),), *chunks, (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in data)


def iccp(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"x\0\0" + zlib.compress(profile)


def chrm(*numbers: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(100000 * n) for n in numbers))


def gama(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(100000 * value))


# --- TIFF -----------------------------------------------------------------------------------------
Tags = dict[int, Any]
"""Values by tag: numbers, bytes, or a list of pages (SubIFDs)."""
_LONG = frozenset({256, 257, 273, 278, 279, 330})


def tiff_page(pixels: Array, photometric: int, **more: Any) -> tuple[Tags, bytes]:
    """A page of one strip, little-endian.

    Args:
        pixels: samples ``[H, W]`` or ``[H, W, N]``; ``[N, H, W]`` with ``t284=2``.
        more: other tags, as ``t338=(0,)``.
    """
    extra = {int(name[1:]): value for name, value in more.items()}
    planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
    count, height, width = planes.shape if extra.get(284) == 2 else (planes.shape[2], *planes.shape[:2])
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    tags: Tags = {
        256: width,
        257: height,
        258: (8 * pixels.dtype.itemsize,) * count,
        259: 1,
        262: photometric,
    }
    tags |= {277: count, 278: height, 339: (kind,) * count, **extra}
    return tags, pixels.tobytes()


def tiff(*pages: tuple[Tags, bytes]) -> bytes:
    """A TIFF file of some pages; a page within another is a list of pages in tag 330."""
    out = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for page in pages:
        struct.pack_into("<I", out, link, len(out) + len(out) % 2)
        link = _append(out, *page)
    return bytes(out)


def _append(out: bytearray, tags: Tags, data: bytes) -> int:
    """Add a page; returns where the place of the next one is to stand."""
    out += bytes(len(out) % 2)
    start = len(out)
    given = dict(tags)
    strips = given[277] if given.get(284) == 2 else 1
    given[279] = (len(data) // strips,) * strips
    given.setdefault(273, (0,) * strips)
    out += struct.pack("<H", len(given)) + bytes(12 * len(given) + 4)
    for k, (tag, value) in enumerate(sorted(given.items())):
        if tag == 273:
            places = [len(out) + n * given[279][0] for n in range(strips)]
            out += data
            value = tuple(places)
        if tag == 330:
            value = tuple(_inner(out, page) for page in value)
        kind, packed, count = _packed(tag, value)
        if len(packed) > 4:
            out += bytes(len(out) % 2)
            place = len(out)
            out += packed
            packed = struct.pack("<I", place)
        struct.pack_into("<HHI4s", out, start + 2 + 12 * k, tag, kind, count, packed)
    return start + 2 + 12 * len(given)


def _inner(out: bytearray, page: tuple[Tags, bytes]) -> int:
    start = len(out) + len(out) % 2
    _append(out, *page)
    return start


def _packed(tag: int, value: Any) -> tuple[int, bytes, int]:
    if isinstance(value, bytes):
        return 2 if tag == 271 else 1, value, len(value)
    values = value if isinstance(value, tuple) else (value,)
    if isinstance(values[0], float):
        parts = [n for v in values for n in (round(v * 10000), 10000)]
        return 5, struct.pack(f"<{len(parts)}I", *parts), len(values)
    return (4, struct.pack(f"<{len(values)}I", *values), len(values)) if tag in _LONG else (
        3, struct.pack(f"<{len(values)}H", *values), len(values)
    )  # fmt: skip


# --- boxes ----------------------------------------------------------------------------------------
def avif(pixels: Array = RGB, primaries: int = 1, transfer: int = 13, **options: Any) -> bytes:
    """An AVIF file with code points (nclx)."""
    data = saved(pixels, "AVIF", quality=95, subsampling="4:4:4", **options)
    return data.replace(b"nclx\0\1\0\x0d", b"nclx" + struct.pack(">HH", primaries, transfer))


def avif_by_av1(primaries: int, transfer: int) -> bytes:
    """An AVIF file without nclx, whose AV1 has code points, in place of those of sRGB."""
    data = avif().replace(b"nclx", b"none")
    start = data.index(b"mdat") + 4
    bits = "".join(f"{byte:08b}" for byte in data[start : start + 32])
    told, other = (f"{p:08b}{t:08b}" for p, t in ((1, 13), (primaries, transfer)))
    assert bits.count(told) == 1
    changed = int(bits.replace(told, other), 2).to_bytes(32, "big")
    return data[:start] + changed + data[start + 32 :]


def with_property(data: bytes, box: bytes) -> bytes:
    """An AVIF file of one image with one more property of it, at the end of those that it has."""
    more = len(box) + 1
    out = bytearray(data)
    ipma = data.index(b"ipma")
    count = data[ipma + 14]
    listed = int.from_bytes(data[ipma - 4 : ipma], "big") - 15 - 4
    assert listed == count, "one image, and an index of one byte"
    ipco = data.index(b"ipco")
    end = ipco - 4 + int.from_bytes(data[ipco - 4 : ipco], "big")
    properties = sum(1 for _ in _children(data[ipco + 4 : end]))
    out[ipma + 15 + count : ipma + 15 + count] = bytes(
        [0x80 | properties + 1]
    )  # essential, as what transforms must be
    out[ipma + 14] += 1
    out[end:end] = box
    for kind, grown in ((b"ipma", 1), (b"ipco", len(box)), (b"iprp", more), (b"meta", more)):
        place = bytes(out).index(kind) - 4
        struct.pack_into(">I", out, place, int.from_bytes(out[place : place + 4], "big") + grown)
    _move_items(out, more)
    return bytes(out)


def _children(data: bytes) -> Any:
    place = 0
    while place < len(data):
        yield place
        place += int.from_bytes(data[place : place + 4], "big")


def _move_items(out: bytearray, more: int) -> None:
    """Offsets in iloc of items behind meta (version 0, offsets and lengths of four bytes, one extent)."""
    iloc = bytes(out).index(b"iloc")
    assert out[iloc + 4] == 0 and out[iloc + 8] == 0x44 and out[iloc + 9] == 0
    for k in range(int.from_bytes(out[iloc + 10 : iloc + 12], "big")):
        place = iloc + 12 + 14 * k + 6
        struct.pack_into(">I", out, place, int.from_bytes(out[place : place + 4], "big") + more)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def clap(width: int, height: int, right: int = 0, down: int = 0) -> bytes:
    """A clean aperture around the middle, moved by some pixels."""
    return box(b"clap", struct.pack(">8i", width, 1, height, 1, right, 1, down, 1))


def jp2(enumerated: int = 16, pixels: Array = RGB) -> bytes:
    """A JP2 file in an enumerated colour space."""
    colr = struct.pack(">4sBBBI", b"colr", 1, 0, 0, 16)
    return saved(pixels, "JPEG2000").replace(colr, struct.pack(">4sBBBI", b"colr", 1, 0, 0, enumerated))


def jp2_with_profile(profile: bytes) -> bytes:
    """A JP2 file with an ICC profile."""
    data = saved(RGB, "JPEG2000")
    old = box(b"colr", struct.pack(">BBBI", 1, 0, 0, 16))
    new = box(b"colr", b"\2\0\0" + profile)
    head = data.index(b"jp2h") - 4
    size = int.from_bytes(data[head : head + 4], "big") + len(new) - len(old)
    return data[:head] + struct.pack(">I", size) + data[head + 4 :].replace(old, new)


def heif(brand: bytes, *others: bytes) -> bytes:
    """The start of an ISO base media file."""
    return box(b"ftyp", brand + bytes(4) + b"".join(others)) + box(b"meta", bytes(64))


# --- JPEG -----------------------------------------------------------------------------------------
def jpeg(pixels: Array | None = None, **options: Any) -> bytes:
    return saved(noise() if pixels is None else pixels, "JPEG", **{"quality": 90, **options})


def scan_of(data: bytes) -> tuple[int, int]:
    """Where the data of the first scan begins and the file ends, without its end marker."""
    header = data.index(b"\xff\xda")
    return header + 2 + int.from_bytes(data[header + 2 : header + 4], "big"), len(data) - 2


def jpeg_claiming(width: int, height: int, data: bytes) -> bytes:
    """A JPEG whose frame header claims another size."""
    place = next(data.index(bytes([0xFF, k])) for k in (0xC0, 0xC2) if bytes([0xFF, k, 0, 17]) in data)
    return data[: place + 5] + struct.pack(">HH", height, width) + data[place + 9 :]


def exif(space: int, index: str = "") -> bytes:
    """EXIF with a colour space and an interoperability index."""
    out = Image.Exif()
    out.get_ifd(0x8769)[0xA001] = space
    if index:
        out.get_ifd(0x8769)[0xA005] = {1: index}
    return out.tobytes()


def turned(orientation: int) -> bytes:
    """EXIF with an orientation."""
    out = Image.Exif()
    out[0x0112] = orientation
    return out.tobytes()
