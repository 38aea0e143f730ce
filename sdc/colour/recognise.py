"""ICC profiles recognised by what they do to colours.

littleCMS takes samples from the profile to that of a colour space with code points.
If they stay what they are, they are samples of that colour space.
A difference is measured as an eye would: near black a level of a plain power is far less than one of sRGB.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain

import numpy as np
from PIL import Image, ImageCms

from ..format.chunks import ICCP
from ..format.colr import SRGB, CodePoints
from ..format.deflated import content_sizes
from ..types import Pixels
from .profiles import profile_of
from .spaces import Floats, light_of, matrix_of

USUAL = (SRGB, CodePoints(12, 13), CodePoints(192, 192), CodePoints(193, 193), CodePoints(193, 194))
"""Colour spaces that are tried first, the most frequent first."""

PRIMARIES = (1, 194, 12, 192, 9, 193, 11, 6, 5, 22, 4, 8)
TRANSFERS = (13, 4, 193, 194, 1, 8, 5, 7, 17, 195, 192)
"""Code points that are tried then, in all pairs; of equal ones the usual.

PQ and HLG are too steep in the dark for the curves of profiles.
"""

MOST = 0.5
"""Difference in levels of 8 bits below which samples are the same."""

WIDE = 193
"""Primaries in which differences are measured."""

STEP = 15
"""Levels between samples of the grid in each of R, G and B."""


def is_profile(data: bytes) -> bool:
    """Whether some bytes are an ICC profile that littleCMS can read, of a size that a stream can hold."""
    return whole_profile(data) is not None


def whole_profile(data: bytes) -> bytes | None:
    """An ICC profile without what stands behind it; ``None`` for one that is cut off or damaged.

    Args:
        data: what is to be a profile that littleCMS can read, of a size that a stream can hold.
    """
    least, most = content_sizes(ICCP)
    if len(data) < max(least, _HEAD + 4) or data[36:40] != b"acsp":
        return None
    data = data[: int.from_bytes(data[:4], "big")]
    if not max(least, int.from_bytes(data[:4], "big")) <= len(data) <= most or not _has_tags(data):
        return None
    try:
        ImageCms.ImageCmsProfile(io.BytesIO(data))
    except (ImageCms.PyCMSError, OSError):
        return None
    return data


_HEAD = 128
"""Bytes of a profile's header."""


def _has_tags(data: bytes) -> bool:
    """Whether the tags of a profile lie within it."""
    count = int.from_bytes(data[_HEAD : _HEAD + 4], "big")
    table = data[_HEAD + 4 : _HEAD + 4 + 12 * count]
    if not count or len(table) < 12 * count:
        return False
    return all(start + size <= len(data) for _, start, size in struct.iter_unpack(">4sII", table))


@lru_cache(16)
def recognised(profile: bytes) -> CodePoints | None:
    """Code points of an ICC profile for RGB or grey; ``None`` where none do the same to colours.

    Grey samples take the primaries of sRGB.
    """
    try:
        found = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        grey = found.profile.xcolor_space.strip() == "GRAY"
        if not grey and found.profile.xcolor_space.strip() != "RGB":
            return None
        if grey:  # as R = G = B; of the primaries only the white counts, which a profile makes D50
            return next(_fitting(found, ((1, t) for t in TRANSFERS), _greys()[:, :, 0]), None)
        curves = _fitting(found, ((1, t) for t in TRANSFERS), _greys())
        return next(
            chain(
                _fitting(found, USUAL, _grid()),
                _fitting(found, ((p, c.transfer) for c in curves for p in PRIMARIES), _grid()),
            ),
            None,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that littleCMS cannot read or use
        return None


def _fitting(
    profile: ImageCms.ImageCmsProfile, points: Iterable[tuple[int, int]], samples: Pixels
) -> Iterator[CodePoints]:
    """Those code points that leave samples as they are."""
    for point in points:
        colour = CodePoints(*point)
        if _stays(profile, colour, samples):
            yield colour


def _stays(profile: ImageCms.ImageCmsProfile, colour: CodePoints, samples: Pixels) -> bool:
    """Whether samples under a profile are the same samples in a colour space.

    Args:
        samples: ``uint8 [H, W, 3]``, or ``uint8 [H, W]`` for grey.
    """
    target = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(colour) or b""))
    image = Image.fromarray(samples)
    turn = ImageCms.buildTransform(
        profile,
        target,
        image.mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.NOOPTIMIZE | ImageCms.Flags.NOCACHE,
    )
    turned = np.asarray(ImageCms.applyTransform(image, turn))
    wanted = samples if samples.ndim == 3 else np.repeat(samples[:, :, None], 3, 2)
    return float(np.abs(_levels(turned, colour) - _levels(wanted, colour)).max()) < MOST


def _levels(samples: Pixels, colour: CodePoints) -> Floats:
    """Samples of a colour space in levels of 8 bits of a wide one with the curve of sRGB.

    Args:
        samples: ``uint8 [H, W, 3]``.
    """
    light = light_of(colour.transfer, samples / 255) @ matrix_of(colour.primaries).T
    wide = np.maximum(light @ np.linalg.inv(matrix_of(WIDE)).T, 0)
    return np.where(wide <= 0.0031308, 12.92 * wide, 1.055 * wide ** (1 / 2.4) - 0.055) * 255.0


def _greys() -> Pixels:
    """All greys as R = G = B, ``uint8 [1, 256, 3]``."""
    return np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)


def _grid() -> Pixels:
    """R, G and B at all steps, and all greys, ``uint8 [1, W, 3]``."""
    levels = np.arange(0, 256, STEP, np.uint8)
    mixed = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1)
    return np.concatenate([mixed.reshape(1, -1, 3), _greys()], 1)
