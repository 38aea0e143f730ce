"""What a file is by its first bytes, and why it is not read where it is not.

Nothing is guessed: a name is given only where the bytes are those of the format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import itemgetter

from ..format.chunks import MAGIC

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class Kind:
    """A kind of file that is not read here.

    Attributes:
        name: what it is, with an article where it needs one.
        advice: what makes an image of it that is read.
        shows: whether it shows something, as images, pages and videos do.
    """

    name: str
    advice: str
    shows: bool = True

    def __str__(self) -> str:
        return f"{self.name} is not read here; {self.advice}"


_HEIF = "convert it with heif-convert (libheif) or ImageMagick: heif-convert in.heic out.png"
_JXL = "convert it with djxl (libjxl): djxl in.jxl out.png"
_RAW = "develop it with a raw converter such as dcraw, darktable or RawTherapee"
_MAGICK = "convert it with ImageMagick: magick in out.png"
_PAGE = "draw its page with pdftoppm (Poppler): pdftoppm -png in.pdf out"
_VIDEO = "take a frame with ffmpeg: ffmpeg -i in -frames:v 1 out.png"
_UNPACK = "unpack it first"
_DOWNLOAD = "fetch the image itself"
_AS_BYTES = "fetch it again, as bytes"
_BASE64 = "decode it first: base64 -d"

_MAGICS: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\xff\x0a", Kind("JPEG XL", _JXL)),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", Kind("JPEG XL", _JXL)),
    (0, b"II*\0\x10\0\0\0CR", Kind("a camera raw file (CR2)", _RAW)),
    (0, b"IIRO", Kind("a camera raw file (ORF)", _RAW)),
    (0, b"IIRS", Kind("a camera raw file (ORF)", _RAW)),
    (0, b"MMOR", Kind("a camera raw file (ORF)", _RAW)),
    (0, b"IIU\0", Kind("a camera raw file (RW2)", _RAW)),
    (0, b"FUJIFILMCCD-RAW", Kind("a camera raw file (RAF)", _RAW)),
    (0, b"FOVb", Kind("a camera raw file (X3F)", _RAW)),
    (0, b"\0MRM", Kind("a camera raw file (MRW)", _RAW)),
    (0, b"%PDF-", Kind("a PDF document", _PAGE)),
    (0, b"%!PS", Kind("PostScript", "draw it with Ghostscript or ImageMagick")),
    (0, b"\xc5\xd0\xd3\xc6", Kind("PostScript", "draw it with Ghostscript or ImageMagick")),
    (0, b"8BPS", Kind("a Photoshop document", _MAGICK)),
    (0, b"gimp xcf", Kind("a GIMP image", _MAGICK)),
    (0, b"v/1\x01", Kind("OpenEXR", "map its tones to 8 bits first, with ImageMagick for instance")),
    (0, b"#?RADIANCE", Kind("Radiance HDR", "map its tones to 8 bits first, with ImageMagick for instance")),
    (0, b"#?RGBE", Kind("Radiance HDR", "map its tones to 8 bits first, with ImageMagick for instance")),
    (0, b"DDS ", Kind("a DirectDraw surface", _MAGICK)),
    (0, b"\xabKTX ", Kind("a KTX texture", "decode it with the KTX tools first")),
    (0, b"II\xbc", Kind("JPEG XR", "convert it with JxrDecApp (jxrlib)")),
    (0, b"BPG\xfb", Kind("BPG", "convert it with bpgdec")),
    (0, b"FLIF", Kind("FLIF", "convert it with flif: flif -d in.flif out.png")),
    (0, b"AT&TFORM", Kind("DjVu", "draw its page with ddjvu (DjVuLibre)")),
    (128, b"DICM", Kind("DICOM", "convert it with dcm2img (DCMTK), which applies its window")),
    (0, b"SIMPLE  =", Kind("FITS", "scale its samples to 8 or 16 bits first")),
    (0, b"\0\0\x01\0", Kind("an icon", _MAGICK)),
    (0, b"\x8aMNG", Kind("MNG", _MAGICK)),
    (0, b"farbfeld", Kind("farbfeld", _MAGICK)),
    (0, b"P7\n", Kind("PAM", _MAGICK)),
    (0, b"\x01\xda", Kind("SGI", _MAGICK)),
    (0, b"\x59\xa6\x6a\x95", Kind("Sun raster", _MAGICK)),
    (0, b"/* XPM */", Kind("XPM", _MAGICK)),
    (0, b"\x93NUMPY", Kind("a NumPy array", "give the array itself to sdc.encode", False)),
    (0, b"\x89HDF", Kind("HDF5", "take the image out of it first", False)),
    (0, b"PK\x03\x04", Kind("a ZIP archive", _UNPACK, False)),
    (0, b"\x1f\x8b", Kind("a gzip file", _UNPACK, False)),
    (0, b"BZh", Kind("a bzip2 file", _UNPACK, False)),
    (0, b"\xfd7zXZ\0", Kind("an xz file", _UNPACK, False)),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK, False)),
    (0, b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK, False)),
    (0, b"\x1a\x45\xdf\xa3", Kind("a Matroska or WebM video", _VIDEO)),
    (8, b"AVI ", Kind("an AVI video", _VIDEO)),
    (
        0,
        b"\0\x05\x16\x07",
        Kind("what macOS keeps beside a file (AppleDouble)", "take the file without ._", False),
    ),
    (0, b"\x89PNG\n\x1a\n", Kind("a PNG whose line ends were changed, as in a text", _AS_BYTES)),
    (0, b"\x89PNG\r\r\n", Kind("a PNG whose line ends were changed, as in a text", _AS_BYTES)),
    (0, b"\xef\xbf\xbd", Kind("a file that was read as text, by which bytes are lost,", _AS_BYTES)),
    (0, b"\xc3\xbf\xc3\x98", Kind("a JPEG that was written as text", _AS_BYTES)),
    (0, b"\xc2\x89PNG", Kind("a PNG that was written as text", _AS_BYTES)),
    (0, b"data:image/", Kind("an image in base64", _BASE64)),
    (0, b"/9j/", Kind("an image in base64", _BASE64)),
    (0, b"iVBORw0KGgo", Kind("an image in base64", _BASE64)),
    (0, b"version https://git-lfs", Kind("a pointer of Git LFS", "fetch the file with git lfs pull", False)),
    (0, MAGIC, Kind("a stream of SDC", "sdc decode makes an image of it", False)),
)
"""Place, bytes, and what is there."""

_BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), Kind("HEIC", _HEIF)
    ),
    **dict.fromkeys(
        (b"avci", b"avcs", b"j2ki", b"j2is", b"jpeg", b"jpgs", b"vvic", b"evmi"), Kind("HEIF", _HEIF)
    ),
    b"crx ": Kind("a camera raw file (CR3)", _RAW),
    b"jxl ": Kind("JPEG XL", _JXL),
    **dict.fromkeys(
        (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"qt  ", b"M4V ", b"3gp4"),
        Kind("a video (MP4 or MOV)", _VIDEO),
    ),
}
"""By the brands of an ISO base media file."""

RAW_SUFFIXES = frozenset(
    f".{name}"
    for name in "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 "
    "srf srw x3f".split()
)
"""Endings of the names of camera raw files, many of which begin as TIFF files do."""


def raw() -> Kind:
    """A camera raw file of any kind."""
    return Kind("a camera raw file", _RAW)


_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def brands_of(data: bytes) -> list[bytes]:
    """Brands of an ISO base media file, the major one first; none of any other file."""
    if data[4:8] != b"ftyp":
        return []
    size = min(int.from_bytes(data[:4], "big"), len(data), 1 << 12)
    return [data[8:12], *(data[k : k + 4] for k in range(16, size - 3, 4))]


def _by_brand(data: bytes) -> Kind | None:
    brands = brands_of(data)
    if _AVIF_BRANDS & set(brands):
        return None
    named = next((_BRANDS[brand] for brand in brands if brand in _BRANDS), None)
    return named or (Kind("HEIF without AV1", _HEIF) if {b"mif1", b"msf1"} & set(brands) else None)


_TEXT = (
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>]*>\s*)?<svg", re.DOTALL), "SVG"),
    (re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE), "HTML"),
    (re.compile(rb"\s*<\?xml"), "XML"),
    (re.compile(rb'\s*([{]\s*["}]|\[\s*[\[{"\d\]])'), "JSON"),
)
_OF_TEXT = {
    "SVG": Kind("SVG", "draw it with rsvg-convert (librsvg) or Inkscape"),
    "HTML": Kind("a page of HTML, as servers send in place of a file", _DOWNLOAD, False),
    "XML": Kind("XML", _DOWNLOAD, False),
    "JSON": Kind("JSON", _DOWNLOAD, False),
}


def not_read(data: bytes) -> Kind | None:
    """What a file is that is not read here; ``None`` where it may be, or where nobody knows.

    Args:
        data: the file, or its first 4,096 bytes.
    """
    for place, magic, kind in _MAGICS:
        if data.startswith(magic, place):
            return kind
    found = _by_brand(data)
    if found is not None:
        return found
    start = data[:1024].removeprefix(b"\xef\xbb\xbf")
    return next((_OF_TEXT[name] for pattern, name in _TEXT if pattern.match(start)), None)


def without_content(data: bytes) -> str:
    """Why a file holds nothing at all, in words; empty where it may hold something."""
    if not data:
        return "the file is empty"
    return "" if data.strip(b"\0") else f"the file is {len(data)} bytes of zeros: nothing was written into it"


def begins_later(data: bytes) -> tuple[str, int] | None:
    """Name and place of an image that stands behind some other bytes, near the start of a file."""
    found = {name: data.find(sign, 1, 4096) for name, sign in (("JPEG", b"\xff\xd8\xff"), ("PNG", PNG_MAGIC))}
    return min(((name, place) for name, place in found.items() if place > 0), key=itemgetter(1), default=None)


_SIGNS = (
    (0, b"\xff\xd8", "JPEG"),
    (0, PNG_MAGIC, "PNG"),
    *((0, magic, "TIFF") for magic in TIFF_MAGICS),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"qoif", "QOI"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    *((0, b"P%d" % k + space, "PNM") for k in range(1, 7) for space in (b"\n", b" ", b"\r", b"\t")),
)
_BMP_HEADERS = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
"""Sizes of the second header of a BMP file."""


def read_as(data: bytes) -> str:
    """Name of the format that is read here and as which a file begins; empty where it is none of them."""
    if _AVIF_BRANDS & set(brands_of(data)):
        return "AVIF"
    if data.startswith(b"BM") and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return next((name for place, magic, name in _SIGNS if data.startswith(magic, place)), "")
