"""Pictures, objects and measures that the commands share."""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sdc.codec.encoder import encode
from sdc.networks.registry import _find
from sdc.objects.object import Object
from sdc.types import LEVELS

from ..training.data import SUFFIXES

Pixels = np.ndarray[Any, Any]
Encode = Callable[..., bytes]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read their number of threads from when they are loaded."""
QUALITIES = (0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 63)


def picture_paths(folder: Path) -> list[Path]:
    """The pictures of a folder, by name."""
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)
    if not paths:
        sys.exit(f"no pictures in {folder}")
    return paths


def read(path: Path) -> Pixels:
    """Pixels of a picture, ``uint8 [H, W, 3]``."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def photographs(folder: Path) -> Iterator[tuple[str, Pixels]]:
    """Names and pixels of the pictures in a folder."""
    for path in picture_paths(folder):
        yield path.name, read(path)


def coco_pictures(folder: Path) -> Iterator[tuple[str, Pixels, list[Object]]]:
    """Names, pixels and objects of the pictures that ``instances.json`` names, as far as they are there."""
    source = json.loads((folder / "instances.json").read_text())
    for row in source["images"]:
        name = row["file_name"]
        path = folder / "images" / name if (folder / "images").is_dir() else folder / name
        if path.is_file():
            pixels = read(path)
            yield name, pixels, Object.load(source, pixels.shape[1], pixels.shape[0], name)


def encoder_of(args: argparse.Namespace) -> Encode:
    """:func:`sdc.codec.encoder.encode` with the model and effort of the command line."""
    given = {} if args.effort is None else {"effort": args.effort}
    return functools.partial(encode, model=args.model, **given)


def model_files(number: int) -> tuple[bytes, bytes]:
    """Files of a model: the decoder's and the encoder's."""
    paths = [_find(f"sdc-model-{number}{part}.safetensors") for part in ("", "-encoder")]
    decoder, encoder = (b"" if path is None else path.read_bytes() for path in paths)
    if not decoder:
        sys.exit(f"model {number} is not here")
    return decoder, encoder


def model_hash(number: int) -> str:
    """Eight hexadecimal digits each of the SHA-256 of a model's files, the decoder's and the encoder's."""
    return "-".join(hashlib.sha256(data).hexdigest()[:8] for data in model_files(number))


def bits_per_pixel(data: bytes, picture: Pixels) -> float:
    """Bits of a file for each pixel of its picture."""
    return len(data) * 8 / (picture.shape[0] * picture.shape[1])


def psnr(a: Pixels, b: Pixels) -> float:
    """Peak signal-to-noise ratio of two 8-bit pictures, all channels together, in dB."""
    return float(10 * np.log10(255**2 / max(np.square(a.astype(np.float64) - b).mean(), 1e-9)))


def ms_ssim(a: Pixels, b: Pixels) -> float | None:
    """MS-SSIM of two RGB pictures, 0 to 1; None without torch, or for a side of less than 161 pixels."""
    if min(a.shape[:2]) < 161:
        return None
    try:
        import torch
        from pytorch_msssim import ms_ssim as measure
    except ImportError:
        return None
    x, y = (torch.from_numpy(p.astype(np.float32)).permute(2, 0, 1)[None] for p in (a, b))
    return float(measure(x, y, data_range=255))


def quality_for(picture: Pixels, bpp: float, coder: Encode, **options: Any) -> int:
    """The quality index whose file comes closest to some bits per pixel."""
    bits = functools.cache(lambda q: bits_per_pixel(coder(picture, quality=q, **options), picture))
    low, high = 0, 63
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bits(middle) < bpp else (low, middle)
    return min((low, high), key=lambda q: abs(bits(q) - bpp))


def four_levels(height: int, width: int) -> list[Object]:
    """Objects of three levels on a background: an ellipse in the middle, a wide one, a narrow one."""
    y, x = np.mgrid[:height, :width] + 0.5

    def ellipse(cx: float, cy: float, rx: float, ry: float, level: int) -> Object:
        inside = ((x / width - cx) / rx) ** 2 + ((y / height - cy) / ry) ** 2 < 1
        rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = (int(cols[0]), int(rows[0]), int(cols[-1] - cols[0] + 1), int(rows[-1] - rows[0] + 1))
        return Object(
            "ellipse", box, LEVELS[level], mask=inside[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        )

    return [
        ellipse(0.45, 0.5, 0.16, 0.3, 0),
        ellipse(0.75, 0.6, 0.2, 0.15, 1),
        ellipse(0.2, 0.3, 0.1, 0.2, 2),
    ]
