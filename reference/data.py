"""Training pictures, crops and random group masks."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".avif", ".jpg", ".jpeg", ".png", ".webp"}


def load_pictures(folders: list[Path], minimum: int) -> list[np.ndarray]:
    """Decode every picture below ``folders`` into memory.

    Args:
        folders: folders, searched recursively.
        minimum: pictures with a side below this many pixels are left out.

    Returns:
        ``uint8`` arrays ``[H, W, 3]``, in the order of their paths.
    """
    paths = sorted(p for f in folders for p in Path(f).rglob("*") if p.suffix.lower() in SUFFIXES)

    def read(path: Path) -> np.ndarray:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))

    with ThreadPoolExecutor(4) as pool:
        pictures = [p for p in pool.map(read, paths) if min(p.shape[:2]) >= minimum]
    if not pictures:
        raise FileNotFoundError(f"no pictures of at least {minimum} pixels below {folders}")
    return pictures


def random_crop(picture: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random ``[size, size, 3]`` crop, at times of the picture at half size, at times mirrored."""
    h, w = picture.shape[:2]
    span = 2 * size if min(h, w) >= 2 * size and rng.random() < 0.35 else size
    y, x = int(rng.integers(h - span + 1)), int(rng.integers(w - span + 1))
    crop = picture[y : y + span, x : x + span]
    if span != size:
        crop = crop.reshape(size, 2, size, 2, 3).mean((1, 3)).round().astype(np.uint8)
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    return crop


def random_cells(rows: int, cols: int, rng: np.random.Generator) -> np.ndarray:
    """A random group: everything, an object-like union of ellipses and boxes, or the rest around one.

    Returns:
        ``bool`` array ``[rows, cols]`` with at least an eighth of the cells set.
    """
    if rng.random() < 0.45:
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


def batch(
    pictures: list[np.ndarray], count: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random crops and masks.

    Returns:
        ``(uint8 [count, size, size, 3], float32 [count, 1, size/16, size/16])``.
    """
    crops = np.stack(
        [random_crop(pictures[int(rng.integers(len(pictures)))], size, rng) for _ in range(count)]
    )
    cells = np.stack([random_cells(size // 16, size // 16, rng) for _ in range(count)])
    return crops, cells[:, None].astype(np.float32)
