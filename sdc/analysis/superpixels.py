"""Superpixels: SLIC (Achanta et al., PAMI 2012), where each pixel looks at the nine nearest centres."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .cielab import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROUNDS = 5

COMPACTNESS = 10.0


def superpixels(lab: Floats, count: int) -> Ints:
    """SLIC superpixels without the last step that joins stray pixels.

    Args:
        lab: ``float32 [h, w, 3]``.
        count: how many there are to be, about.

    Returns:
        ``int [h, w]``, numbers from 0 without gaps.
    """
    height, width = lab.shape[:2]
    step = np.sqrt(height * width / count)
    rows, cols = max(1, round(height / step)), max(1, round(width / step))
    y, x = np.mgrid[:height, :width]
    row, col = y * rows // height, x * cols // width
    points = np.concatenate([lab, np.stack([y, x], -1) * (COMPACTNESS / step)], -1).astype(np.float32)
    points = points.reshape(-1, 5)
    near = [
        (np.clip(row + down, 0, rows - 1) * cols + np.clip(col + across, 0, cols - 1)).reshape(-1)
        for down in (-1, 0, 1)
        for across in (-1, 0, 1)
    ]
    labels = (row * cols + col).reshape(-1)
    for _ in range(ROUNDS):
        centres = means_of(points, labels, rows * cols)
        distances = np.stack([np.square(points - centres[others]).sum(1) for others in near])
        best = distances.argmin(0)
        labels = np.stack(near)[best, np.arange(len(labels))]
    dense: Ints = np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int64)
    return dense


def means_of(values: Floats, labels: Ints, count: int) -> Floats:
    """Mean of the rows of values, ``[n, k]``, for each label; 0 for a label that does not occur."""
    sizes = np.bincount(labels, minlength=count).clip(1)
    sums = np.stack([np.bincount(labels, column, count) for column in values.T], 1)
    means: Floats = (sums / sizes[:, None]).astype(np.float32)
    return means


def touching(labels: Ints, count: int) -> Bools:
    """Which labels of a map have a side in common, ``bool [count, count]``."""
    touch = np.zeros((count, count), bool)
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        touch[one, other] = True
    either: Bools = touch | touch.T
    return either
