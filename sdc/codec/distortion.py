"""What decoded pixels lose, and its gradient, for the rate-distortion search (not normative)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..networks.gradient import backward
from ..networks.model import Model
from ..networks.network import Network, receptive_radius
from ..networks.run import Tape, run
from ..networks.sites import Sites
from ..types import CELL, Array, Pixels
from .features import FeatureDistance
from .tiles import in_tiles, pixels_of, tiles
from .transforms import pixel_axes


def squared_error(
    latents: Array,
    sites: Sites,
    model: Model,
    padded: Pixels,
    size: tuple[int, int],
    *,
    gradient: bool = True,
    features: FeatureDistance | None = None,
) -> tuple[float, Array]:
    """Squared error of the pixels of some cells, and its gradient; tiles keep the memory bounded.

    Pixels outside the image do not count.

    Args:
        latents: ``[cells, M]`` integers in any real dtype.
        sites: the cells.
        padded: the whole image, from :func:`.tiles.pad_to_cells`.
        size: its height and width before that.
        gradient: whether the gradient is wanted; else it is empty.
        features: whose distance is added, of the same cells.

    Returns:
        ``(sum over pixels of the mean over R, G and B, float32 [cells, M])``.
    """
    network = model.networks["synthesis"]
    far = receptive_radius(network)
    error, out = 0.0, np.empty((len(sites) if gradient else 0, model.latents), np.float32)
    slopes: Array | None = None
    if features is not None and in_tiles(sites):
        error, slopes = features(in_place(_all_samples(latents, sites, network), network), gradient)
    # Pixels up to ``far`` cells away change with a latent, and with latents as far beyond.
    for (near, own), (seen, _) in zip(
        tiles(sites, 2 * far if gradient else far), tiles(sites, far), strict=True
    ):
        part = sites.take(near)
        tape: Tape | None = [] if gradient else None
        pixels = run(network, part, latents[near], tape=tape).astype(np.float32, copy=False)
        difference = pixels.reshape(len(near), -1, 3)
        if features is not None and slopes is None:
            error, slopes = features(in_place(difference, network), gradient)
        difference -= in_order_of(pixels_of(padded, part), network)
        if padded.shape[:2] != size:
            difference *= in_order_of(_inside(part, *size), network)
        error += float(np.square(difference[own]).sum(dtype=np.float64)) / 3
        if tape is not None:
            difference *= 2 / 3
            if slopes is not None:
                difference += in_order_of(slopes[near], network)
            difference[np.isin(near, seen, invert=True)] = 0
            out[near[own]] = backward(network, part, difference.reshape(-1, 3), tape)[own]
    return error, out


def _all_samples(latents: Array, sites: Sites, network: Network) -> Array:
    """Samples of all cells as the synthesis orders them, ``int16 [cells, 256, 3]``, from tiles."""
    samples = np.empty((len(sites), CELL * CELL, 3), np.int16)
    for near, own in tiles(sites, receptive_radius(network)):
        out = run(network, sites.take(near), latents[near], only=own)
        samples[near[own]] = out.reshape(len(own), -1, 3)
    return samples


def _inside(sites: Sites, height: int, width: int) -> npt.NDArray[np.bool_]:
    """Whether pixels of cells are in the image, ``bool [cells, 16, 16, 1]``."""
    rows = sites.rows[:, None] * CELL + np.arange(CELL) < height
    cols = sites.cols[:, None] * CELL + np.arange(CELL) < width
    return (rows[:, :, None] & cols[:, None])[..., None]


def in_order_of(cells: Array, network: Network) -> Array:
    """``[cells, 16, 16, channels]`` as the synthesis orders them: ``[cells, 256, channels]``."""
    a, _, b, _ = pixel_axes(network)
    channels = cells.shape[-1]
    split = cells.reshape(-1, a, b, a, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(len(cells), CELL * CELL, channels)


def in_place(samples: Array, network: Network) -> Array:
    """``[cells, 256, channels]`` as the synthesis orders them as ``[cells, 16, 16, channels]``."""
    a, _, b, _ = pixel_axes(network)
    channels = samples.shape[-1]
    split = samples.reshape(-1, a, a, b, b, channels).transpose(0, 1, 3, 2, 4, 5)
    return split.reshape(len(samples), CELL, CELL, channels)
