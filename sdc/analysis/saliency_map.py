"""The saliency map of an image, found without any trained network: NumPy and Pillow alone.

It is a weighted sum of what a cell of the image has:

- its geodesic distance from the image's border: the least change of colour, summed up along a path of
  superpixels, that one must cross to come from the border to it (Wei, Wen, Zhu, Sun: "Geodesic Saliency Using
  Background Priors", ECCV 2012);
- how unlike the border its colour is: the mean Mahalanobis distance from the colours of the four sides;
- how many edges there are around it, and how upright they are;
- how warm its colour is, green against magenta in CIELAB;
- its place: the middle before the sides, and below before above;
- how much it looks like a part of a face, see :func:`.faces.faces`.

The weights are least squares on 49 images of COCO val2017, each weighted by the inverse of the share of its
objects, but for that of faces, which was chosen; ``docs/analysis.md`` says what they reach on 50 others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..networks.threads import one_thread
from ..objects.cells import coverage
from ..objects.object import Object
from ..types import CELL, Pixels
from .cielab import Floats, lab_of
from .faces import faces
from .superpixels import Ints, means_of, superpixels, touching

LONG_SIDE = 160
"""Images are looked at reduced to this many pixels."""

SEGMENTS = 250

EDGE_RADIUS = 9
"""Pixels of the reduced image to each side over which edges are counted."""

SIDE = 1 / 12
"""Share of the image's height or width that is a side of its border."""

GEODESIC, UNLIKE, EDGES, UPRIGHT, WARMTH = 0.32, 0.115, 0.142, 0.113, 0.142
"""Weights of the geodesic distance, of the ranks of being unlike the border, of edges and of warmth, and of
the share of edges that are upright."""

ACROSS, DOWN, BELOW, BASE = -0.095, -0.105, 0.022, 0.097
"""Weights of u^2, v^2, v and 1, where u and v, -1 to 1, are the place across and down."""

FACES = 0.5
"""Weight of what looks like a face."""

CONTRAST = 2.0
"""Difference of CIELAB under which an image has nothing that stands out."""


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """What stands out in an image.

    Attributes:
        cells: ``float32 [rows, cols]``, saliency of each cell of 16x16 pixels, 0 to 1.
        labels: ``int [h, w]``, the superpixels of the reduced image.
        flat: whether the image has nearly one colour, so that the map means nothing.
    """

    cells: Floats
    labels: Ints
    flat: bool


@one_thread()
def saliency(pixels: Pixels) -> SaliencyMap:
    """The map of saliency of an image.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB, of any size.
    """
    height, width = pixels.shape[:2]
    rows, cols = -(-height // CELL), -(-width // CELL)
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    lab = lab_of(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX)))
    labels = superpixels(lab, min(SEGMENTS, max(2, size[0] * size[1] // 4)))
    colours = means_of(lab.reshape(-1, 3), labels.reshape(-1), int(labels.max()) + 1)
    down, across = np.gradient(lab, axis=(0, 1))
    edges = np.sqrt(np.square(down).sum(-1) + np.square(across).sum(-1))
    level, upright = (_mean_around(np.abs(d).sum(-1), EDGE_RADIUS) for d in (down, across))

    def by_cell(values: Floats) -> Floats:
        image = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(image.resize((cols, rows), Image.Resampling.BOX))

    u = ((2 * np.arange(cols) + 1) / cols - 1)[None]
    v = ((2 * np.arange(rows) + 1) / rows - 1)[:, None]
    cells = (
        GEODESIC * by_cell(_from_border(labels, colours)[labels])
        + UNLIKE * _ranks(by_cell(_unlike_border(lab, colours)[labels]))
        + EDGES * _ranks(by_cell(_mean_around(edges, EDGE_RADIUS)))
        + UPRIGHT * by_cell(upright / (upright + level + 0.5))
        + WARMTH * _ranks(by_cell(lab[..., 1]))
        + FACES * by_cell(faces(lab))
        + ACROSS * u**2
        + DOWN * v**2
        + BELOW * v
        + BASE
    )
    flat = bool(np.ptp(lab.reshape(-1, 3), axis=0).max() < CONTRAST)
    return SaliencyMap(cells.clip(0, 1).astype(np.float32), labels, flat)


def saliency_of(thing: Object, found: SaliencyMap) -> float:
    """Mean saliency of an object's pixels, 0 to 1."""
    area, pixels = coverage(thing)
    return float((found.cells[area] * pixels).sum() / pixels.sum())


def _distances(colours: Floats) -> Floats:
    """Euclidean distances between colours, ``[n, 3]`` to ``[n, n]``."""
    apart: Floats = np.sqrt(np.square(colours[:, None] - colours[None]).sum(-1))
    return apart


def _from_border(labels: Ints, colours: Floats) -> Floats:
    """Geodesic distance of each superpixel from the image's border, 0 to 1, ``float32 [n]``.

    A step to a neighbour costs the difference of colour, less the mean of what the smallest step from each
    superpixel costs, so that gentle gradients cost nothing; superpixels at the border are neighbours.
    """
    count = len(colours)
    if count == 1:
        return np.zeros(1, np.float32)
    border = np.zeros(count, bool)
    border[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    touch = touching(labels, count) | (border[:, None] & border[None])
    np.fill_diagonal(touch, False)
    steps = np.where(touch, _distances(colours), np.inf)
    smallest = steps.min(1)
    steps = np.maximum(steps - smallest[np.isfinite(smallest)].mean(), 0).astype(np.float32)
    least = np.where(border, 0, np.inf).astype(np.float32)
    # Bellman and Ford: as many rounds as the longest of the shortest paths has steps.
    while True:
        shorter = np.minimum(least, (least[:, None] + steps).min(0))
        if np.array_equal(shorter, least):
            return least / max(float(least.max()), 1e-6)
        least = shorter


def _mean_around(values: Floats, radius: int) -> Floats:
    """Mean of the square of 2 * radius + 1 pixels around each pixel, the image repeated at its edges."""
    out = values.astype(np.float64)
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (radius + 1, radius)
        sums = np.pad(out, pad, "edge").cumsum(axis)
        length, size = out.shape[axis], 2 * radius + 1
        upper = np.take(sums, np.arange(size, size + length), axis)
        out = (upper - np.take(sums, np.arange(length), axis)) / size
    return out.astype(np.float32)


def _unlike_border(lab: Floats, colours: Floats) -> Floats:
    """Mean Mahalanobis distance of colours, ``[n, 3]``, from those of the four sides of an image."""
    down, across = (max(1, int(n * SIDE)) for n in lab.shape[:2])
    distances = []
    for side in (lab[:down], lab[-down:], lab[:, :across], lab[:, -across:]):
        own = side.reshape(-1, 3).astype(np.float64)
        middle = own.mean(0)
        spread = (own - middle).T @ (own - middle) / len(own) + 16 * np.eye(3)
        off = colours - middle
        distances.append(np.sqrt(np.einsum("ij,jk,ik->i", off, np.linalg.inv(spread), off)))
    mean: Floats = np.mean(distances, 0).astype(np.float32)
    return mean


def _ranks(values: Floats) -> Floats:
    """Place of each value among all, 0 to 1."""
    order = np.argsort(values, axis=None, kind="stable")
    out = np.empty(values.size, np.float32)
    out[order] = np.arange(values.size, dtype=np.float32) / values.size
    return out.reshape(values.shape)
