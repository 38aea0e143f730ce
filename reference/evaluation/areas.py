"""The area of an image that is transmitted, and what stands where nothing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import CELL, Pixels

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]


def cells_of(
    objects: Sequence[Object], width: int, height: int, levels: Sequence[int], margin: int = 0
) -> Bools:
    """The cells that SDC gives to groups of some levels, as pixels: ``bool [height, width]``."""
    grouped = group_map(objects, width, height, margin=margin)
    chosen = np.array([False, *(level.code in levels for level in grouped.levels)])
    cells = chosen[grouped.labels]
    return cells.repeat(CELL, 0).repeat(CELL, 1)[:height, :width]


def _grey(pixels: Pixels, covered: Bools) -> Floats:
    return np.full(3, 128.0)


def _mean(pixels: Pixels, covered: Bools) -> Floats:
    return pixels[covered].mean(0) if covered.any() else np.full(3, 128.0)


def _blur(pixels: Pixels, covered: Bools) -> Floats:
    """The covered pixels, spread outwards through a pyramid of halves (pull-push)."""
    if not covered.any():
        return np.full(3, 128.0)
    weight = covered[..., None].astype(np.float32)
    return _spread(pixels * weight, weight)


def _spread(colour: Floats, weight: Floats) -> Floats:
    """Colours ``[h, w, 3]`` times weights ``[h, w, 1]``; where the weight is 0, a coarser image's."""
    known = colour / np.maximum(weight, 1e-6)
    if weight.all():
        return known
    height, width = weight.shape[:2]
    even = ((0, height % 2), (0, width % 2), (0, 0))

    def halved(a: Floats) -> Floats:
        a = np.pad(a, even)
        return a.reshape(a.shape[0] // 2, 2, a.shape[1] // 2, 2, -1).sum((1, 3))

    total = halved(weight)
    coarse = _spread(halved(colour) / np.maximum(total, 1), np.minimum(total, 1))
    return np.where(weight > 0, known, coarse.repeat(2, 0).repeat(2, 1)[:height, :width])


def _soft(pixels: Pixels, covered: Bools, factor: int) -> Floats:
    """The image at a fraction of its resolution, enlarged again; itself where nothing is covered."""
    if not covered.any():  # an image of one level is as good throughout
        return np.asarray(pixels, np.float32)
    image = Image.fromarray(pixels)
    width, height = (max(1, round(side / factor)) for side in image.size)
    small = image.resize((width, height), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC), np.float32)


FILLS: dict[str, Callable[[Pixels, Bools], Floats]] = {"grey": _grey, "mean": _mean, "blur": _blur}
"""What stands in the area that is not transmitted: mid grey, the mean of the rest, or the rest spread out."""

SOFTENED = {f"soft{factor}": partial(_soft, factor=factor) for factor in (2, 4, 8)}
"""What an encoder without qualities by region may put there: the image at a fraction of its resolution."""


def filled(pixels: Pixels, covered: Bools, fill: str) -> Pixels:
    """An image with the area that is not covered filled in one of the ways of ``FILLS`` or ``SOFTENED``.

    Args:
        pixels: ``uint8 [H, W, 3]``; for ``SOFTENED`` with what is not covered, too.
        covered: ``bool [H, W]``.
    """
    if covered.all():
        return pixels
    colour = np.rint((FILLS | SOFTENED)[fill](pixels, covered)).astype(np.uint8)
    return np.where(covered[..., None], pixels, colour)
