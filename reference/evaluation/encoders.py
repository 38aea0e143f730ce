"""SDC's encoder as the commands call it, and objects that are drawn rather than found."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from sdc.codec.encoder import encode
from sdc.networks.registry import find_model_file
from sdc.objects.object import Object
from sdc.types import Level, Pixels

from .metrics import bits_per_pixel

Encode = Callable[..., bytes]


def encoder_of(model: int = 1, effort: int | None = None) -> Encode:
    """:func:`sdc.codec.encoder.encode` with a model, and with an effort where one is given."""
    given: dict[str, Any] = {} if effort is None else {"effort": effort}
    return functools.partial(encode, model=model, **given)


def model_files(number: int) -> tuple[bytes, bytes]:
    """Files of a model: the decoder's, and the encoder's, which may be empty.

    Raises:
        SystemExit: there is no such model.
    """
    paths = [find_model_file(f"sdc-model-{number}{part}.safetensors") for part in ("", "-encoder")]
    decoder, encoder = (b"" if path is None else path.read_bytes() for path in paths)
    if not decoder:
        sys.exit(f"model {number} is not here")
    return decoder, encoder


def model_hash(number: int) -> str:
    """Eight hexadecimal digits each of the SHA-256 of a model's files, the decoder's and the encoder's."""
    return "-".join(hashlib.sha256(data).hexdigest()[:8] for data in model_files(number))


def quality_for(image: Pixels, bpp: float, coder: Encode, **options: Any) -> int:
    """The quality index whose file comes closest to some bits per pixel."""
    bits = functools.cache(lambda q: bits_per_pixel(coder(image, quality=q, **options), image))
    low, high = 0, 63
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bits(middle) < bpp else (low, middle)
    return min((low, high), key=lambda q: abs(bits(q) - bpp))


def four_levels(height: int, width: int) -> list[Object]:
    """Objects of three levels on a background: an ellipse in the middle, a wide one, a narrow one."""
    y, x = np.mgrid[:height, :width] + 0.5

    def ellipse(cx: float, cy: float, rx: float, ry: float, level: Level) -> Object:
        inside = ((x / width - cx) / rx) ** 2 + ((y / height - cy) / ry) ** 2 < 1
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1))
        return Object("ellipse", box, level, mask=inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1])

    return [
        ellipse(0.45, 0.5, 0.16, 0.3, Level.L1),
        ellipse(0.75, 0.6, 0.2, 0.15, Level.L2),
        ellipse(0.2, 0.3, 0.1, 0.2, Level.L3),
    ]
