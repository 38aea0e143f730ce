"""Times of runs, and the images of which they are taken."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from sdc.types import Pixels

from .images import photographs

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What libraries read their number of threads from when they are loaded."""


def median_time(work: Callable[[], object], limit: float = float("inf")) -> float:
    """Median of five runs in seconds after one that warms up, or of as many as fit into ``limit`` seconds."""
    begun = time.perf_counter()
    work()
    times: list[float] = []
    while len(times) < 5 and (not times or time.perf_counter() - begun < limit):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def kodak_sized(data: Path | None) -> Iterator[Pixels]:
    """Images of 768x512 pixels from a folder; without one, a single image of waves and noise."""
    if data:
        yield from (p for _, p in photographs(data) if p.shape[:2] == (512, 768))
        return
    y, x = np.mgrid[:512, :768] / 30.0
    waves = np.stack([128 + 80 * np.sin(x * (1 + k / 3)) * np.cos(y * (1 - k / 5)) for k in range(3)], -1)
    yield np.clip(waves + np.random.default_rng(0).normal(0, 8, waves.shape), 0, 255).astype(np.uint8)


def first_image(data: Path | None) -> Pixels:
    """The first image of 768x512 pixels.

    Raises:
        SystemExit: there is none.
    """
    for image in kodak_sized(data):
        return image
    sys.exit(f"no image of 768x512 in {data}")
