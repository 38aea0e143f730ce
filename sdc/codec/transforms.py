"""Analysis and synthesis transform over cells, in tiles that keep the memory bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ..coding.passes import BLOCK, GroupCoder, quantise_hyper
from ..networks.gradient import backward
from ..networks.model import Model
from ..networks.network import Network, receptive_radius, shuffle_factors
from ..networks.run import Runner, Tape, run
from ..networks.sites import Sites
from ..types import CELL, Array, Pixels

TILE_CELLS = 64
"""Cells per side of a synthesis tile; tiles are used once there are more than twice its square."""


HYPER_BLOCKS = 512
"""Blocks of the hyper analysis worked on at once."""


PATCH = 8


def _tiles(sites: Sites, margin: int) -> Iterator[tuple[Array, Array]]:
    """Split cells into tiles.

    Yields:
        ``(cells of the tile and of a margin around it, which of those are of the tile)``, as indices.
    """
    n = len(sites)
    if n <= 2 * TILE_CELLS**2:
        yield np.arange(n), np.arange(n)
        return
    for top in range(0, int(sites.rows.max()) + 1, TILE_CELLS):
        first = int(np.searchsorted(sites.rows, top - margin, "left"))
        past = int(np.searchsorted(sites.rows, top + TILE_CELLS + margin, "left"))
        rows, cols = sites.rows[first:past], sites.cols[first:past]
        for left in range(0, int(sites.cols.max()) + 1, TILE_CELLS):
            near = np.flatnonzero((cols >= left - margin) & (cols < left + TILE_CELLS + margin))
            r, c = rows[near], cols[near]
            own = (r >= top) & (r < top + TILE_CELLS) & (c >= left) & (c < left + TILE_CELLS)
            if own.any():
                yield near + first, np.flatnonzero(own)


def synthesis_transform(
    latents: Array,
    sites: Sites,
    model: Model,
    canvas: Pixels,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> None:
    """Run the synthesis and put the cells into a canvas; tiles keep the memory bounded.

    Args:
        latents: ``int [cells, M]``.
        sites: the cells, of one group or several.
        canvas: ``uint8 [rows * 16, cols * 16, 3]``, written in place.
    """
    network = model.networks["synthesis"]
    view = canvas.reshape(canvas.shape[0] // CELL, CELL, canvas.shape[1] // CELL, CELL, 3)
    for near, own in _tiles(sites, receptive_radius(network)):
        whole = len(near) == len(sites)
        part = sites if whole else sites.take(near)
        out = runner(
            network,
            part,
            latents if whole else latents[near],
            only=None if whole else own,
            arithmetic=arithmetic,
        )
        pixels = out.astype(np.uint8).reshape(len(own), *_pixel_axes(network), 3)
        pixels = pixels.transpose(0, 1, 3, 2, 4, 5)
        view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)


def _pixel_axes(network: Network) -> tuple[int, ...]:
    """Axes of the synthesis output of one cell, coarse to fine, as its shuffles nest."""
    a, b = shuffle_factors(network)
    return (a, a, b, b)


def pad_to_cells(image: Pixels) -> Pixels:
    """The picture with its edge cells filled up by repeating the last row and column."""
    height, width = image.shape[:2]
    if height % CELL == 0 and width % CELL == 0:
        return np.ascontiguousarray(image)
    return np.pad(image, ((0, -height % CELL), (0, -width % CELL), (0, 0)), "edge")


def patches(padded: Pixels, sites: Sites) -> Array:
    """Input of the analysis: ``int16 [cells * 4, 192]``, pixels of 8x8 patches as ``p - 128``.

    Args:
        padded: from :func:`pad_to_cells`.
    """
    cells = _pixels_of(padded, sites).astype(np.int16)
    cells = cells.reshape(-1, 2, PATCH, 2, PATCH, 3).transpose(0, 1, 3, 2, 4, 5)
    return (cells - 128).reshape(len(sites) * 4, PATCH * PATCH * 3)


def analysis_transform(
    image: Pixels,
    sites: Sites,
    encoder: Mapping[str, Network],
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> Array:
    """Latents of the analysis for some cells, ``int16 [cells, M]``, in tiles."""
    network = encoder["analysis"]
    image = pad_to_cells(image)
    out: Array | None = None
    for near, own in _tiles(sites, receptive_radius(network, 2)):
        part = sites if len(near) == len(sites) else sites.take(near)
        only = None if len(near) == len(sites) else own
        y = runner(network, part, patches(image, part), factor=2, only=only, arithmetic=arithmetic)
        if out is None:
            out = np.empty((len(sites), y.shape[1]), np.int16)
        out[near[own]] = y
    assert out is not None
    return out


def hyper_analysis(
    latents: Array, coder: GroupCoder, encoder: Mapping[str, Network], runner: Runner = run
) -> Array:
    """Hyper residuals of a group, ``int64 [blocks, K]``.

    The two small float networks run in float64, so that machines agree but for ties.
    """
    count, block, place = coder.blocks
    order = np.argsort(block, kind="stable")
    bounds = np.searchsorted(block[order], np.arange(0, count + HYPER_BLOCKS, HYPER_BLOCKS))
    out = []
    for first, (start, stop) in enumerate(pairwise(bounds)):
        cells = order[start:stop]
        features = runner(
            encoder["hyper_cells"], coder.sites.take(cells), latents[cells], arithmetic="float64"
        )
        here = min(HYPER_BLOCKS, count - first * HYPER_BLOCKS)
        gathered = np.zeros((here, BLOCK * BLOCK, features.shape[1]))
        gathered[block[cells] - first * HYPER_BLOCKS, place[cells]] = features
        zeros = np.zeros(here, np.int64)
        flat = Sites(zeros, zeros, zeros, zeros)
        out.append(runner(encoder["hyper_blocks"], flat, gathered.reshape(here, -1), arithmetic="float64"))
    return quantise_hyper(np.concatenate(out), coder)


def squared_error(
    latents: Array,
    sites: Sites,
    model: Model,
    padded: Pixels,
    size: tuple[int, int],
    *,
    gradient: bool = True,
) -> tuple[float, Array]:
    """Squared error of the pixels of some cells, and its gradient; tiles keep the memory bounded.

    Pixels outside the picture do not count.

    Args:
        latents: ``[cells, M]`` integers in any real dtype.
        sites: the cells.
        padded: the whole picture, from :func:`pad_to_cells`.
        size: its height and width before that.
        gradient: whether the gradient is wanted; else it is empty.

    Returns:
        ``(sum over pixels of the mean over R, G and B, float32 [cells, M])``.
    """
    network = model.networks["synthesis"]
    far = receptive_radius(network)
    error, out = 0.0, np.empty((len(sites) if gradient else 0, model.latents), np.float32)
    # Pixels up to ``far`` cells away change with a latent, and with latents as far beyond.
    for (near, own), (seen, _) in zip(
        _tiles(sites, 2 * far if gradient else far), _tiles(sites, far), strict=True
    ):
        part = sites.take(near)
        tape: Tape | None = [] if gradient else None
        difference = run(network, part, latents[near], tape=tape).reshape(len(near), -1, 3)
        difference -= _in_order_of(_pixels_of(padded, part), network)
        if padded.shape[:2] != size:
            difference *= _in_order_of(_inside(part, *size), network)
        error += float(np.square(difference[own]).sum(dtype=np.float64)) / 3
        if tape is not None:
            difference *= 2 / 3
            difference[np.isin(near, seen, invert=True)] = 0
            out[near[own]] = backward(network, part, difference.reshape(-1, 3), tape)[own]
    return error, out


def _pixels_of(padded: Pixels, sites: Sites) -> Pixels:
    """Pixels of cells, ``uint8 [cells, 16, 16, 3]``."""
    view = padded.reshape(padded.shape[0] // CELL, CELL, padded.shape[1] // CELL, CELL, 3)
    return view[sites.rows, :, sites.cols]


def _inside(sites: Sites, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Whether pixels of cells are in the picture, ``bool [cells, 16, 16, 1]``."""
    rows = sites.rows[:, None] * CELL + np.arange(CELL) < height
    cols = sites.cols[:, None] * CELL + np.arange(CELL) < width
    return (rows[:, :, None] & cols[:, None])[..., None]


def _in_order_of(cells: Array, network: Network) -> Array:
    """``[cells, 16, 16, channels]`` as the synthesis orders them: ``[cells, 256, channels]``."""
    a, _, b, _ = _pixel_axes(network)
    channels = cells.shape[-1]
    split = cells.reshape(-1, a, b, a, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(len(cells), CELL * CELL, channels)
