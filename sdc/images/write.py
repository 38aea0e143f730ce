"""8-bit RGB to image files, by Pillow."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..errors import SdcError
from ..notes import Notes
from ..types import Pixels
from .metadata import NOTHING, Attached, options_of

WRITABLE: dict[str, dict[str, Any]] = {
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
    "PPM": {},
    "TGA": {},
    "QOI": {},
    "JPEG2000": {},
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
"""Formats that are written, with the options by which each loses as little as it can."""


LOSSY = {"JPEG", "AVIF"}
WITH_ALPHA = {"PNG", "TIFF", "WEBP", "TGA", "QOI", "JPEG2000", "AVIF"}
WITH_PROFILE = {"PNG", "TIFF", "WEBP", "JPEG", "AVIF"}
WITH_ATTACHED = WITH_PROFILE
LARGEST = {"JPEG": 65533 - 29}
"""Bytes of EXIF or XMP that a format holds, behind the longer one of the words that stand in front."""
REFUSED = {"GIF": "it holds 256 colours", "PDF": "it is no image format"}


def format_of(suffix: str) -> str:
    """Pillow's name of the format of a file name's suffix, which must be one that is written here.

    Raises:
        SdcError: ``E_USAGE``.
    """
    name = Image.registered_extensions().get(suffix.lower())
    if name not in WRITABLE or name not in Image.SAVE:
        what = f"{name}, since {REFUSED[name]}" if name in REFUSED else suffix or "a file without suffix"
        raise SdcError("E_USAGE", f"images are not written as {what}; use .png")
    return name


def rgba(pixels: Pixels, covered: npt.NDArray[np.bool_]) -> Pixels:
    """Pixels with an alpha channel: 255 where they were decoded; 0, and black, elsewhere (RECO-04).

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        covered: ``bool [H, W]``.

    Returns:
        ``uint8 [H, W, 4]``.
    """
    out: Pixels = np.dstack([pixels, np.full(covered.shape, 255, np.uint8)]) * covered[:, :, None]
    return out


def write_image(
    pixels: Pixels,
    covered: npt.NDArray[np.bool_] | None,
    icc_profile: bytes | None,
    suffix: str,
    attached: Attached = NOTHING,
) -> tuple[bytes, tuple[str, ...]]:
    """Bytes of an image file.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        covered: ``bool [H, W]``; the other pixels become transparent.  ``None`` for all.
        icc_profile: colour profile to embed.
        suffix: of the file's name, such as ``.png``, which sets the format.
        attached: EXIF and XMP to write.

    Returns:
        ``(the bytes, what the file does not keep, in words)``.

    Raises:
        SdcError: ``E_USAGE`` for a format that cannot be written, or cannot hold transparency that there is.
        MemoryError: there is not enough of it.
    """
    name = format_of(suffix)
    notes = Notes("E_PICTURE")
    if covered is not None and not covered.all():
        if name not in WITH_ALPHA:
            raise SdcError(
                "E_USAGE", f"{name} has no transparency for what is not decoded; use --fill, or .png"
            )
        image = Image.fromarray(rgba(pixels, covered))
    else:
        image = Image.fromarray(pixels)
    options = dict(WRITABLE[name])
    if icc_profile is not None and name in WITH_PROFILE:
        options["icc_profile"] = icc_profile
    elif icc_profile is not None:
        notes.add(f"{name} does not hold the colour profile")
    options |= options_of(name, _fitting(name, attached, notes))
    if name in LOSSY:
        notes.add(f"{name} is lossy: its pixels are not those of the stream")
    out = io.BytesIO()
    try:
        image.save(out, name, **options)
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # a size that the format cannot hold, told by each of Pillow's writers in its way
        what = " ".join(str(error).split()) or type(error).__name__
        raise SdcError("E_USAGE", f"the image cannot be written as {name}: {what}") from None
    return out.getvalue(), tuple(notes)


def _fitting(name: str, attached: Attached, notes: Notes) -> Attached:
    """EXIF and XMP as far as a format holds them; what it does not hold is said."""
    exif, xmp = attached.exif, attached.xmp
    limit = LARGEST.get(name, sys.maxsize) if name in WITH_ATTACHED else -1
    if exif is not None and len(exif) > limit:
        notes.add(f"{name} does not hold the EXIF")
        exif = None
    if xmp is not None and len(xmp) > limit:
        notes.add(f"{name} does not hold the XMP")
        xmp = None
    return Attached(exif, xmp)
