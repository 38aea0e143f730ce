"""Other codecs, each with the settings that are measured and words for how it is used."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, features

from sdc.types import Pixels


@dataclass(frozen=True)
class Codec:
    """A codec.

    Attributes:
        name: as figures say it.
        settings: qualities, or whatever it calls them, by rising rate.
        version: what else its files depend on; raises ``ImportError`` when it is not installed.
        encode: pixels ``uint8 [H, W, 3]`` and setting to a file.
        decode: file to pixels.
    """

    name: str
    settings: tuple[float, ...]
    version: Callable[[], str]
    encode: Callable[[Pixels, float], bytes]
    decode: Callable[[bytes], Pixels]


def _pillow(name: str, kind: str, feature: str, settings: tuple[float, ...], **options: Any) -> Codec:
    def version() -> str:
        if not features.check(feature):
            raise ImportError(f"this Pillow has no {name}")
        words = " ".join(f"{k}={v}" for k, v in options.items())
        return f"{features.version(feature)} {words}"

    def encode(pixels: Pixels, setting: float) -> bytes:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, kind, quality=int(setting), **options)
        return out.getvalue()

    def decode(data: bytes) -> Pixels:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    return Codec(name, settings, version, encode, decode)


def jpeg(optimize: bool = True) -> Codec:
    """JPEG of Pillow, with Huffman tables made for each image or not."""
    settings = (5, 8, 12, 18, 25, 35, 45, 55, 65, 75, 85, 90)
    return _pillow("JPEG", "JPEG", "jpg", settings, optimize=optimize)


def avif(speed: int = 4) -> Codec:
    """AVIF of Pillow, with a speed of the encoder from 0 to 10."""
    settings = (3, 10, 18, 25, 32, 40, 46, 52, 58, 64, 70, 78)
    return _pillow("AVIF", "AVIF", "avif", settings, speed=speed)


def _jpeg_xl() -> Codec:
    effort = 7

    def version() -> str:
        import imagecodecs

        return f"{imagecodecs.jpegxl_version()} effort={effort}"

    def encode(pixels: Pixels, setting: float) -> bytes:
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(pixels, distance=setting, effort=effort, numthreads=1))

    def decode(data: bytes) -> Pixels:
        import imagecodecs

        return np.asarray(imagecodecs.jpegxl_decode(data, numthreads=1))

    distances = (15.0, 12.0, 9.0, 7.0, 5.5, 4.5, 3.5, 2.8, 2.2, 1.7, 1.3, 1.0)
    return Codec("JPEG XL", distances, version, encode, decode)


PEERS = {
    "jpeg": jpeg(),
    "webp": _pillow("WebP", "WEBP", "webp", (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90), method=6),
    "avif": avif(),
    "jxl": _jpeg_xl(),
}
"""Codecs beside SDC: chroma is halved both ways (4:2:0) by the first three, as is their default."""
