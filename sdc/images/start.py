"""The first bytes of image files: whether what begins so may be one that is read here."""

from __future__ import annotations

from PIL import Image

from .read import readable

BYTES = 4096
"""Bytes that are looked at."""

_TGA_KINDS = (1, 2, 3, 9, 10, 11)
_TGA_DEPTHS = (1, 8, 15, 16, 24, 32)


def may_be_image(start: bytes) -> bool:
    """Whether a file may be an image that is read here, by its first bytes.

    Args:
        start: :data:`BYTES` of them, or all that there are.
    """
    for name in readable():
        accepts = Image.OPEN[name][1]
        found = _is_tga(start) if accepts is None else accepts(start[:16])
        if found and not isinstance(found, str):  # which says what this Pillow lacks
            return True
    return False


def _is_tga(start: bytes) -> bool:
    """Whether bytes may be the header of a TGA file, which has no mark."""
    return len(start) >= 18 and start[1] < 2 and start[2] in _TGA_KINDS and start[16] in _TGA_DEPTHS
