"""Analysis transform, hyper analysis and synthesis transform of cells."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from ..coding.passes import BLOCK, GroupCoder, quantise_hyper
from ..networks.network import Network, receptive_radius, shuffle_factors
from ..networks.run import Runner, run
from ..networks.sites import Sites
from ..types import CELL, Array, Pixels
from .tiles import pad_to_cells, pixels_of, tiles

HYPER_BLOCKS = 512
"""Blocks of the hyper analysis worked on at once."""


PATCH = 8


def synthesis_transform(
    latents: Array,
    sites: Sites,
    network: Network,
    canvas: Pixels,
    *,
    arithmetic: str = "float32",
    runner: Runner = run,
) -> None:
    """Run a synthesis and put the cells into a canvas; tiles keep the memory bounded.

    Args:
        latents: ``int [cells, M]``.
        sites: the cells, of one group or several.
        network: from latents to the samples of a cell.
        canvas: ``uint8 [rows * 16, cols * 16, 3]``, written in place.
    """
    view = canvas.reshape(canvas.shape[0] // CELL, CELL, canvas.shape[1] // CELL, CELL, 3)
    for near, own in tiles(sites, receptive_radius(network)):
        whole = len(near) == len(sites)
        part = sites if whole else sites.take(near)
        out = runner(
            network,
            part,
            latents if whole else latents[near],
            only=None if whole else own,
            arithmetic=arithmetic,
        )
        pixels = out.astype(np.uint8).reshape(len(own), *pixel_axes(network), 3)
        pixels = pixels.transpose(0, 1, 3, 2, 4, 5)
        view[part.rows[own], :, part.cols[own]] = pixels.reshape(len(own), CELL, CELL, 3)


def pixel_axes(network: Network) -> tuple[int, ...]:
    """Axes of the synthesis output of one cell, coarse to fine, as its shuffles nest."""
    a, b = shuffle_factors(network)
    return (a, a, b, b)


def patches(padded: Pixels, sites: Sites) -> Array:
    """Input of the analysis: ``int16 [cells * 4, 192]``, pixels of 8x8 patches as ``p - 128``.

    Args:
        padded: from :func:`pad_to_cells`.
    """
    cells = pixels_of(padded, sites).astype(np.int16)
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
    for near, own in tiles(sites, receptive_radius(network, 2)):
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
