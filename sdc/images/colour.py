"""Samples to 8-bit RGB: bit depth, alpha, colour profiles."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

from ..colour.profiles import profile_for
from ..colour.recognise import is_profile, recognised
from ..errors import SdcError
from ..notes import Notes
from ..types import Pixels


def has_16_bits(data: bytes, image: Image.Image) -> bool:
    """Whether samples of a PNG or TIFF file have 16 bits, which Pillow cuts to 8 where there are colours."""
    bits = image.tag_v2.get(258, ()) if isinstance(image, TiffImagePlugin.TiffImageFile) else ()
    return 16 in bits or (data[:4] == b"\x89PNG" and data[24] == 16)


def narrowed(image: Image.Image, notes: Notes) -> Image.Image:
    """16-bit grey samples as 8-bit ones."""
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise SdcError(
            "E_PICTURE", f"samples of type {values.dtype} have no known range; convert them to 8 or 16 bits"
        )
    notes.add("16-bit samples are rounded to 8 bits")
    narrow = Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        narrow.putalpha(Image.fromarray((values != clear).astype(np.uint8) * np.uint8(255)))
    return narrow


def without_alpha(image: Image.Image) -> tuple[Image.Image, Pixels | None]:
    """The colours of an image alone, and its alpha channel if it has one."""
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB") if image.mode in ("P", "1") else image, None
    image = image.convert("RGBA")
    return image.convert("RGB"), np.array(image.getchannel("A"))


def in_rgb(image: Image.Image, icc: bytes | None, notes: Notes) -> tuple[Image.Image, bytes | None]:
    """An image in RGB, and its colour profile if that is for RGB, or for grey and a known one."""
    if image.mode not in ("L", "RGB", "CMYK", "YCbCr", "HSV", "LAB"):
        raise SdcError("E_PICTURE", f"images of mode {image.mode} are not read; convert the image to RGB")
    if image.mode == "CMYK":
        notes.add("CMYK is converted to RGB")
    if icc is None:
        return image.convert("RGB"), None
    if not is_profile(icc):
        notes.add("the colour profile is damaged or too large and is dropped")
        return image.convert("RGB"), None
    space = icc[16:20].decode("latin-1").strip()
    if space == "RGB":
        return image.convert("RGB"), icc
    image = _as_grey(image) if space == "GRAY" else image
    known = recognised(icc) if image.mode == "L" else None
    if known is not None:
        return image.convert("RGB"), profile_for(known, None)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except Exception:  # a profile that is not for these samples
        turned = None
    if turned is not None:
        notes.add(f"the {space} colour profile is converted to sRGB")
        return turned, None
    notes.add(f"the {space} colour profile is dropped")
    return image.convert("RGB"), None


def _as_grey(image: Image.Image) -> Image.Image:
    """An image in RGB that holds greys alone, as one of greys; any other as it is."""
    if image.mode != "RGB":
        return image
    pixels = np.asarray(image)
    return Image.fromarray(pixels[:, :, 0]) if (pixels == pixels[:, :, :1]).all() else image
