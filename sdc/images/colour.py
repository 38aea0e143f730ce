"""What samples mean, and samples to 8-bit RGB: bit depth, alpha, colour spaces.

:func:`meaning` is the one place that decides about colour.
The order is that of PNG, third edition, of MIAF and of Exif: code points of PNG, ICC profile, what else the
format says (sRGB, gamma and chromaticities, nclx, JP2, tags of TIFF), EXIF; else sRGB.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageCms

from ..colour.profiles import profile_for, profile_of, profile_of_power
from ..colour.recognise import recognised, whole_profile
from ..colour.spaces import Primaries, chromaticities_of, known_primaries
from ..errors import SdcError
from ..format.colr import SRGB, CodePoints
from ..notes import Notes
from ..types import Pixels
from .facts import Claim, Facts, Measured, Tagged

ADOBE_RGB = CodePoints(192, 192)
UNSPECIFIED = 2
_HDR = {16: "PQ", 18: "HLG"}
_EXIF, _INTEROPERABILITY, _COLOUR_SPACE, _INDEX = 0x8769, 0xA005, 0xA001, 1

OF_SRGB = 2.2
"""The power that a gamma stands for where the curve of sRGB is meant, up to 2 in 100."""
DARK = 4096
"""The largest of 16-bit samples is said where it lies below."""


def narrowed(image: Image.Image, facts: Facts, notes: Notes) -> Image.Image:
    """Grey samples of more than 8 bits as 8-bit ones.

    Raises:
        SdcError: ``E_PICTURE`` for samples that have no known range.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.array(image)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise SdcError(
            "E_PICTURE", f"samples of type {values.dtype} have no known range; convert them to 8 or 16 bits"
        )
    values = np.minimum(values, facts.most).astype(np.uint32)
    clear = image.info.get("transparency")
    opaque = values != clear if isinstance(clear, int) else None
    if facts.negative:
        values = facts.most - values
    bits = 16 if facts.bits == 8 else facts.bits
    few = 0 < int(values.max()) < DARK < facts.most
    which = f", of which the largest is {values.max()} of {facts.most}," if few else ""
    notes.add(f"{bits}-bit samples{which} are rounded to 8 bits")
    narrow = Image.fromarray(((values * 255 + facts.most // 2) // facts.most).astype(np.uint8))
    if opaque is not None:
        narrow.putalpha(Image.fromarray(opaque.astype(np.uint8) * np.uint8(255)))
    return narrow


def widened(image: Image.Image, facts: Facts) -> Image.Image:
    """Samples of JPEG 2000 of less than 8 bits, which Pillow shifts, over all of 8 bits."""
    if not facts.shifted or facts.bits >= 8 or image.mode in ("P", "PA"):
        return image
    most = (1 << facts.bits) - 1
    curve = [(k >> (8 - facts.bits)) * 255 // most for k in range(256)]
    return image.point(curve * len(image.getbands()))


def without_alpha(image: Image.Image, facts: Facts, notes: Notes) -> tuple[Image.Image, Pixels | None]:
    """The colours of an image alone, and its alpha channel if it has one that says something."""
    if image.mode in ("La", "RGBa"):
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if facts.clear is not None:
        grey = image.convert("L")
        return grey, np.where(np.asarray(grey) == facts.clear, 0, 255).astype(np.uint8)
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB") if image.mode in ("P", "1") else image, None
    plain = "L" if image.mode == "LA" else "RGB"
    image = image.convert("LA" if image.mode == "LA" else "RGBA")
    colours, alpha = image.convert(plain), np.array(image.getchannel("A"))
    why = facts.opaque or _empty(colours, alpha)
    if why:
        notes.add(f"{why}, and the image is taken for opaque")
        return colours, None
    return colours, alpha


def _empty(colours: Image.Image, alpha: Pixels) -> str:
    """Why an alpha channel hides an image that is there; empty where it does not."""
    if alpha.max():
        return ""
    extrema = np.reshape(colours.getextrema(), (-1, 2))
    return "alpha is 0 everywhere" if (extrema[:, 0] != extrema[:, 1]).any() else ""


# --- the meaning of samples -----------------------------------------------------------------------
def meaning(image: Image.Image, facts: Facts, notes: Notes) -> bytes | Measured | None:
    """What the samples of an image mean.

    Args:
        image: as Pillow gives it.

    Returns:
        An ICC profile, or a colour space that its numbers describe; ``None`` for sRGB.

    Raises:
        SdcError: ``E_PICTURE`` for samples of high dynamic range.
    """
    profile = image.info.get("icc_profile") or facts.profile
    for claim in (facts.above, profile, *facts.below, *_of_exif(image)):
        if isinstance(claim, bytes):
            whole = whole_profile(claim)
            if whole is not None:
                return whole
            notes.add("the colour profile is damaged or too large and is dropped")
        elif isinstance(claim, Tagged) and claim.points != (UNSPECIFIED, UNSPECIFIED):
            return _of_points(claim, notes)
        elif isinstance(claim, Measured):
            return _of_numbers(claim)
    return None


def _of_exif(image: Image.Image) -> Iterator[Claim]:
    """What EXIF says: Adobe RGB by its colour space, or by its interoperability index (DCF, R03)."""
    try:
        exif = image.getexif()
        space = exif.get_ifd(_EXIF).get(_COLOUR_SPACE)
        index = exif.get_ifd(_INTEROPERABILITY).get(_INDEX)
    except Exception:  # broken metadata is no reason to refuse the image
        return
    if space == 2 or (space != 1 and str(index).startswith("R03")):
        yield Tagged(ADOBE_RGB, "EXIF")


def _of_points(claim: Tagged, notes: Notes) -> bytes | None:
    primaries, transfer = claim.points
    if transfer in _HDR:
        raise SdcError(
            "E_PICTURE",
            f"samples of high dynamic range ({_HDR[transfer]}, {claim.source}) are not read; "
            "map their tones to SDR first, with ffmpeg for instance",
        )
    if transfer == UNSPECIFIED:
        notes.add(f"the transfer is not specified ({claim.source}) and is taken for that of sRGB")
    points = CodePoints(
        SRGB.primaries if primaries == UNSPECIFIED else primaries,
        SRGB.transfer if transfer == UNSPECIFIED else transfer,
    )
    if points == SRGB:
        return None
    profile = profile_of(points)
    if profile is None:
        numbers = f"{primaries}, {transfer}"
        notes.add(f"the colour space {numbers} ({claim.source}) is not known and is taken for sRGB")
    return profile


def _of_numbers(claim: Measured) -> bytes | Measured | None:
    """Numbers as a profile of code points, where they are near those; ``None`` for those of sRGB."""
    known = SRGB.primaries if claim.primaries is None else known_primaries(claim.primaries)
    if known is None or abs(claim.gamma / OF_SRGB - 1) > 0.02:
        return claim
    if known == SRGB.primaries:
        return None
    return profile_of(ADOBE_RGB if known == ADOBE_RGB.primaries else CodePoints(known, SRGB.transfer))


# --- to RGB ---------------------------------------------------------------------------------------
def to_rgb(
    image: Image.Image, means: bytes | Measured | None, notes: Notes
) -> tuple[Image.Image, bytes | None]:
    """An image in RGB, and its colour profile; ``None`` for sRGB.

    Args:
        means: as :func:`meaning` says.

    Raises:
        SdcError: ``E_PICTURE`` for a mode that is not read.
    """
    if not isinstance(means, Measured):
        return in_rgb(image, means, notes)
    image, _ = in_rgb(image, None, notes)
    return _from_numbers(image, means, notes), None


def _from_numbers(image: Image.Image, means: Measured, notes: Notes) -> Image.Image:
    """An image in RGB in sRGB."""
    notes.add(f"colours of gamma {means.gamma:.3g} ({means.source}) are converted to sRGB")
    primaries: Primaries = means.primaries or chromaticities_of(SRGB.primaries)
    if known_primaries(primaries) == SRGB.primaries:
        light = (np.arange(256) / 255) ** means.gamma
        curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        return image.point(np.rint(curve * 255).astype(int).tolist() * 3)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(profile_of_power(primaries, means.gamma)))
        turned = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (np.linalg.LinAlgError, ImageCms.PyCMSError, OSError, ValueError):
        turned = None
    if turned is None:
        notes.add("chromaticities that make no sense are left out")
        return _from_numbers(image, Measured(means.gamma, None, means.source), notes)
    return turned


def in_rgb(image: Image.Image, icc: bytes | None, notes: Notes) -> tuple[Image.Image, bytes | None]:
    """An image in RGB, and its colour profile if that is for RGB, or for grey and a known one."""
    if image.mode == "RGBX":  # as Pillow has RGB with more samples, before its version 11
        image = image.convert("RGB")
    if image.mode not in ("L", "RGB", "CMYK", "YCbCr", "HSV", "LAB"):
        raise SdcError("E_PICTURE", f"images of mode {image.mode} are not read; convert the image to RGB")
    if image.mode in ("CMYK", "LAB"):
        notes.add(f"{'CMYK' if image.mode == 'CMYK' else 'CIELab'} is converted to RGB")
    if icc is None:
        return image if image.mode == "RGB" else image.convert("RGB"), None
    icc = whole_profile(icc)
    if icc is None:
        notes.add("the colour profile is damaged or too large and is dropped")
        return image.convert("RGB"), None
    space = icc[16:20].decode("latin-1").strip()
    if space == "RGB":
        return _with_profile(image.convert("RGB"), icc, notes)
    image = _as_grey(image) if space == "GRAY" else image
    known = recognised(icc) if image.mode == "L" else None
    if known is not None:
        return image.convert("RGB"), profile_for(known, None)
    turned = _in_srgb(image, icc)
    if turned is not None:
        notes.add(f"the {space} colour profile is converted to sRGB")
        return turned, None
    notes.add(f"the {space} colour profile is dropped")
    return image.convert("RGB"), None


def _with_profile(image: Image.Image, icc: bytes, notes: Notes) -> tuple[Image.Image, bytes | None]:
    """An image in RGB with its profile, if that can be used."""
    if _in_srgb(Image.new("RGB", (1, 1)), icc) is not None:
        return image, icc
    notes.add("the colour profile leads from no colours to others and is dropped")
    return image, None


def _in_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """An image in sRGB by its profile; ``None`` for a profile that is not for these samples."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except Exception:  # littleCMS and Pillow raise whatever a strange profile makes them
        return None


def _as_grey(image: Image.Image) -> Image.Image:
    """An image in RGB that holds greys alone, as one of greys; any other as it is."""
    if image.mode != "RGB":
        return image
    pixels = np.asarray(image)
    return Image.fromarray(pixels[:, :, 0]) if (pixels == pixels[:, :, :1]).all() else image
