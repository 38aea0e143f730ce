"""Image files: samples and colours, and files that are not what they seem."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from . import Situation

TITLE = "Image files"


def saved(image: Image.Image, name: str, **options: Any) -> Callable[[], bytes]:
    """Makes the file of an image."""

    def make() -> bytes:
        out = io.BytesIO()
        image.save(out, name, **options)
        return out.getvalue()

    return make


def ramp(height: int = 24, width: int = 32) -> Image.Image:
    """A coloured image that no two turns of which are alike."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 255 // width, y * 255 // height, (x + y) * 4], 2).astype(np.uint8))


GREY_ALPHA = ramp().convert("LA")
GREY_ALPHA.putalpha(ramp().getchannel(0))

ROWS = [
    Situation("an ordinary JPEG", "read", make=saved(ramp(), "JPEG")),
    Situation("an ordinary PNG", "read", make=saved(ramp(), "PNG")),
    Situation(
        "16-bit grey",
        "rounded to 8 bits",
        "16-bit samples are rounded to 8 bits",
        make=saved(Image.fromarray(np.arange(768, dtype=np.uint16).reshape(24, 32)), "PNG"),
    ),
    Situation(
        "CMYK without a profile",
        "converted",
        "CMYK is converted to RGB",
        make=saved(ramp().convert("CMYK"), "TIFF"),
    ),
    Situation(
        "pixels that are transparent in places, and no colour to put behind them",
        "refused",
        "the image is transparent in places; give the colour behind it with --background",
        "E_PICTURE",
        saved(GREY_ALPHA, "PNG"),
    ),
]
