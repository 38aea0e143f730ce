"""Training images, crops, random groups and random qualities."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from sdc.networks.profile import QUALITIES

EXAMPLES, EXAMPLE_SIZE = 128, 256
"""Crops from which ranges and moments of what layers see are taken, and their sides."""


FINE_QUALITY = 40
"""From about here on model 1 is above 34 dB on Kodak (docs/figures.md)."""


Example = tuple[Tensor, Tensor, Tensor]
"""Arguments of a model, float: images ``[B, 3, H, W]``, qualities ``[B]``, cells ``[B, 1, H/16, W/16]``."""


SUFFIXES = {".avif", ".jpg", ".jpeg", ".png", ".webp"}


def load_images(folders: Sequence[Path], minimum: int) -> list[Tensor]:
    """Decode every image below ``folders`` into memory.

    Args:
        folders: folders, searched recursively.
        minimum: images with a side below this many pixels are left out.

    Returns:
        ``uint8`` tensors ``[3, H, W]``, in the order of their paths.

    Raises:
        FileNotFoundError: there are none.
    """
    paths = sorted(p for f in folders for p in Path(f).rglob("*") if p.suffix.lower() in SUFFIXES)

    def read(path: Path) -> Tensor:
        with Image.open(path) as image:
            return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1).contiguous()

    with ThreadPoolExecutor(4) as pool:
        images = [image for image in pool.map(read, paths) if min(image.shape[1:]) >= minimum]
    if not images:
        raise FileNotFoundError(f"no images of at least {minimum} pixels a side below {[*map(str, folders)]}")
    return images


def random_crop(image: Tensor, size: int, rng: np.random.Generator) -> Tensor:
    """A random ``uint8 [3, size, size]`` crop, at times of the image at half size, at times mirrored."""
    h, w = image.shape[1:]
    span = 2 * size if min(h, w) >= 2 * size and rng.random() < 0.35 else size
    y, x = int(rng.integers(h - span + 1)), int(rng.integers(w - span + 1))
    crop = image[:, y : y + span, x : x + span]
    if span != size:
        crop = F.avg_pool2d(crop.float(), 2).round().to(torch.uint8)
    return crop.flip(2) if rng.random() < 0.5 else crop


def random_cells(rows: int, cols: int, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """A random group: everything, an object-like union of ellipses and boxes, or the rest around one.

    Returns:
        ``bool`` array ``[rows, cols]`` with at least an eighth of the cells set.
    """
    if rng.random() < 0.6:
        return np.ones((rows, cols), bool)
    y, x = np.mgrid[:rows, :cols] + 0.5
    while True:
        cells = np.zeros((rows, cols), bool)
        for _ in range(int(rng.integers(1, 5))):
            cy, cx = rng.uniform(0, rows), rng.uniform(0, cols)
            ry, rx = rng.uniform(1, rows / 2), rng.uniform(1, cols / 2)
            angle = rng.uniform(0, math.pi)
            u = (x - cx) * math.cos(angle) + (y - cy) * math.sin(angle)
            v = (y - cy) * math.cos(angle) - (x - cx) * math.sin(angle)
            if rng.random() < 0.7:
                cells |= (u / rx) ** 2 + (v / ry) ** 2 < 1
            else:
                cells |= (abs(u) < rx) & (abs(v) < ry)
        if rng.random() < 0.5:
            cells = ~cells
        if cells.mean() >= 0.125:
            return cells


def random_qualities(count: int, rng: np.random.Generator, fine_part: float = 0.0) -> Tensor:
    """Qualities of samples, ``float32 [count]``.

    Args:
        count: how many.
        rng: where they come from.
        fine_part: part of the samples that is drawn evenly from :data:`FINE_QUALITY` to the highest quality;
            the others are drawn evenly from all qualities.
    """
    quality = rng.uniform(0, QUALITIES - 1, count)
    if fine_part:
        fine = rng.random(count) < fine_part
        quality = np.where(fine, rng.uniform(FINE_QUALITY, QUALITIES - 1, count), quality)
    return torch.from_numpy(quality.astype(np.float32))


def batch(images: Sequence[Tensor], count: int, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Random crops and groups.

    Returns:
        ``(uint8 [count, 3, size, size], float32 [count, 1, size/16, size/16])``.
    """
    crops = [random_crop(images[int(rng.integers(len(images)))], size, rng) for _ in range(count)]
    cells = np.stack([random_cells(size // 16, size // 16, rng) for _ in range(count)])
    return torch.stack(crops), torch.from_numpy(cells[:, None].astype(np.float32))


def examples_of(
    images: Sequence[Tensor], size: int = EXAMPLE_SIZE, device: str | torch.device = "cpu"
) -> Iterator[Example]:
    """Arguments of a model, the same at every call: crops with groups, each at another part of the qualities.

    Args:
        images: ``uint8 [3, H, W]``, no side below ``size``.
        size: side of the crops.
        device: where the arguments are to be.
    """
    rng = np.random.default_rng(0)
    for _ in range(EXAMPLES // 4):
        crops, cells = batch(images, 4, size, rng)
        quality = ((np.arange(4) + rng.random(4)) * (QUALITIES / 4)).astype(np.int64)
        yield (
            crops.to(device).float(),
            torch.from_numpy(quality.astype(np.float32)).to(device),
            cells.to(device),
        )
