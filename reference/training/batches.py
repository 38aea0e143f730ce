"""Batches of a run: each follows from the seed and the step alone, so that a resumed run makes the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .data import batch, random_qualities

Batch = tuple[Tensor, Tensor, Tensor]
"""Crops ``uint8 [B, 3, S, S]``, cells ``float32 [B, 1, S/16, S/16]``, qualities ``float32 [B]``."""


class Batches(IterableDataset[Batch]):
    """The batches of all steps from one on, without end.

    Args:
        images: ``uint8 [3, H, W]``, no side below ``size``.
        samples: of a batch.
        size: side of a crop, a multiple of 64.
        seed, step: of the run; step 0 is the first.
        fine_part: see :func:`.data.random_qualities`.
    """

    def __init__(
        self, images: Sequence[Tensor], samples: int, size: int, seed: int, step: int, fine_part: float = 0.0
    ):
        self.images, self.samples, self.size = images, samples, size
        self.seed, self.step, self.fine_part = seed, step, fine_part

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step."""
        rng = np.random.default_rng([self.seed, step])
        quality = random_qualities(self.samples, rng, self.fine_part)
        crops, cells = batch(self.images, self.samples, self.size, rng)
        return crops, cells, quality

    def __iter__(self) -> Iterator[Batch]:
        """Of several workers each makes every so-manieth; the loader puts them in order."""
        worker = get_worker_info()
        first, stride = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for step in count(self.step + first, stride):
            yield self[step]


def loaded(batches: Batches, workers: int, device: str) -> Iterator[Batch]:
    """The batches on a device, made by worker processes or, with 0 of them, when they are asked for."""
    pinned = torch.device(device).type == "cuda"
    loader: DataLoader[Batch] = DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=pinned)
    for crops, cells, quality in loader:
        yield (
            crops.to(device, non_blocking=True),
            cells.to(device, non_blocking=True),
            quality.to(device, non_blocking=True),
        )
