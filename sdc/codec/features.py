"""How far what is decoded is from an image for a network that looks at it, for the search (not normative).

The network is the beginning of that of the default analysis (:mod:`sdc.networks.backbone`).  Squared
differences of its features count for each channel in units of its variance over the image, and for each
place as many times as it has pixels; so the distance of two images that have nothing to do with one another
is about twice their number of pixels.

All sums are of integers or in one order, so every machine has the same distance and the same gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np
import numpy.typing as npt

from ..networks.backbone import COARSEST, STRIDES, Backbone, Passage
from ..networks.sites import Sites
from ..types import CELL, Array, Pixels

TAPS = 2
"""The finest taps count; what lies behind has gradients that hold for changes of single grey values alone."""

MARGIN = 32
"""Pixels around cells that the network sees too."""

WINDOW = 512
"""Pixels to a side of what the network sees at once, less margins, unless it is hardly more."""

GREY = 128
"""What decoders show where nothing is decoded."""

LEAST = 0.1
"""Part of the mean variance of the channels of a tap that each channel counts as having beside its own."""


@dataclass(frozen=True)
class _Window:
    """A part of an image that the network sees at once, and what counts of it.

    Attributes:
        seen: rows and columns in the image.
        own: top, left, bottom and right of what counts, within what is seen.
    """

    seen: tuple[slice, slice]
    own: tuple[int, int, int, int]

    def meets(self, rows: Array, cols: Array) -> bool:
        """Whether any of some cells is seen: where none is, nothing differs."""
        down, across = self.seen
        inside = (rows >= down.start // CELL) & (rows * CELL < down.stop)
        inside &= (cols >= across.start // CELL) & (cols * CELL < across.stop)
        return bool(inside.any())

    def places(self, stride: int) -> tuple[slice, slice]:
        """Rows and columns of the features that count."""
        top, left, bottom, right = (n // stride for n in self.own)
        return slice(top, bottom), slice(left, right)


def _windows(height: int, width: int) -> Iterator[_Window]:
    """Windows of an image whose sides are multiples of :data:`COARSEST`."""
    step = max(height, width) if height * width <= 2 * WINDOW**2 else WINDOW
    for top in range(0, height, step):
        first, bottom = max(top - MARGIN, 0), min(top + step, height)
        rows = slice(first, min(bottom + MARGIN, height))
        for left in range(0, width, step):
            near, right = max(left - MARGIN, 0), min(left + step, width)
            cols = slice(near, min(right + MARGIN, width))
            yield _Window((rows, cols), (top - first, left - near, bottom - first, right - near))


def _framed(image: Array, backbone: Backbone) -> Array:
    """An image in a frame of the network's mean colour that has a size which the network takes."""
    height, width = (-(-n // COARSEST) * COARSEST for n in image.shape[:2])
    canvas = np.empty((height, width, 3), np.int16)
    canvas[:] = backbone.mean
    canvas[: image.shape[0], : image.shape[1]] = image
    return canvas


def feature_scales(backbone: Backbone, padded: Pixels) -> list[Array]:
    """What a squared difference of each channel counts at each tap, ``float32 [channels]``.

    Args:
        padded: the whole image, from :func:`.tiles.pad_to_cells`.
    """
    canvas = _framed(padded, backbone)
    sums: list[list[Array]] = [[] for _ in range(TAPS)]
    for window in _windows(*canvas.shape[:2]):
        for k, x in enumerate(backbone.features(canvas[window.seen], TAPS)):
            own = x[window.places(STRIDES[k])].astype(np.int64)
            count = np.full(x.shape[2], own.shape[0] * own.shape[1])
            sums[k].append(np.stack([count, own.sum((0, 1)), np.square(own).sum((0, 1))]))
    scales = []
    for stride, parts in zip(STRIDES, sums, strict=False):
        count, total, squares = np.sum(parts, 0).astype(np.float64)
        variance = squares / count - np.square(total / count)
        least = LEAST * fsum(variance) / len(variance) + 1
        area = stride**2 / (TAPS * len(variance))
        scales.append((area / (variance + least)).astype(np.float32))
    return scales


def surroundings(padded: Pixels, nothing: npt.NDArray[np.bool_]) -> Pixels:
    """An image whose cells outside the objects are grey, as a network sees objects alone.

    Args:
        padded: from :func:`.tiles.pad_to_cells`.
        nothing: ``bool [rows, cols]``, the cells that become grey.
    """
    shown = padded.copy()
    shown[nothing.repeat(CELL, 0).repeat(CELL, 1)] = GREY
    return shown


class FeatureDistance:
    """The distance of what is decoded of some cells from an image.

    Args:
        backbone: the network.
        scales: from :func:`feature_scales`.
        shown: the whole image as the network is to see it, padded to cells.
        sites: the cells.
        weight: factor on the distance.
    """

    def __init__(
        self, backbone: Backbone, scales: Sequence[Array], shown: Pixels, sites: Sites, weight: float = 1.0
    ):
        self.backbone, self.scales = backbone, [scale * np.float32(weight) for scale in scales]
        cells = MARGIN // CELL
        top, left = max(int(sites.rows.min()) - cells, 0), max(int(sites.cols.min()) - cells, 0)
        bottom, right = int(sites.rows.max()) + 1 + cells, int(sites.cols.max()) + 1 + cells
        part = shown[top * CELL : bottom * CELL, left * CELL : right * CELL]
        self.canvas = _framed(part, backbone)
        self.rows, self.cols = sites.rows - top, sites.cols - left
        self.windows = [
            window for window in _windows(*self.canvas.shape[:2]) if window.meets(self.rows, self.cols)
        ]
        self.wanted = [
            [x.astype(np.int16) for x in backbone.features(self.canvas[w.seen], TAPS)] for w in self.windows
        ]

    def __call__(self, pixels: Array, gradient: bool = True) -> tuple[float, Array]:
        """Distance of what is decoded, and its gradient.

        Args:
            pixels: ``[cells, 16, 16, 3]`` integers in any real dtype.
            gradient: whether the gradient is wanted; else it is empty.

        Returns:
            ``(distance, float32 [cells, 16, 16, 3])``.
        """
        self._cells(self.canvas)[self.rows, :, self.cols] = pixels
        terms: list[float] = []

        def slope(k: int, difference: Array) -> Array:
            squares = np.square(difference.astype(np.int64)).sum((0, 1))
            terms.extend((squares * self.scales[k].astype(np.float64)).tolist())
            slopes: Array = difference * (2 * self.scales[k])
            return slopes

        back = self._back(slope, gradient)
        return fsum(terms), back

    def probe(self) -> Array:
        """A random product with the distance's Jacobian at the image, ``float32 [cells, 16, 16, 3]``.

        The square of its product with a change of the pixels is what that does to the distance, as far as
        it is quadratic, on average over signs (Hutchinson).  To be called before anything is compared.
        """
        random = np.random.default_rng(0)

        def signs(k: int, difference: Array) -> Array:
            drawn: Array = random.choice(np.array([-1, 1], np.float32), difference.shape)
            drawn *= np.sqrt(self.scales[k])
            return drawn

        return self._back(signs, True)

    def _back(self, slope: Callable[[int, Array], Array], wanted: bool) -> Array:
        """Gradient at the pixels from slopes at the taps.

        Args:
            slope: gives, of a tap's number and the differences there ``int32 [rows, cols, channels]``, the
                slopes.
            wanted: whether the gradient is; else it is empty.
        """
        total = np.zeros(self.canvas.shape, np.float32)
        for window, features in zip(self.windows, self.wanted, strict=True):
            seen = self.canvas[window.seen]
            passage = Passage() if wanted else None
            slopes = []
            for k, x in enumerate(self.backbone.features(seen, TAPS, passage)):
                places = window.places(STRIDES[k])
                whole = np.zeros(x.shape, np.float32)
                whole[places] = slope(k, x[places].astype(np.int32) - features[k][places])
                slopes.append(whole)
            if passage is not None:
                total[window.seen] += self.backbone.backward(slopes, passage)
        if not wanted:
            return np.empty((0, CELL, CELL, 3), np.float32)
        gradient: Array = self._cells(total)[self.rows, :, self.cols]
        return gradient

    @staticmethod
    def _cells(image: Array) -> Array:
        """An image as ``[rows, 16, cols, 16, 3]``, a row and a column for each cell."""
        return image.reshape(image.shape[0] // CELL, CELL, image.shape[1] // CELL, CELL, 3)
