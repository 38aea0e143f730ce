"""Picture files to 8-bit RGB and back, by Pillow.

Whatever a file is, it becomes ``uint8 [H, W, 3]`` with what had to be done to it said in words, or is refused
in words: EXIF orientation is applied, RGB colour profiles are kept, others are converted to sRGB.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, TiffImagePlugin, UnidentifiedImageError

from .container import ICC_BYTES, Limits
from .errors import SdcError
from .objects import MAX_SIDE

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

MAX_PIXELS = Limits().pixels
ORIENTATION = 0x0112
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
"""Formats that are read.  Others of Pillow's run programs (EPS) or are no pictures (MPEG, HDF5)."""

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
REFUSED = {"GIF": "it holds 256 colours", "PDF": "it is no format of pictures"}


@cache
def readable() -> tuple[str, ...]:
    """Pillow's names of the formats that are read here, those of them that this Pillow has."""
    Image.init()
    return tuple(name for name in _READABLE if name in Image.OPEN)


def is_picture(name: str) -> bool:
    """Whether a file's name ends as those of a format that is read here."""
    return Image.registered_extensions().get(os.path.splitext(name)[1].lower()) in _READABLE


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read.

    Attributes:
        pixels: ``uint8 [H, W, 3]`` RGB.
        icc: its RGB colour profile; ``None`` for sRGB.
        notes: what was done to it that loses something, in words.
    """

    pixels: Pixels
    icc: bytes | None
    notes: tuple[str, ...]


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


def read_picture(data: bytes, *, background: Colour | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture file.

    Args:
        data: its bytes, in one of the formats of :func:`readable`.
        background: colour to put behind transparent pixels; without one they are refused.
        max_pixels: largest picture accepted.

    Raises:
        SdcError: ``E_PICTURE``.
        MemoryError: there is not enough of it.
    """
    try:
        with _unguarded(), Image.open(io.BytesIO(data), formats=readable()) as image:
            width, height = image.size
            if max(width, height) > MAX_SIDE or width * height > max_pixels:
                raise SdcError("E_PICTURE", f"{width} x {height} pixels are more than is accepted")
            picture = _converted(image, background)
            if len(image.getbands()) > 1 and _has_16_bits(data, image):
                picture = replace(picture, notes=("16-bit samples are cut to 8 bits", *picture.notes))
            return picture
    except UnidentifiedImageError:
        raise SdcError("E_PICTURE", "not a picture in a format that is known here") from None
    except (SdcError, MemoryError):
        raise
    except Exception as error:  # Pillow's readers raise whatever a broken file makes them
        what = " ".join(str(error).split()) or type(error).__name__
        raise SdcError("E_PICTURE", f"the picture cannot be read: {what}") from None


def _has_16_bits(data: bytes, image: Image.Image) -> bool:
    """Whether samples of a PNG or TIFF file have 16 bits, which Pillow cuts to 8 where there are colours."""
    bits = image.tag_v2.get(258, ()) if isinstance(image, TiffImagePlugin.TiffImageFile) else ()
    return 16 in bits or (data[:4] == b"\x89PNG" and data[24] == 16)


def _converted(image: Image.Image, background: Colour | None) -> Picture:
    notes: list[str] = []
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1:
        notes.append(f"the first of {frames} frames is taken")
    image.load()
    icc = image.info.get("icc_profile") or None
    turn = TURNS.get(_orientation(image))
    image = _narrowed(image, notes)
    if turn is not None:
        image = image.transpose(turn)
    image, alpha = _without_alpha(image)
    image, icc = _in_rgb(image, icc, notes)
    pixels = np.array(image, np.uint8)
    if alpha is not None and int(alpha.min()) < 255:
        if background is None:
            raise SdcError(
                "E_PICTURE", "the picture is transparent in places: give a colour with --background"
            )
        weight = alpha.astype(np.uint32)[:, :, None]
        mixed = pixels * weight + np.array(background, np.uint32) * (255 - weight)
        pixels = ((mixed + 127) // 255).astype(np.uint8)
        notes.append("transparent pixels are put on the background colour")
    return Picture(np.ascontiguousarray(pixels), icc, tuple(notes))


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (as it is) where there is none or it cannot be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # broken metadata is no reason to refuse the picture
        return 1


def _narrowed(image: Image.Image, notes: list[str]) -> Image.Image:
    """16-bit grey samples as 8-bit ones."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise SdcError("E_PICTURE", f"samples of {values.dtype} have no known range")
    notes.append("16-bit samples are rounded to 8 bits")
    narrow = Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        narrow.putalpha(Image.fromarray((values != clear).astype(np.uint8) * np.uint8(255)))
    return narrow


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Pixels | None]:
    """The colours of a picture alone, and its alpha channel if it has one."""
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB") if image.mode in ("P", "1") else image, None
    image = image.convert("RGBA")
    return image.convert("RGB"), np.array(image.getchannel("A"))


def _in_rgb(image: Image.Image, icc: bytes | None, notes: list[str]) -> tuple[Image.Image, bytes | None]:
    """A picture in RGB, and its colour profile if that is for RGB."""
    if image.mode not in ("L", "RGB", "CMYK", "YCbCr", "HSV", "LAB"):
        raise SdcError("E_PICTURE", f"pictures of mode {image.mode} are not handled")
    if image.mode == "CMYK":
        notes.append("CMYK is converted to RGB")
    if icc is None:
        return image.convert("RGB"), None
    space = icc[16:20].decode("latin-1").strip()
    if icc[36:40] != b"acsp" or not ICC_BYTES[0] <= len(icc) <= ICC_BYTES[1]:
        notes.append("the colour profile is broken or too large and is dropped")
    elif space == "RGB":
        return image.convert("RGB"), icc
    else:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.createProfile("sRGB")
            turned = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
        except Exception:  # a profile that is not for these samples, or that littleCMS cannot read
            turned = None
        if turned is not None:
            notes.append(f"the {space} colour profile is converted to sRGB")
            return turned, None
        notes.append(f"the {space} colour profile is dropped")
    return image.convert("RGB"), None


def format_of(suffix: str) -> str:
    """Pillow's name of the format of a file name's suffix, which must be one that is written here.

    Raises:
        SdcError: ``E_USAGE``.
    """
    name = Image.registered_extensions().get(suffix.lower())
    if name not in WRITABLE or name not in Image.SAVE:
        what = f"{name}, since {REFUSED[name]}" if name in REFUSED else suffix or "a file without suffix"
        raise SdcError("E_USAGE", f"pictures are not written as {what}; PNG will do")
    return name


def write_picture(
    pixels: Pixels, covered: npt.NDArray[np.bool_] | None, icc: bytes | None, suffix: str
) -> tuple[bytes, tuple[str, ...]]:
    """Bytes of a picture file.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        covered: ``bool [H, W]``; the other pixels become transparent.  ``None`` for all.
        icc: colour profile to embed.
        suffix: of the file's name, such as ``.png``, which sets the format.

    Returns:
        ``(the bytes, what the file does not keep, in words)``.

    Raises:
        SdcError: ``E_USAGE`` for a format that cannot be written, or cannot hold transparency that there is.
        MemoryError: there is not enough of it.
    """
    name = format_of(suffix)
    image = Image.fromarray(pixels)
    notes: list[str] = []
    if covered is not None and not covered.all():
        if name not in WITH_ALPHA:
            raise SdcError(
                "E_USAGE", f"{name} has no transparency for what is not decoded: give a colour with --fill"
            )
        image.putalpha(Image.fromarray(covered.astype(np.uint8) * np.uint8(255)))
    options = dict(WRITABLE[name])
    if icc is not None and name in WITH_PROFILE:
        options["icc_profile"] = icc
    elif icc is not None:
        notes.append(f"{name} does not hold the colour profile")
    if name in LOSSY:
        notes.append(f"{name} loses: pixels are not those of the stream")
    out = io.BytesIO()
    try:
        image.save(out, name, **options)
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # a size that the format cannot hold, told by each of Pillow's writers in its way
        what = " ".join(str(error).split()) or type(error).__name__
        raise SdcError("E_USAGE", f"the picture cannot be written as {name}: {what}") from None
    return out.getvalue(), tuple(notes)
