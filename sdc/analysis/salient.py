"""Regions that stand out, found without any trained network: NumPy and Pillow alone.

The map of saliency is a weighted sum of what a cell of the picture has:

- its geodesic distance from the picture's border: the least change of colour, summed up along a path of
  superpixels, that one must cross to come from the border to it (Wei, Wen, Zhu, Sun: "Geodesic Saliency Using
  Background Priors", ECCV 2012);
- how unlike the border its colour is: the mean Mahalanobis distance from the colours of the four sides;
- how many edges there are around it, and how upright they are;
- how warm its colour is, green against magenta in CIELAB;
- its place: the middle before the sides, and below before above;
- how much it looks like a part of a face, see :func:`faces`.

The weights are least squares on 49 pictures of COCO val2017, each weighted by the inverse of the share of its
objects, but for that of faces, which was chosen; :mod:`.figures` measures what they reach on 50 others.
Superpixels are those of SLIC (Achanta et al., PAMI 2012); each pixel looks at the nine nearest centres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from ..objects.grouping import coverage
from ..objects.object import Object
from ..types import CELL, Level
from .steps import Options, Scene

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LONG_SIDE = 160
"""Pictures are looked at reduced to this many pixels."""


SEGMENTS = 250
ROUNDS = 5
COMPACTNESS = 10.0

EDGE_RADIUS = 9
"""Pixels of the reduced picture to each side over which edges are counted."""


SIDE = 1 / 12
"""Share of the picture's height or width that is a side of its border."""


GEODESIC, UNLIKE, EDGES, UPRIGHT, WARMTH = 0.32, 0.115, 0.142, 0.113, 0.142
"""Weights of the geodesic distance, of the ranks of being unlike the border, of edges and of warmth, and of
the share of edges that are upright."""


ACROSS, DOWN, BELOW, BASE = -0.095, -0.105, 0.022, 0.097
"""Weights of u^2, v^2, v and 1, where u and v, -1 to 1, are the place across and down."""


FACES = 0.5
"""Weight of what looks like a face."""


WIDTHS = (7, 10, 14, 20, 28, 40)
"""Widths of the faces that are looked for, in pixels of the reduced picture."""


SKIN_HUE, SKIN_SPREAD = 50.0, 16.0
"""Degrees of the hue of skin in CIELAB, and their spread."""


SKIN_SATURATION = (0.08, 0.18, 0.56, 0.68)
"""Chroma of skin by the length of lightness and chroma: it begins, is full, ends, and is over."""


SKIN_LIGHTNESS = (8.0, 18.0)
"""Lightness of CIELAB below which hue says nothing, and from which it counts in full."""


THRESHOLD = 0.356
"""Cells of this saliency are in a region."""


LEAST, MOST = 0.15, 0.60
"""Bounds of the share of the cells in regions, whatever the threshold says."""


REGIONS = 3
"""Of a level, at most."""


SMALLEST = 0.02
"""Share of the cells under which a piece is no region of its own."""


CONTRAST = 2.0
"""Difference of CIELAB under which a picture has nothing that stands out."""


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """What stands out in a picture.

    Attributes:
        cells: ``float32 [rows, cols]``, saliency of each cell of 16x16 pixels, 0 to 1.
        labels: ``int [h, w]``, the superpixels of the reduced picture.
        flat: whether the picture has nearly one colour, so that the map means nothing.
    """

    cells: Floats
    labels: Ints
    flat: bool


def _lab(rgb: Pixels) -> Floats:
    """CIELAB of sRGB pixels, white D65: ``uint8 [h, w, 3]`` to ``float32 [h, w, 3]``."""
    c = rgb.astype(np.float32) / 255
    linear = np.where(c > 0.04045, ((c + 0.055) / 1.055) ** 2.4, c / 12.92)
    xyz = linear @ np.array(
        [[0.4339, 0.2127, 0.0178], [0.3762, 0.7152, 0.1095], [0.1899, 0.0722, 0.8727]], np.float32
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).astype(np.float32)


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
        centres = _means(points, labels, rows * cols)
        distances = np.stack([np.square(points - centres[others]).sum(1) for others in near])
        best = distances.argmin(0)
        labels = np.stack(near)[best, np.arange(len(labels))]
    return np.unique(labels, return_inverse=True)[1].reshape(height, width).astype(np.int64)


def _means(values: Floats, labels: Ints, count: int) -> Floats:
    """Mean of the rows of values, ``[n, k]``, for each label; 0 for a label that does not occur."""
    sizes = np.bincount(labels, minlength=count).clip(1)
    sums = np.stack([np.bincount(labels, column, count) for column in values.T], 1)
    return (sums / sizes[:, None]).astype(np.float32)


def _touching(labels: Ints, count: int) -> Bools:
    """Which labels of a map have a side in common, ``bool [count, count]``."""
    touch = np.zeros((count, count), bool)
    for one, other in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        touch[one, other] = True
    return touch | touch.T


def _distances(colours: Floats) -> Floats:
    """Euclidean distances between colours, ``[n, 3]`` to ``[n, n]``."""
    return np.sqrt(np.square(colours[:, None] - colours[None]).sum(-1))


def _from_border(labels: Ints, colours: Floats) -> Floats:
    """Geodesic distance of each superpixel from the picture's border, 0 to 1, ``float32 [n]``.

    A step to a neighbour costs the difference of colour, less the mean of what the smallest step from each
    superpixel costs, so that gentle gradients cost nothing; superpixels at the border are neighbours.
    """
    count = len(colours)
    if count == 1:
        return np.zeros(1, np.float32)
    border = np.zeros(count, bool)
    border[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    touch = _touching(labels, count) | (border[:, None] & border[None])
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
    """Mean of the square of 2 * radius + 1 pixels around each pixel, the picture repeated at its edges."""
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
    """Mean Mahalanobis distance of colours, ``[n, 3]``, from those of the four sides of a picture."""
    down, across = (max(1, int(n * SIDE)) for n in lab.shape[:2])
    distances = []
    for side in (lab[:down], lab[-down:], lab[:, :across], lab[:, -across:]):
        own = side.reshape(-1, 3).astype(np.float64)
        middle = own.mean(0)
        spread = (own - middle).T @ (own - middle) / len(own) + 16 * np.eye(3)
        off = colours - middle
        distances.append(np.sqrt(np.einsum("ij,jk,ik->i", off, np.linalg.inv(spread), off)))
    return np.mean(distances, 0).astype(np.float32)


def skin(lab: Floats) -> Floats:
    """How much colours are those of human skin, 0 to 1: ``[h, w, 3]`` to ``float32 [h, w]``.

    Pigment and blood give skin of every tone nearly the same hue; tones differ in lightness.
    So the hue of CIELAB decides, and chroma by lightness; lightness itself only where it is too dark to tell
    a hue.
    """
    lightness, a, b = np.moveaxis(lab, -1, 0)
    chroma = np.hypot(a, b)
    hue = np.degrees(np.arctan2(b, a))
    saturation = chroma / np.hypot(chroma, lightness).clip(1)
    begins, full, ends, over = SKIN_SATURATION
    out = np.exp(-0.5 * ((hue - SKIN_HUE) / SKIN_SPREAD) ** 2)
    out *= ((saturation - begins) / (full - begins)).clip(0, 1)
    out *= ((over - saturation) / (over - ends)).clip(0, 1)
    dark, light = SKIN_LIGHTNESS
    return (out * ((lightness - dark) / (light - dark)).clip(0, 1)).astype(np.float32)


class _Boxes:
    """Means of a map over boxes around every pixel, the map repeated at its edges."""

    def __init__(self, values: Floats, reach: int):
        """Prepare for boxes that reach so many pixels from the pixel at most."""
        self.shape, self.reach = values.shape, reach + 1
        padded = np.pad(values.astype(np.float64), self.reach, "edge")
        self.sums = np.zeros((padded.shape[0] + 1, padded.shape[1] + 1))
        self.sums[1:, 1:] = padded.cumsum(0).cumsum(1)

    def mean(self, height: float, width: float, down: float = 0, across: float = 0) -> Floats:
        """Means over boxes of a size, their middles so far below and right of the pixel."""
        h, w = max(1, round(height)), max(1, round(width))
        top, left = self.reach + round(down) - h // 2, self.reach + round(across) - w // 2
        rows, cols = self.shape

        def corner(y: int, x: int) -> npt.NDArray[np.float64]:
            return self.sums[y : y + rows, x : x + cols]

        total = corner(top + h, left + w) - corner(top, left + w) - corner(top + h, left) + corner(top, left)
        return (total / (h * w)).astype(np.float32)


def faces(lab: Floats) -> Floats:
    """How much pixels look like parts of faces, 0 to 1: ``[h, w, 3]`` to ``float32 [h, w]``.

    For each of some widths a face is a box of the colours of skin (:func:`skin`) with less of them around it,
    in which both eyes are darker than the cheeks below and than the bridge of the nose between them, the two
    contrasts that a trained cascade begins with (Viola, Jones: "Rapid Object Detection Using a Boosted
    Cascade of Simple Features", CVPR 2001).
    Contrasts are in deviations of the box's own lightness, so that they do not depend on the tone of skin.
    Faces from the side, upside down, hidden, or in coloured light are not found; some wood and sand is.
    """
    height, width = lab.shape[:2]
    widths = [w for w in WIDTHS if w <= 0.8 * min(height, width)]
    out = np.zeros((height, width), np.float32)
    if not widths:
        return out
    reach = 2 * widths[-1]
    tones, light, squares = (_Boxes(values, reach) for values in (skin(lab), lab[..., 0], lab[..., 0] ** 2))
    for w in widths:
        inner, outer = tones.mean(1.1 * w, 0.8 * w), tones.mean(2.2 * w, 2 * w)
        around = (4.4 * outer - 0.88 * inner) / (4.4 - 0.88)
        blob = (inner - 0.7 * around.clip(0, 1)).clip(0, 1)
        variance = squares.mean(1.1 * w, 0.9 * w) - light.mean(1.1 * w, 0.9 * w) ** 2
        eyes = np.maximum(*(light.mean(0.22 * w, 0.3 * w, -0.12 * w, side * 0.22 * w) for side in (-1, 1)))
        cheeks, nose = light.mean(0.25 * w, 0.8 * w, 0.15 * w), light.mean(0.25 * w, 0.2 * w, -0.1 * w)
        contrast = (np.minimum(cheeks, nose) - eyes) / np.sqrt(variance.clip(4))
        out = np.maximum(out, _largest_around(blob * contrast.clip(0, 1), 1.2 * w, 0.9 * w))
    return out


def _largest_around(values: Floats, height: float, width: float) -> Floats:
    """Largest value of a box around each pixel; beyond the edges values are 0."""
    for axis, size in enumerate((round(height), round(width))):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (size // 2, size - 1 - size // 2)
        values = np.lib.stride_tricks.sliding_window_view(np.pad(values, pad), size, axis).max(-1)
    return values


def _ranks(values: Floats) -> Floats:
    """Place of each value among all, 0 to 1."""
    order = np.argsort(values, axis=None, kind="stable")
    out = np.empty(values.size, np.float32)
    out[order] = np.arange(values.size, dtype=np.float32) / values.size
    return out.reshape(values.shape)


def saliency(pixels: Pixels) -> SaliencyMap:
    """The map of saliency of a picture.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB, of any size.
    """
    height, width = pixels.shape[:2]
    rows, cols = -(-height // CELL), -(-width // CELL)
    scale = min(1.0, LONG_SIDE / max(height, width))
    size = max(2, round(width * scale)), max(2, round(height * scale))
    lab = _lab(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX)))
    labels = superpixels(lab, min(SEGMENTS, max(2, size[0] * size[1] // 4)))
    colours = _means(lab.reshape(-1, 3), labels.reshape(-1), int(labels.max()) + 1)
    down, across = np.gradient(lab, axis=(0, 1))
    edges = np.sqrt(np.square(down).sum(-1) + np.square(across).sum(-1))
    level, upright = (_mean_around(np.abs(d).sum(-1), EDGE_RADIUS) for d in (down, across))

    def by_cell(values: Floats) -> Floats:
        picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
        return np.asarray(picture.resize((cols, rows), Image.Resampling.BOX))

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


def _pieces(bands: Ints) -> Ints:
    """Connected cells of the same band, sides in common, ``int [rows, cols]``; bands below 0 are no piece.

    Returns:
        For each cell the index, in the flattened grid, of the first cell of its piece; -1 for none.
    """
    labels = np.arange(bands.size).reshape(bands.shape)
    down, across = bands[1:] == bands[:-1], bands[:, 1:] == bands[:, :-1]
    while True:
        before = labels.copy()
        for one, other, same in (
            (labels[1:], labels[:-1], down),
            (labels[:-1], labels[1:], down),
            (labels[:, 1:], labels[:, :-1], across),
            (labels[:, :-1], labels[:, 1:], across),
        ):
            one[same] = np.minimum(one, other)[same]
        labels = labels.reshape(-1)[labels]
        if np.array_equal(labels, before):
            return np.where(bands >= 0, labels, -1)


def _as_object(cells: Bools, score: float, width: int, height: int) -> Object:
    """The pixels of some cells as an object."""
    rows, cols = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
    top, left = int(rows[0]), int(cols[0])
    part = cells[top : int(rows[-1]) + 1, left : int(cols[-1]) + 1]
    mask = np.repeat(np.repeat(part, CELL, 0), CELL, 1)[: height - CELL * top, : width - CELL * left]
    box = (CELL * left, CELL * top, mask.shape[1], mask.shape[0])
    return Object("region", box, None, score, mask=None if mask.all() else np.ascontiguousarray(mask))


def regions_of(found: SaliencyMap, width: int, height: int, threshold: float = THRESHOLD) -> list[Object]:
    """Regions of a picture that stand out, of whole cells.

    The cells of a saliency above a threshold are divided in three by it, and the connected pieces
    of the first third are regions of level L1, of the second of L2, of the last of L3.
    Small pieces are part of the largest region of their level.

    Args:
        found: the map.
        width, height: of the picture in pixels.
        threshold: saliency of the cells in regions; :data:`LEAST` and :data:`MOST` bound their share.

    Returns:
        ``region 1``, ``region 2`` and so on with their mean saliency as the score; none in a picture of one
        colour or of fewer than four cells.
    """
    if found.flat or found.cells.size < 4:
        return []
    best_first = np.argsort(-found.cells, axis=None, kind="stable")
    count = int((found.cells >= threshold).sum())
    count = min(max(count, round(LEAST * found.cells.size), 1), round(MOST * found.cells.size))
    bands = np.full(found.cells.size, -1)
    bands[best_first[:count]] = 3 * np.arange(count) // count
    pieces = _pieces(bands.reshape(found.cells.shape))
    regions = []
    for third, level in enumerate((Level.L1, Level.L2, Level.L3)):
        names, sizes = np.unique(pieces[bands.reshape(pieces.shape) == third], return_counts=True)
        order = np.argsort(-sizes, kind="stable")
        large = [k for k in order[:REGIONS].tolist() if sizes[k] >= SMALLEST * pieces.size]
        for k in large or order[:1].tolist():
            # What is too small to be a region of its own is of the largest one.
            others = np.setdiff1d(names, names[large]) if k == order[0] else []
            cells = np.isin(pieces, [names[k], *others])
            score = round(float(found.cells[cells].mean()), 4)
            regions.append(replace(_as_object(cells, score, width, height), level=level))
    regions.sort(key=lambda region: (region.level or Level.L1, -region.score))
    return [replace(region, label=f"region {k}") for k, region in enumerate(regions, 1)]


class SalientRegions:
    """Grounding and masks without a network: the default, and what others fall back to."""

    def __init__(self, options: Options):
        self.model = ""

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """The regions that :func:`regions_of` makes of the built-in map; the words are not used."""
        return regions_of(scene.saliency, scene.pixels.shape[1], scene.pixels.shape[0])

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """Objects that are boxes, cut to the superpixels that lie in the box by half or more.

        A box of which that would leave less than a quarter stays as it is.
        """
        labels = scene.saliency.labels
        height, width = scene.pixels.shape[:2]
        rows = (2 * np.arange(height) + 1) * labels.shape[0] // (2 * height)
        cols = (2 * np.arange(width) + 1) * labels.shape[1] // (2 * width)
        sizes = np.bincount(labels.reshape(-1))
        out = []
        for thing in objects:
            x, y, w, h = thing.box
            if thing.mask is None:
                inside = labels[np.ix_(np.unique(rows[y : y + h]), np.unique(cols[x : x + w]))]
                own = 2 * np.bincount(inside.reshape(-1), minlength=len(sizes)) >= sizes
                mask = own[labels[np.ix_(rows[y : y + h], cols[x : x + w])]]
                if 4 * mask.sum() >= mask.size and not mask.all():
                    thing = replace(thing, mask=mask)
            out.append(thing)
        return out


def saliency_of(thing: Object, found: SaliencyMap) -> float:
    """Mean saliency of an object's pixels, 0 to 1."""
    area, pixels = coverage(thing)
    return float((found.cells[area] * pixels).sum() / pixels.sum())
