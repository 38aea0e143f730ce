"""A data loader of torch on one core."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .jobs import JOBS


class _Decoded:
    """Decoded images by index, as a data set of torch has them."""

    def __init__(self, job: str, items: Sequence[Mapping[str, Any]], count: int):
        self.job, self.items, self.count = job, items, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Any:
        import torch

        decoded: Any = JOBS[self.job](**self.items[k % len(self.items)])()
        return torch.from_numpy(getattr(decoded, "pixels", decoded).copy())


WARM = 4
"""Images that come before the time begins."""


def images_a_second(job: str, items: Sequence[Mapping[str, Any]], count: int) -> float | None:
    """Images a second of a data loader with one worker, both on one core; ``None`` where that cannot be.

    Args:
        job: that decodes.
        items: arguments of the job for each of its inputs.
        count: images to decode.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    try:
        from torch.utils.data import DataLoader
    except ImportError:
        return None
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        images: Any = _Decoded(job, items, count + WARM)
        start = 0.0
        for k, _ in enumerate(DataLoader(images, batch_size=None, num_workers=1, prefetch_factor=1)):
            if k == WARM - 1:
                start = time.perf_counter()
        return count / (time.perf_counter() - start)
    finally:
        os.sched_setaffinity(0, cores)
