"""Image files to 8-bit RGB, by Pillow.

Whatever a file is, it becomes ``uint8 [H, W, 3]`` with what had to be done to it said in words, or is refused
in words: EXIF orientation is applied, colour profiles of RGB and known ones of greys are kept, and those of
other colours are converted to sRGB.
What Pillow does not tell is looked up in the file itself (:mod:`.facts` and the modules of each format).
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import SdcError
from ..notes import Notes
from ..paths import PathLike, open_file
from ..types import MAX_SIDE, Colour, Limits, Pixels
from .boxes import avif_facts, jp2_facts
from .colour import meaning, narrowed, to_rgb, widened, without_alpha
from .exif import ORIENTATION
from .facts import Facts
from .jpeg import jpeg_facts
from .kinds import begins_later, not_read, read_as, without_content
from .metadata import Attached, attached
from .plain import plain_facts
from .png import png_facts
from .scans import check_scans
from .tiff import refused_layout, tiff_facts

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
        _check_kind(data)
        facts = _facts_of(data, notes)
        with _unguarded(), Image.open(io.BytesIO(facts.data), formats=readable()) as image:
            width, height = image.size
            if max(width, height) > MAX_SIDE or width * height > max_pixels:
                raise SdcError(
                    "E_PICTURE", f"{width} x {height} pixels are more than the limit, {max_pixels}"
                )
            if image.format == "TGA":  # which no bytes give away
                facts = plain_facts(data, "TGA")
            _load(image, data, facts, notes)
            return _converted(image, facts, background, notes)
    except UnidentifiedImageError:
        raise SdcError("E_PICTURE", _unidentified(data)) from None
    except (SdcError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them
        raise SdcError("E_PICTURE", _unreadable(data, error)) from None


def _bytes_of(source: bytes | PathLike) -> bytes:
    if isinstance(source, (str, os.PathLike)):
        with open_file(source) as file:
            return file.read()
    return bytes(source)


# --- what the file says of itself -----------------------------------------------------------------
def _check_kind(data: bytes) -> None:
    """Refuse by name what is not read here."""
    empty = without_content(data)
    if empty:
        raise SdcError("E_PICTURE", empty)
    kind = not_read(data[:4096])
    if kind is not None:
        raise SdcError("E_PICTURE", str(kind))


_LOOKS: dict[str, Callable[[bytes, Notes], Facts]] = {
    "JPEG": lambda data, notes: jpeg_facts(data),
    "PNG": png_facts,
    "TIFF": tiff_facts,
    "AVIF": avif_facts,
    "JPEG 2000": jp2_facts,
}


def _facts_of(data: bytes, notes: Notes) -> Facts:
    """What a file says of itself, before Pillow looks at it."""
    name = read_as(data)
    look = _LOOKS.get(name)
    return plain_facts(data, name) if look is None else look(data, notes)


def _unidentified(data: bytes) -> str:
    """Why Pillow knows no format, in words."""
    name = read_as(data)
    later = begins_later(data)
    if not name and later is not None:
        return f"the {later[0]} begins behind {later[1]} bytes that are no image; remove these"
    if not name:
        return "not an image in a format that is read here; convert it to PNG"
    if name == "TIFF":
        return f"TIFF ({refused_layout(data)}) is not read; convert it to 8-bit RGB"
    if name == "AVIF" and "AVIF" not in readable():
        return "AVIF is not read by this Pillow; install Pillow 11.3 or later"
    return f"the {name} is cut off, damaged, or of a kind that is not read; convert it to PNG"


def _unreadable(data: bytes, error: Exception) -> str:
    """Why Pillow's reader failed, in words."""
    name, what = read_as(data), " ".join(str(error).split()) or type(error).__name__
    if name == "TIFF" and what.startswith("decoder error"):
        return f"TIFF ({refused_layout(data)}) is damaged or not read; convert it to uncompressed RGB"
    if "truncated" in what or "not enough" in what:
        return f"the {name or 'image'} is truncated: {what}"
    return f"the {name or 'image'} cannot be read: {what}"


# --- its pixels -----------------------------------------------------------------------------------
def _load(image: Image.Image, data: bytes, facts: Facts, notes: Notes) -> None:
    """Load the pixels of the image that is to be read, and say which it is and whether it is whole."""
    index, why = facts.frame
    if index:
        image.seek(index)
        notes.add(why)
    frames = int(getattr(image, "n_frames", 1)) if facts.frames is None else facts.frames
    if _has_gain_map(image):
        notes.add("the gain map for brighter displays is left out")
    elif frames > 1 and not index:
        larger = "" if facts.larger is None else "; there is one of {} x {}".format(*facts.larger)
        notes.add(f"only the first of {frames} frames is read{larger}")
    image.load()
    if facts.palette and image.mode == "P":
        image.putpalette(facts.palette)
    if read_as(data) == "JPEG":
        check_scans(data, image, notes)
    if facts.bits > 8 and not image.mode.startswith("I"):
        how = "rounded" if image.format == "AVIF" else "cut"
        notes.add(f"{facts.bits}-bit samples are {how} to 8 bits")


def _has_gain_map(image: Image.Image) -> bool:
    """Whether behind a JPEG stands what makes it brighter (ISO 21496-1, Ultra HDR)."""
    xmp = image.info.get("xmp") or b""
    return image.format in ("JPEG", "MPO") and (b"hdrgm:" in xmp or b"GainMap" in xmp)


def _converted(image: Image.Image, facts: Facts, background: Colour | None, notes: Notes) -> SourceImage:
    means = meaning(image, facts, notes)
    orientation = _orientation(image)
    turn = TURNS.get(orientation)
    about = attached(image, notes)
    image = widened(narrowed(image, facts, notes), facts)
    if facts.crop is not None and facts.crop[2] <= image.width and facts.crop[3] <= image.height:
        image = image.crop(facts.crop)
    if turn is not None:
        image = image.transpose(turn)
    image, alpha = without_alpha(image, facts, notes)
    image, icc = to_rgb(image, means, notes)
    pixels = np.array(image, np.uint8)
    if alpha is not None and int(alpha.min()) < 255:
        pixels = _on_background(pixels, alpha, background, notes)
    turned = 1 if turn is None else orientation
    return SourceImage(np.ascontiguousarray(pixels), icc, about, tuple(notes), turned)


def _on_background(pixels: Pixels, alpha: Pixels, background: Colour | None, notes: Notes) -> Pixels:
    """Pixels on a colour.

    Raises:
        SdcError: ``E_PICTURE`` where there is none.
    """
    if background is None:
        raise SdcError(
            "E_PICTURE", "the image is transparent in places; give the colour behind it with --background"
        )
    weight = alpha.astype(np.uint32)[:, :, None]
    mixed = pixels * weight + np.array(background, np.uint32) * (255 - weight)
    notes.add("transparent pixels are put on the background colour")
    on: Pixels = ((mixed + 127) // 255).astype(np.uint8)
    return on


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (as it is) where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse the image
        return 1
