"""EXIF and XMP of image files: taken from Pillow, made to fit what is encoded, and stripped."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image, PngImagePlugin, TiffImagePlugin

from ..format.chunks import EXIF, XMPP
from ..format.deflated import content_sizes
from ..notes import Notes
from .exif import GPS, THUMBNAIL, Unreadable, upright, without, without_orientation

PREFIX = b"Exif\0\0"
"""What stands in front of EXIF in JPEG."""

_OF_TIFF = (
    *(0x010E, 0x010F, 0x0110, 0x0112, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132),
    *(0x013B, 0x8298),
)
"""Tags of a TIFF file that are EXIF of its image, and not about the layout of the file."""

_XMP_TAG = 700
_TURNED = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]")
_PARTS_OF_XMP = {
    GPS: (
        rb"\s[\w-]+:GPS\w+\s*=\s*(\"[^\"]*\"|'[^']*')",
        rb"<([\w-]+:GPS\w+)\b[^>]*?(/>|>.*?</\1\s*>)",
    ),
    THUMBNAIL: (rb"<([\w-]+:Thumbnails)\b[^>]*?(/>|>.*?</\1\s*>)",),
}
_LEFT_IN_XMP = {GPS: rb"GPS", THUMBNAIL: rb"Thumbnail|xmpGImg|:image\b"}
"""What shows that a part is still there."""


@dataclass(frozen=True)
class Attached:
    """EXIF and XMP of an image.

    Attributes:
        exif: as it begins in a TIFF file.
        xmp: XML in UTF-8.
    """

    exif: bytes | None = None
    xmp: bytes | None = None


NOTHING = Attached()


def attached(image: Image.Image, notes: Notes) -> Attached:
    """EXIF and XMP of an image file as it was opened, with an orientation of 1.

    Args:
        image: as opened; its pixels are not looked at.
        notes: what is dropped is said here.
    """
    return Attached(_exif_of(image, notes), _xmp_of(image, notes))


def _exif_of(image: Image.Image, notes: Notes) -> bytes | None:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        block = _exif_of_tiff(image)
    else:
        block = bytes(image.info.get("exif") or b"").removeprefix(PREFIX)
    if not block:
        return None
    least, most = content_sizes(EXIF)
    try:
        if not least <= len(block) <= most:
            raise Unreadable("a wrong size")
        return upright(block)
    except Unreadable:
        notes.add("EXIF is damaged or too large and is dropped")
        return None


def _exif_of_tiff(image: Image.Image) -> bytes:
    """EXIF of a TIFF file, in whose directory it stands beside the layout of the file."""
    out = _tags_of_image(image.getexif())
    return out.tobytes().removeprefix(PREFIX) if len(out) else b""


def _tags_of_image(own: Image.Exif) -> Image.Exif:
    """Those tags that are about the image, and not about the layout of a file."""
    out = Image.Exif()
    for tag in _OF_TIFF:
        if tag in own:
            out[tag] = own[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        found = own.get_ifd(directory)
        if found:
            out.get_ifd(directory).update(found)
            out[directory] = out.get_ifd(directory)
    return out


def _xmp_of(image: Image.Image, notes: Notes) -> bytes | None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    if not packet:
        return None
    _, most = content_sizes(XMPP)
    try:
        packet.decode("utf-8")
    except UnicodeDecodeError:
        most = 0
    if len(packet) > most:
        notes.add("XMP is damaged or too large and is dropped")
        return None
    return _TURNED.sub(rb"\g<1>1", packet)


def stripped(whole: Attached, parts: Collection[str] | None, notes: Notes) -> Attached:
    """EXIF and XMP without some of their parts.

    Args:
        parts: of :data:`.exif.PARTS`; ``None`` for everything.
        notes: what is dropped besides is said here.
    """
    if parts is None:
        return NOTHING
    if not parts:
        return whole
    return Attached(_without_in_exif(whole.exif, parts, notes), _without_in_xmp(whole.xmp, parts, notes))


def _without_in_exif(block: bytes | None, parts: Collection[str], notes: Notes) -> bytes | None:
    if block is None:
        return None
    try:
        return without(block, parts)
    except Unreadable:
        notes.add(f"EXIF is damaged and is dropped, since {' or '.join(parts)} might be left in it")
        return None


def _without_in_xmp(packet: bytes | None, parts: Collection[str], notes: Notes) -> bytes | None:
    if packet is None:
        return None
    for part in parts:
        for pattern in _PARTS_OF_XMP[part]:
            packet = re.sub(pattern, b"", packet, flags=re.DOTALL)
        if re.search(_LEFT_IN_XMP[part], packet):
            notes.add(f"XMP is dropped, since {part} might be left in it")
            return None
    return packet


def options_of(name: str, whole: Attached) -> dict[str, Any]:
    """Options by which Pillow writes EXIF and XMP into a file of a format, one that holds them.

    Args:
        name: of the format.
    """
    options: dict[str, Any] = {}
    if name == "TIFF":
        own = Image.Exif()
        own.load(PREFIX + whole.exif if whole.exif else b"")
        options["exif"] = _tags_of_image(own)
        if whole.xmp is not None:
            options["exif"][_XMP_TAG] = whole.xmp
        return options
    if whole.exif is not None:
        # Pillow writes the orientation of AVIF elsewhere, and for that makes EXIF anew, with less in it.
        options["exif"] = PREFIX + (without_orientation(whole.exif) if name == "AVIF" else whole.exif)
    if whole.xmp is not None and name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", whole.xmp.decode())
    elif whole.xmp is not None:
        options["xmp"] = whole.xmp
    return options
