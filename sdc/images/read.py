"""Image files to 8-bit RGB, by Pillow.

Whatever a file is, it becomes ``uint8 [H, W, 3]`` with what had to be done to it said in words, or is refused
in words: EXIF orientation is applied, colour profiles of RGB and known ones of greys are kept, and those of
other colours are converted to sRGB.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import SdcError
from ..notes import Notes
from ..paths import PathLike, open_file
from ..types import MAX_SIDE, Colour, Limits, Pixels
from .colour import has_16_bits, in_rgb, narrowed, without_alpha
from .exif import ORIENTATION
from .metadata import Attached, attached

MAX_PIXELS = Limits().pixels

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of the EXIF orientation."""


_READABLE = (
    *("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM"),
    *("JPEG2000", "AVIF", "TGA", "QOI"),
)
"""Formats that are read.  Others of Pillow's run programs (EPS) or are no images (MPEG, HDF5)."""


@cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here, those of them that this Pillow has."""
    Image.init()
    return tuple(name for name in _READABLE if name in Image.OPEN)


def is_image(name: str) -> bool:
    """Whether a file's name ends as those of a format that is read here."""
    return Image.registered_extensions().get(os.path.splitext(name)[1].lower()) in _READABLE


@dataclass(frozen=True, eq=False)
class SourceImage:
    """An image as read.

    Attributes:
        pixels: ``uint8 [H, W, 3]`` RGB.
        icc_profile: its RGB colour profile; ``None`` for sRGB.
        attached: its EXIF and XMP, with an orientation of 1.
        notes: what was done to it that loses something, in words.
        turned: EXIF orientation by which it has been turned, 2 to 8; 1 where it has not.
    """

    pixels: Pixels
    icc_profile: bytes | None
    attached: Attached
    notes: tuple[str, ...]
    turned: int = 1


@contextmanager
def _unguarded() -> Iterator[None]:
    """Turn Pillow's limit of pixels and its warnings off: ours is checked before pixels are read."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def read_image(
    source: bytes | PathLike,
    *,
    background: Colour | None = None,
    max_pixels: int = MAX_PIXELS,
    strict: bool = False,
) -> SourceImage:
    """Read an image file.

    Args:
        source: its bytes or its path, in one of the formats of :func:`readable`.
        background: colour to put behind transparent pixels; without one they are refused.
        max_pixels: largest image accepted.
        strict: whether what would be a note is an error.

    Raises:
        SdcError: ``E_PICTURE``; ``E_INPUT`` or ``E_IO`` for a path.
        MemoryError: there is not enough of it.
    """
    data = _bytes_of(source)
    notes = Notes("E_PICTURE", strict=strict)
    try:
        with _unguarded(), Image.open(io.BytesIO(data), formats=readable()) as image:
            width, height = image.size
            if max(width, height) > MAX_SIDE or width * height > max_pixels:
                raise SdcError(
                    "E_PICTURE", f"{width} x {height} pixels are more than the limit, {max_pixels}"
                )
            if len(image.getbands()) > 1 and has_16_bits(data, image):
                notes.add("16-bit samples are cut to 8 bits")
            return _converted(image, background, notes)
    except UnidentifiedImageError:
        raise SdcError("E_PICTURE", "not an image in a format that is read here; convert it to PNG") from None
    except (SdcError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them
        what = " ".join(str(error).split()) or type(error).__name__
        raise SdcError("E_PICTURE", f"the image cannot be read: {what}") from None


def _bytes_of(source: bytes | PathLike) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        with open_file(source) as file:
            return file.read()
    return bytes(source)


def _converted(image: Image.Image, background: Colour | None, notes: Notes) -> SourceImage:
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        notes.add(f"only the first of {frames} frames is read")
    image.load()
    icc = image.info.get("icc_profile") or None
    orientation = _orientation(image)
    turn = TURNS.get(orientation)
    about = attached(image, notes)
    image = narrowed(image, notes)
    if turn is not None:
        image = image.transpose(turn)
    image, alpha = without_alpha(image)
    image, icc = in_rgb(image, icc, notes)
    pixels = np.array(image, np.uint8)
    if alpha is not None and int(alpha.min()) < 255:
        if background is None:
            raise SdcError(
                "E_PICTURE", "the image is transparent in places; give the colour behind it with --background"
            )
        weight = alpha.astype(np.uint32)[:, :, None]
        mixed = pixels * weight + np.array(background, np.uint32) * (255 - weight)
        pixels = ((mixed + 127) // 255).astype(np.uint8)
        notes.add("transparent pixels are put on the background colour")
    return SourceImage(
        np.ascontiguousarray(pixels), icc, about, tuple(notes), 1 if turn is None else orientation
    )


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (as it is) where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse the image
        return 1
