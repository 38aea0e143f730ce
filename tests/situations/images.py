"""Image files: what samples mean, what is damaged, and what is no image that is read here."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import image_files as f
import numpy as np
from image_files import GREY, RGB, Array, chrm, gama, iccp, jpeg, png, tiff, tiff_page

from sdc.colour.profiles import profile_of
from sdc.format.colr import CodePoints

from . import Situation

TITLE = "Image files"

P3, ADOBE, L_STAR = CodePoints(12, 13), CodePoints(192, 192), CodePoints(1, 195)
REFUSED = "E_PICTURE"


def row(
    given: str,
    happens: str,
    make: Callable[[], bytes],
    said: str = "",
    code: str = "",
    *,
    want: Array | None = None,
    near: int = 0,
    colour: CodePoints | None = None,
    **read: Any,
) -> Situation:
    """A row of a file.

    Args:
        want: the pixels that it must give, grey or RGB.
        near: by how much they may differ.
        colour: the colour space that it must be said to be in; ``None`` for sRGB.
        read: options of ``read_image``.
    """
    options = {"want": want, "near": near, "colour": colour, "read": read}
    return Situation(given, happens, said, code, make, options)


def refused(given: str, make: Callable[[], bytes], said: str) -> Situation:
    return row(given, "refused", make, said, REFUSED)


# --- colour ---------------------------------------------------------------------------------------
def bright(gamma: float) -> Array:
    """The image as sRGB, whose samples are powers of light."""
    light = (RGB / 255) ** gamma
    return np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def cicp(primaries: int, transfer: int, whole: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, whole])


def profile(colour: CodePoints) -> bytes:
    made = profile_of(colour)
    assert made is not None
    return made


OF_P3 = chrm(0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
HDR = "samples of high dynamic range (…) are not read; map their tones to SDR first, with ffmpeg for instance"

COLOUR = [
    row("an ordinary JPEG", "read", lambda: jpeg(RGB), want=RGB, near=24),
    row("an ordinary PNG", "read", lambda: png(RGB), want=RGB),
    row("PNG with cICP for Display P3", "profile kept", lambda: png(RGB, cicp(12, 13)), want=RGB, colour=P3),
    row(
        "PNG with cICP for BT.2020, SDR",
        "profile kept",
        lambda: png(RGB, cicp(9, 14)),
        want=RGB,
        colour=CodePoints(9, 1),
    ),
    refused("PNG with cICP for PQ", lambda: png(RGB, cicp(9, 16)), HDR.replace("…", "PQ, cICP")),
    refused("PNG with cICP for HLG", lambda: png(RGB, cicp(9, 18)), HDR.replace("…", "HLG, cICP")),
    refused(
        "PNG with cICP and samples of narrow range",
        lambda: png(RGB, cicp(1, 13, 0)),
        "samples of narrow range (cICP) are not read; make it the full one",
    ),
    row(
        "PNG with cICP of an unknown number",
        "taken for sRGB",
        lambda: png(RGB, cicp(77, 13)),
        "the colour space 77, 13 (cICP) is not known and is taken for sRGB",
        want=RGB,
    ),
    row(
        "PNG with cICP for sRGB and another profile",
        "cICP counts",
        lambda: png(RGB, cicp(1, 13), iccp(profile(P3))),
        want=RGB,
    ),
    row(
        "PNG with a profile and a gamma",
        "the profile counts",
        lambda: png(RGB, iccp(profile(P3)), gama(1)),
        want=RGB,
        colour=P3,
    ),
    row("PNG with sRGB and a gamma", "sRGB counts", lambda: png(RGB, (b"sRGB", b"\0"), gama(1)), want=RGB),
    row(
        "PNG with gamma 1/2.2",
        "taken for sRGB, whose gamma that is",
        lambda: png(RGB, gama(0.45455)),
        want=RGB,
    ),
    row(
        "PNG with gamma 1.0",
        "converted, as browsers do",
        lambda: png(RGB, gama(1)),
        "colours of gamma 1 (gAMA) are converted to sRGB",
        want=bright(1),
        near=1,
    ),
    row(
        "PNG with gamma 1/1.8",
        "converted",
        lambda: png(RGB, gama(0.55556)),
        "colours of gamma 1.8 (gAMA) are converted to sRGB",
        want=bright(1.8),
        near=1,
    ),
    row(
        "grey PNG with gamma 1.0",
        "converted",
        lambda: png(GREY, gama(1)),
        "colours of gamma 1 (gAMA) are converted to sRGB",
        want=bright(1)[:, :, 0],
        near=1,
    ),
    row(
        "PNG with gamma 0",
        "left out",
        lambda: png(RGB, gama(0)),
        "a gamma of 0 (gAMA) makes no sense and is left out",
        want=RGB,
    ),
    row(
        "PNG with gamma and chromaticities of Display P3",
        "profile kept",
        lambda: png(RGB, gama(0.45455), OF_P3),
        want=RGB,
        colour=P3,
    ),
    row(
        "PNG with chromaticities that nobody uses",
        "converted",
        lambda: png(RGB, gama(0.45455), chrm(0.3127, 0.329, 0.66, 0.33, 0.25, 0.65, 0.15, 0.08)),
        "colours of gamma 2.2 (gAMA and cHRM) are converted to sRGB",
    ),
    row("AVIF, nclx for sRGB", "read", f.avif, want=RGB, near=12),
    row(
        "AVIF, nclx for Display P3", "profile kept", lambda: f.avif(RGB, 12, 13), want=RGB, near=12, colour=P3
    ),
    row(
        "AVIF, nclx for BT.2020, SDR",
        "profile kept",
        lambda: f.avif(RGB, 9, 14),
        want=RGB,
        near=12,
        colour=CodePoints(9, 1),
    ),
    row(
        "AVIF, nclx that leaves all unspecified",
        "taken for sRGB",
        lambda: f.avif(RGB, 2, 2),
        want=RGB,
        near=12,
    ),
    refused("AVIF, nclx for PQ", lambda: f.avif(RGB, 9, 16), HDR.replace("…", "PQ, nclx")),
    refused("AVIF, nclx for HLG", lambda: f.avif(RGB, 9, 18), HDR.replace("…", "HLG, nclx")),
    row(
        "AVIF without nclx, its AV1 for Display P3",
        "profile kept",
        lambda: f.avif_by_av1(12, 13),
        want=RGB,
        near=12,
        colour=P3,
    ),
    row(
        "AVIF with a clean aperture",
        "cropped to it",
        lambda: f.with_property(f.avif(), f.clap(16, 8, 2, 1)),
        want=RGB[9:17, 10:26],
        near=12,
    ),
    row(
        "AVIF with a clean aperture outside the image",
        "not cropped",
        lambda: f.with_property(f.avif(), f.clap(32, 24, 2, 1)),
        "the clean aperture (clap) leaves the image and is left out",
        want=RGB,
        near=12,
    ),
    row("JPEG 2000 in sRGB", "read", f.jp2, want=RGB),
    row("JPEG 2000 in ROMM RGB", "profile kept", lambda: f.jp2(21), want=RGB, colour=CodePoints(193, 194)),
    row(
        "JPEG 2000 with a profile",
        "profile kept",
        lambda: f.jp2_with_profile(profile(P3)),
        want=RGB,
        colour=P3,
    ),
    refused(
        "JPEG 2000 in CIELab",
        lambda: f.jp2(14),
        "JPEG 2000 in the colour space CIELab is not read; convert it to sRGB",
    ),
    row(
        "JPEG, EXIF for Adobe RGB (R03)",
        "profile kept",
        lambda: jpeg(RGB, exif=f.exif(65535, "R03")),
        want=RGB,
        near=24,
        colour=ADOBE,
    ),
    row(
        "JPEG, EXIF with colour space 2",
        "taken for Adobe RGB, profile kept",
        lambda: jpeg(RGB, exif=f.exif(2)),
        want=RGB,
        near=24,
        colour=ADOBE,
    ),
    row(
        "JPEG, EXIF that says uncalibrated and no more",
        "taken for sRGB",
        lambda: jpeg(RGB, exif=f.exif(65535)),
        want=RGB,
        near=24,
    ),
    row(
        "TIFF with chromaticities of Adobe RGB",
        "profile kept",
        lambda: tiff(tiff_page(RGB, 2, t318=(0.3127, 0.329), t319=(0.64, 0.33, 0.21, 0.71, 0.15, 0.06))),
        want=RGB,
        colour=ADOBE,
    ),
    row(
        "profile cut short",
        "dropped",
        lambda: jpeg(RGB, icc_profile=profile(P3)[:300]),
        "the colour profile is damaged or too large and is dropped",
        want=RGB,
        near=24,
    ),
    row(
        "profile that does not inflate",
        "dropped",
        lambda: png(RGB, (b"iCCP", b"x\0\0none")),
        "the colour profile is damaged or too large and is dropped",
        want=RGB,
    ),
    row(
        "profile of which a tag lies outside",
        "dropped",
        lambda: png(RGB, iccp(profile(P3)[:140] + b"\xff\xff" + profile(P3)[142:])),
        "the colour profile is damaged or too large and is dropped",
        want=RGB,
    ),
    row(
        "grey with a grey profile",
        "profile kept",
        lambda: f.saved(GREY, "PNG", icc_profile=grey_profile()),
        want=GREY,
        colour=L_STAR,
    ),
    row(
        "grey and alpha with a grey profile",
        "as without alpha",
        lambda: f.saved(np.dstack([GREY, GREY * 0 + 255]), "PNG", icc_profile=grey_profile()),
        want=GREY,
        colour=L_STAR,
    ),
    row(
        "CMYK without a profile",
        "converted",
        lambda: tiff(tiff_page(np.dstack([255 - RGB, GREY * 0]), 5)),
        "CMYK is converted to RGB",
        want=RGB,
    ),
]


def grey_profile() -> bytes:
    """A profile for grey samples that are lightness."""
    curve = profile(L_STAR)
    count = int.from_bytes(curve[128:132], "big")
    tags = {curve[132 + 12 * k : 136 + 12 * k]: curve[136 + 12 * k : 144 + 12 * k] for k in range(count)}
    names = {b"desc": b"desc", b"cprt": b"cprt", b"wtpt": b"wtpt", b"rTRC": b"kTRC"}
    start, table, body = 132 + 12 * len(names), b"", b""
    for old, new in names.items():
        place, size = struct.unpack(">II", tags[old])
        table += new + struct.pack(">II", start + len(body), size)
        body += curve[place : place + size] + bytes(-size % 4)
    head = curve[4:16] + b"GRAY" + curve[20:128] + struct.pack(">I", len(names))
    return struct.pack(">I", start + len(body)) + head + table + body


# --- samples --------------------------------------------------------------------------------------
GREY16 = GREY.astype(np.uint16) * 257
RGB16 = RGB.astype(np.uint16) * 257
CUT, ROUNDED = "16-bit samples are cut to 8 bits", "16-bit samples are rounded to 8 bits"
NO_RANGE = "TIFF (…): samples without a known range; scale them to 8 or 16 bits"
LEFT_OUT = "a sample beside the colours, no alpha by its tag, is left out"
TRANSPARENT = "the image is transparent in places; give the colour behind it with --background"
PUT = "transparent pixels are put on the background colour"
EMPTY = "alpha is 0 everywhere, and the image is taken for opaque"
CLEAR = np.where((GREY // 85 == 1)[:, :, None], np.array([9, 9, 9]), (GREY // 85 * 85)[:, :, None])


def with_alpha(alpha: Array) -> Array:
    return np.dstack([RGB, alpha])


SAMPLES = [
    row("16-bit grey PNG", "rounded", lambda: png(GREY16, bits=16), ROUNDED, want=GREY),
    row("16-bit RGB PNG", "cut", lambda: png(RGB16, bits=16), CUT, want=RGB),
    row("16-bit grey TIFF", "rounded", lambda: tiff(tiff_page(GREY16, 1)), ROUNDED, want=GREY),
    row(
        "16-bit grey whose samples are all small",
        "rounded",
        lambda: png(GREY16 // 256, bits=16),
        "16-bit samples, of which the largest is … of 65535, are rounded to 8 bits",
    ),
    row("16-bit grey JPEG 2000", "rounded", lambda: f.saved(GREY16, "JPEG2000"), ROUNDED, want=GREY, near=1),
    row("16-bit PPM", "cut", lambda: b"P6 32 24 65535\n" + RGB16.astype(">u2").tobytes(), CUT, want=RGB),
    row("TIFF of 8-bit grey, its least white", "read", lambda: tiff(tiff_page(255 - GREY, 0)), want=GREY),
    row(
        "TIFF of 16-bit grey, its least white",
        "read as positive",
        lambda: tiff(tiff_page(65535 - GREY16, 0)),
        ROUNDED,
        want=GREY,
    ),
    row(
        "TIFF of 8-bit RGB in planes",
        "read",
        lambda: tiff(tiff_page(np.ascontiguousarray(RGB.transpose(2, 0, 1)), 2, t284=2)),
        want=RGB,
    ),
    refused(
        "TIFF of 16-bit RGB in planes",
        lambda: tiff(tiff_page(np.ascontiguousarray(RGB16.transpose(2, 0, 1)), 2, t284=2)),
        "TIFF (16-bit RGB, in planes) is not read; convert it to samples side by side of one size: …",
    ),
    refused("TIFF of 32-bit grey", lambda: tiff(tiff_page(GREY.astype(np.uint32), 1)), NO_RANGE),
    refused("TIFF of 16-bit signed grey", lambda: tiff(tiff_page(GREY.astype(np.int16), 1)), NO_RANGE),
    refused("TIFF of 8-bit signed grey", lambda: tiff(tiff_page(GREY.astype(np.int8), 1)), NO_RANGE),
    refused(
        "TIFF of float RGB",
        lambda: tiff(tiff_page(RGB.astype(np.float32), 2)),
        NO_RANGE.replace("…", "32-bit float RGB"),
    ),
    row(
        "TIFF of RGB and infrared",
        "the fourth band is left out",
        lambda: tiff(tiff_page(with_alpha(GREY), 2, t338=(0,))),
        LEFT_OUT,
        want=RGB,
    ),
    row(
        "TIFF of RGB and two more bands",
        "they are left out",
        lambda: tiff(tiff_page(np.dstack([RGB, GREY, GREY]), 2, t338=(0, 0))),
        "2 samples beside the colours, no alpha by its tag, are left out",
        want=RGB,
    ),
    row(
        "TIFF of grey and another band",
        "it is left out",
        lambda: tiff(tiff_page(np.dstack([GREY, GREY]), 1, t338=(0,))),
        LEFT_OUT,
        want=GREY,
    ),
    refused(
        "TIFF of CMYK and alpha",
        lambda: tiff(tiff_page(np.dstack([RGB, GREY, GREY]), 5, t338=(2,))),
        "TIFF (8-bit CMYK with 1 more sample) is not read; convert it to 8-bit RGB",
    ),
    refused(
        "TIFF compressed by WebP",
        lambda: tiff(tiff_page(RGB, 2, t259=50001)),
        "TIFF (8-bit RGB, compressed by WebP) is not read; convert it to RGB without compression",
    ),
    refused(
        "TIFF compressed by another codec that is not there",
        lambda: tiff(tiff_page(RGB, 2, t259=34887)),
        "TIFF (8-bit RGB, compressed by LERC) is not read; convert it to 8-bit RGB",
    ),
    refused("pixels that are transparent in places", lambda: f.saved(with_alpha(GREY), "PNG"), TRANSPARENT),
    row(
        "the same, with --background",
        "put on the colour",
        lambda: f.saved(with_alpha(GREY), "PNG"),
        PUT,
        background=(9, 9, 9),
    ),
    *(
        row(
            f"{bits}-bit grey PNG with a transparent value, --background",
            "put on the colour",
            partial(png, GREY // 85 * value, (b"tRNS", bytes([0, value])), bits=bits),
            PUT,
            want=CLEAR,
            background=(9, 9, 9),
        )
        for bits, value in ((2, 1), (4, 5))
    ),
    refused(
        "2-bit grey PNG with a transparent value",
        lambda: png(GREY // 85, (b"tRNS", b"\0\1"), bits=2),
        TRANSPARENT,
    ),
    refused(
        "16-bit RGB PNG with a transparent value",
        lambda: png(RGB16, (b"tRNS", bytes(6)), bits=16),
        "16-bit colours with a transparent one are not read; convert the image to RGBA",
    ),
    row(
        "TGA with alpha that its header denies",
        "opaque",
        lambda: tga(0),
        "the header of the TGA says that there is no alpha, and the image is taken for opaque",
        want=RGB,
    ),
    row("TGA whose alpha is 0 everywhere", "opaque", lambda: tga(8), EMPTY, want=RGB),
    row("BMP whose alpha is 0 everywhere", "opaque", lambda: bmp4(0), EMPTY, want=RGB),
    row(
        "PNG whose alpha is 0 everywhere",
        "opaque",
        lambda: f.saved(with_alpha(GREY * 0), "PNG"),
        EMPTY,
        want=RGB,
    ),
    refused(
        "PNG that is transparent everywhere and has one colour",
        lambda: f.saved(with_alpha(GREY * 0) * 0, "PNG"),
        TRANSPARENT,
    ),
]


def tga(bits: int) -> bytes:
    """A TGA of 32 bits whose alpha is 0, and of whose alpha the header names so many bits."""
    pixels = with_alpha(GREY * 0)[:, :, [2, 1, 0, 3]]
    return struct.pack("<3B5x4H2B", 0, 0, 2, 0, 0, 32, 24, 32, 0x20 | bits) + pixels.tobytes()


def bmp4(alpha: int) -> bytes:
    """A BMP, version 4, with a mask of alpha."""
    pixels = with_alpha(GREY * 0 + alpha)[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 32, 24, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    return (
        struct.pack("<2sIII", b"BM", 122 + len(pixels), 0, 122)
        + header
        + masks
        + b"BGRs"
        + bytes(48)
        + pixels
    )


# --- files that are not what they seem ------------------------------------------------------------
def cut_scan(data: bytes, share: float, end: bytes = b"\xff\xd9") -> bytes:
    """A JPEG of which only a share of the first scan is there."""
    start, stop = f.scan_of(data)
    return data[: start + int(share * (stop - start))].rstrip(b"\xff") + end


def with_more(data: bytes) -> bytes:
    return data[:-2] + bytes(range(1, 200)) + b"\xff\xd9"


def flipped(data: bytes) -> bytes:
    """A JPEG with other bytes in the middle of its scan."""
    start, stop = f.scan_of(data)
    middle = (start + stop) // 2
    return data[:middle] + b"\x12\x34\x56\x78" * 4 + data[middle + 16 :]


def without_last_scan(data: bytes) -> bytes:
    return data[: data.rindex(b"\xff\xda")] + b"\xff\xd9"


def without_restart(data: bytes) -> bytes:
    start, stop = data.index(b"\xff\xd1"), data.index(b"\xff\xd2")
    return data[:start] + data[stop:]


RAW = (
    "a camera raw file is not read here, only its preview could be; develop it with a raw converter such as "
    "dcraw, darktable or RawTherapee"
)
EARLY = "the JPEG is damaged: its data ends early, from row … of 64"
PREVIEW = RGB[::3, ::3].copy()
OFFICE = png(RGB)

SEEM = [
    refused("an empty file", lambda: b"", "the file is empty"),
    refused(
        "a file of zeros", lambda: bytes(999), "the file is 999 bytes of zeros: nothing was written into it"
    ),
    refused("text", lambda: b"hello " * 99, "not an image in a format that is read here; convert it to PNG"),
    *(
        refused(name, partial(bytes, data), f"{name} is not read here; {how}")
        for name, how, data in (
            ("HEIC", "convert it with heif-convert (libheif) or ImageMagick: …", f.heif(b"heic")),
            ("HEIF without AV1", "convert it with heif-convert …", f.heif(b"mif1", b"mif1")),
            ("JPEG XL", "convert it with djxl (libjxl): djxl in.jxl out.png", b"\xff\x0a" + bytes(range(99))),
            ("a camera raw file (CR2)", "develop it with …", b"II*\0\x10\0\0\0CR\2\0" + bytes(99)),
            ("a camera raw file (CR3)", "develop it with …", f.heif(b"crx ")),
            ("a PDF document", "draw its page with pdftoppm (Poppler): …", b"%PDF-1.7\n" + bytes(99)),
            ("SVG", "draw it with rsvg-convert (librsvg) or Inkscape", b'<?xml version="1.0"?>\n<svg/>'),
            ("a Photoshop document", "convert it with ImageMagick: …", b"8BPS\0\1" + bytes(99)),
            (
                "DICOM",
                "convert it with dcm2img (DCMTK), which applies its window",
                bytes(128) + b"DICM" + b"x" * 99,
            ),
            ("a video (MP4 or MOV)", "take a frame with ffmpeg: …", f.heif(b"isom", b"mp42")),
            (
                "a page of HTML, as servers send in place of a file",
                "fetch the image itself",
                b"<!DOCTYPE html><p>404",
            ),
            (
                "a pointer of Git LFS",
                "fetch the file with git lfs pull",
                b"version https://git-lfs.github.com/spec/v1\n",
            ),
            ("a ZIP archive", "unpack it first", b"PK\3\4" + bytes(99)),
        )
    ),
    refused(
        "a DNG, whose first page is a preview",
        lambda: tiff(tiff_page(PREVIEW, 2, t254=1, t50706=(1, 4, 0, 0), t330=[tiff_page(GREY16, 32803)])),
        RAW,
    ),
    refused(
        "a raw file by what its pages hold",
        lambda: tiff(tiff_page(PREVIEW, 2, t254=1, t271=b"NIKON\0", t330=[tiff_page(GREY16, 32803)])),
        RAW,
    ),
    refused(
        "a raw file by its compression",
        lambda: tiff(tiff_page(PREVIEW, 2, t254=1), tiff_page(GREY16, 1, t259=34713)),
        RAW,
    ),
    row(
        "a pyramid, the smallest page first",
        "the largest is read",
        lambda: tiff(tiff_page(PREVIEW, 2, t254=1), tiff_page(RGB, 2)),
        "page 2 of 2 is read; the first is a smaller copy",
        want=RGB,
    ),
    row(
        "a pyramid, the largest page first",
        "read",
        lambda: tiff(tiff_page(RGB, 2), tiff_page(PREVIEW, 2, t254=1)),
        want=RGB,
    ),
    refused(
        "a pyramid whose pages lie in SubIFDs of a preview",
        lambda: tiff(tiff_page(PREVIEW, 2, t254=1, t330=[tiff_page(RGB, 2)])),
        "the first page is a smaller copy of one of 32 x 24 that is not reached (SubIFDs); …",
    ),
    row(
        "several pages",
        "the first is read",
        lambda: tiff(tiff_page(RGB, 2), tiff_page(RGB, 2)),
        "only the first of 2 frames is read",
        want=RGB,
    ),
    row(
        "several pages, of which a later one is far larger",
        "the first is read",
        lambda: tiff(tiff_page(PREVIEW, 2), tiff_page(RGB, 2)),
        "only the first of 2 frames is read; there is one of 32 x 24",
        want=PREVIEW,
    ),
    row(
        "JPEG whose end marker alone is missing",
        "read",
        lambda: jpeg()[:-2],
        "the end marker of the JPEG is missing",
    ),
    row(
        "the same, half of the marker there",
        "read",
        lambda: jpeg()[:-1],
        "the end marker of the JPEG is missing",
    ),
    refused(
        "JPEG cut off in its data",
        lambda: cut_scan(jpeg(), 0.5, b""),
        "the JPEG is truncated: it ends after row … of 64",
    ),
    refused(
        "progressive JPEG cut off between its scans",
        lambda: without_last_scan(jpeg(progressive=True))[:-2],
        "the JPEG is truncated: it ends within its data",
    ),
    refused(
        "JPEG cut off in its header",
        lambda: jpeg()[:100],
        "the JPEG is truncated: 100 bytes, and no image data among them",
    ),
    row(
        "JPEG cut off, with an end marker behind",
        "read as far as it goes",
        lambda: cut_scan(jpeg(), 0.5),
        EARLY,
    ),
    row(
        "the same, progressive",
        "read as far as it goes",
        lambda: cut_scan(jpeg(progressive=True), 0.4),
        EARLY,
    ),
    row(
        "JPEG without its last scan",
        "read, coarse",
        lambda: without_last_scan(jpeg(progressive=True)),
        "the JPEG is damaged: its last scans, with the details, are missing",
    ),
    row("JPEG with foreign bytes in its data", "read", lambda: flipped(jpeg()), "the JPEG is damaged: …"),
    row(
        "JPEG with more data than pixels",
        "read",
        lambda: with_more(jpeg()),
        "the JPEG is damaged: there is more data than its pixels take",
    ),
    row(
        "JPEG without one of its restart intervals",
        "read",
        lambda: without_restart(jpeg(restart_marker_rows=1)),
        "the JPEG is damaged: …",
    ),
    refused(
        "a small JPEG that claims 16000 x 16000 pixels",
        lambda: f.jpeg_claiming(16000, 16000, jpeg()),
        "… bytes of data cannot hold 16000 x 16000 pixels",
    ),
    refused(
        "a small PNG that claims 16000 x 16000 pixels",
        lambda: png(RGB, size=(16000, 16000)),
        "… bytes of data cannot hold 16000 x 16000 pixels",
    ),
    refused(
        "a small TIFF that claims 16000 x 16000 pixels",
        lambda: tiff(tiff_page(RGB, 2, t256=16000, t257=16000)),
        "… bytes of data cannot hold 16000 x 16000 pixels",
    ),
    refused(
        "a small BMP that claims 16000 x 16000 pixels",
        lambda: (lambda d: d[:18] + struct.pack("<ii", 16000, 16000) + d[26:])(f.saved(RGB, "BMP")),
        "… bytes cannot hold 16000 x 16000 pixels",
    ),
    refused(
        "a small GIF that claims 65535 x 65535 pixels",
        lambda: (lambda d: d[:6] + b"\xff" * 4 + d[10:])(f.saved(RGB, "GIF")),
        "… bytes cannot hold 65535 x 65535 pixels",
    ),
    refused(
        "12-bit JPEG",
        lambda: jpeg().replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
        "12-bit JPEG is not read here; convert it to PNG",
    ),
    refused(
        "lossless JPEG",
        lambda: jpeg().replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
        "lossless JPEG is not read here; convert it to PNG",
    ),
    row(
        "PNG with a wrong CRC in a chunk that is not needed",
        "read without it",
        lambda: png(RGB, (b"tEXt", b"a\0bcd")).replace(b"bcd", b"bce"),
        "the CRC of the chunk tEXt is wrong, and it is left out",
        want=RGB,
    ),
    refused(
        "PNG with a wrong CRC in its data",
        lambda: OFFICE[:60] + b"xx" + OFFICE[62:],
        "the PNG is damaged: the CRC of IDAT is wrong",
    ),
    row(
        "PNG with a wrong CRC at its end",
        "read",
        lambda: OFFICE[:-1] + b"x",
        "the CRC of the chunk IEND is wrong, and it is left out",
        want=RGB,
    ),
    row(
        "PNG whose end alone is missing",
        "read",
        lambda: OFFICE[:-12],
        "the end of the PNG is missing",
        want=RGB,
    ),
    refused(
        "PNG cut off",
        lambda: OFFICE[:-40],
        "the PNG is truncated: it ends before its data does, after … bytes",
    ),
    row(
        "PNG with a text of megabytes",
        "read",
        lambda: png(RGB, (b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 21)))),
        want=RGB,
    ),
    refused(
        "WebP cut off", lambda: f.saved(f.noise(), "WEBP")[:200], "the WebP is truncated: 200 of … bytes"
    ),
    refused(
        "AVIF cut off", lambda: f.avif()[:300], "the AVIF is truncated: it ends in a box, after 300 bytes"
    ),
    refused(
        "JPEG 2000 cut off",
        lambda: f.jp2()[:200],
        "the JPEG 2000 is truncated: it ends in a box, after 200 bytes",
    ),
    refused(
        "TIFF cut off in compressed data",
        lambda: tiff(tiff_page(RGB, 2, t259=5))[:-500],
        "the TIFF is truncated: its data ends at byte …",
    ),
    refused("GIF cut off", lambda: f.saved(f.noise(), "GIF")[:2000], "the GIF is truncated: …"),
    refused(
        "a stream of SDC",
        lambda: b"\xd3SDC" + bytes(99),
        "a stream of SDC is not read here; sdc decode makes an image of it",
    ),
]


def with_xmp(data: bytes, packet: bytes) -> bytes:
    """A JPEG with XMP."""
    content = b"http://ns.adobe.com/xap/1.0/\0" + packet
    return data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(content)) + content + data[2:]


def two_in_one(packet: bytes) -> bytes:
    """A JPEG with another behind it (MPF)."""
    other = f.Image.fromarray(GREY)
    return with_xmp(f.saved(RGB, "MPO", save_all=True, append_images=[other]), packet)


def twelve_bits() -> bytes:
    """A TIFF of packed 12-bit grey."""
    pairs = (GREY.astype(int) * 4095 // 255).reshape(24, -1, 2)
    first, second = pairs[:, :, 0], pairs[:, :, 1]
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], 2).astype(np.uint8)
    return tiff(({**tiff_page(GREY, 1)[0], 258: (12,)}, packed.tobytes()))


def palette(scale: int) -> bytes:
    """A TIFF of a palette of all greys."""
    return tiff(tiff_page(GREY, 3, t320=tuple(scale * (k % 256) for k in range(768))))


def claiming(data: bytes, width: int, height: int, old: tuple[int, int]) -> bytes:
    """A file in which another width and height stand in place of its own, as two numbers of four bytes."""
    return data.replace(struct.pack(">II", *old), struct.pack(">II", width, height))


SHORT = "has a wrong length and is left out"
REPORTED = [
    row(
        "TIFF of packed 12-bit grey",
        "scaled",
        twelve_bits,
        "12-bit samples are rounded to 8 bits",
        want=GREY,
        near=1,
    ),
    row(
        "TIFF whose palette has 8 bits in place of 16",
        "read as meant",
        lambda: palette(1),
        "the palette of the TIFF has 8 bits in place of 16",
        want=GREY,
    ),
    row("TIFF with a palette", "read", lambda: palette(257), want=GREY),
    row(
        "PNG with a gamma of two bytes",
        "read without it",
        lambda: png(RGB, (b"gAMA", b"\0\0")),
        f"the chunk gAMA {SHORT}",
        want=RGB,
    ),
    row(
        "PNG with a transparent value of one byte",
        "read without it",
        lambda: png(RGB, (b"tRNS", b"\0")),
        f"the chunk tRNS {SHORT}",
        want=RGB,
    ),
    row(
        "PNG with an empty profile",
        "read without it",
        lambda: png(RGB, (b"iCCP", b"")),
        "the colour profile is damaged or too large and is dropped",
        want=RGB,
    ),
    row(
        "RGB with a profile for CMYK",
        "dropped",
        lambda: png(RGB, iccp(profile(P3)[:16] + b"CMYK" + profile(P3)[20:])),
        "the CMYK colour profile is dropped",
        want=RGB,
    ),
    row(
        "RGB with a profile for grey",
        "dropped",
        lambda: png(RGB, iccp(profile(P3)[:16] + b"GRAY" + profile(P3)[20:])),
        "the GRAY colour profile is dropped",
        want=RGB,
    ),
    row(
        "JPEG without Huffman tables, as webcams send",
        "read with the usual ones",
        lambda: without_tables(jpeg()),
    ),
    row(
        "JPEG with a gain map (Ultra HDR)",
        "read without it",
        lambda: two_in_one(b'<x hdrgm:Version="1.0"/>'),
        "the gain map for brighter displays is left out",
        want=RGB,
        near=24,
    ),
    row(
        "JPEG with a second image (MPF)",
        "the first is read",
        lambda: two_in_one(b"<x/>"),
        "only the first of 2 frames is read",
        want=RGB,
        near=24,
    ),
    refused(
        "JPEG whose second half are zeros, as of a download that stopped",
        lambda: jpeg()[:2500] + bytes(2000),
        "the JPEG is truncated: its last … bytes are zeros",
    ),
    row("JPEG whose last bytes are missing", "read as far as it goes", lambda: jpeg()[:-10], EARLY),
    row(
        "JPEG with zeros in the middle of its data",
        "read",
        lambda: jpeg()[:2500] + bytes(100) + jpeg()[2600:],
        "the JPEG is damaged: …",
    ),
    row(
        "JPEG with bytes between its data and its end",
        "read",
        lambda: jpeg()[:-2] + bytes(50) + b"\xff\xd9",
        "the JPEG is damaged: there is more data than its pixels take",
    ),
    row("JPEG with other data behind its end", "read", lambda: jpeg(RGB) + b"more" * 99, want=RGB, near=24),
    refused(
        "JPEG behind other bytes",
        lambda: b"\n\n" + jpeg(),
        "the JPEG begins behind 2 bytes that are no image; remove these",
    ),
    refused(
        "a PNG whose line ends were changed, as in a text",
        lambda: OFFICE.replace(b"\r\n", b"\n"),
        "a PNG whose line ends were changed, as in a text is not read here; fetch it again, as bytes",
    ),
    refused(
        "an image in base64",
        lambda: b"data:image/png;base64,iVBORw0KGgo=",
        "an image in base64 is not read here; decode it first: base64 -d",
    ),
    refused(
        "a small JPEG 2000 that claims 16000 x 16000 pixels in tiles",
        lambda: tiled(16000, 16000),
        "… bytes of data cannot hold 16000 x 16000 pixels",
    ),
    refused(
        "a small AVIF that claims 16000 x 16000 pixels",
        lambda: claiming(f.avif(), 16000, 16000, (32, 24)),
        "the AVIF claims 16000 x 16000 pixels, and its data has 32 x 24",
    ),
]


def without_tables(data: bytes) -> bytes:
    """A JPEG without Huffman tables."""
    while (place := data.find(b"\xff\xc4")) > 0:
        data = data[:place] + data[place + 2 + int.from_bytes(data[place + 2 : place + 4], "big") :]
    return data


def tiled(width: int, height: int) -> bytes:
    """A JPEG 2000 that claims a size of which its data is one tile."""
    data = claiming(f.jp2(), height, width, (24, 32))
    place = data.index(b"\xff\x51") + 6
    return data[:place] + struct.pack(">II", width, height) + data[place + 8 :]


ROWS = [*COLOUR, *SAMPLES, *SEEM, *REPORTED]
