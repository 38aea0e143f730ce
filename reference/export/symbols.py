"""Tables of symbols: how likely each residual is at each scale index (MODL-02)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.networks.model import Model
from sdc.networks.network import Network
from sdc.networks.profile import QUALITIES

from ..model.quantisation import SCALE_MIN, SCALE_STEP, SCALES

Integers = np.ndarray[Any, Any]

REACH_SIGMAS = 4.5
"""Residuals up to this many standard deviations stand in the tables; the rest are escapes."""


PRIOR_WEIGHT = 200
"""Counted symbols that the Gaussian weighs as much as, in a fitted table."""


PAST = 1 << 11
"""Residuals of this magnitude or a larger one are counted as one."""


FIT_SIZE = 320
FIT_QUALITIES = range(4, QUALITIES, 8)
"""Side of the crop, and the qualities, that tables are fitted to."""


def gaussian_mass(sigma: float) -> list[float]:
    """Probabilities of a rounded zero-mean Gaussian: residuals -R..R, then all others."""
    reach = min(127, max(1, math.ceil(REACH_SIGMAS * sigma)))
    edges = [0.5 * (1 + math.erf((r - 0.5) / sigma / math.sqrt(2))) for r in range(-reach, reach + 2)]
    mass = [b - a for a, b in pairwise(edges)]
    return [*mass, max(1 - sum(mass), 0.0)]


def frequencies_of(mass: Sequence[float]) -> list[int]:
    """Frequencies of at least 1 that sum to 2**15; what rounding leaves goes to the residual 0."""
    room = (1 << 15) - len(mass)
    freqs = [1 + int(m * room) for m in mass]
    freqs[(len(mass) - 2) // 2] += (1 << 15) - sum(freqs)
    return freqs


def gaussian_tables() -> list[list[float]]:
    """Probabilities of the tables of scale indices 1 to 63."""
    return [gaussian_mass(SCALE_MIN * math.exp(t * SCALE_STEP)) for t in range(1, SCALES)]


def fitted_tables(
    model: Model, encoder: Mapping[str, Network], images: Sequence[torch.Tensor]
) -> list[list[float]]:
    """Tables of a model fitted to what it codes, made symmetric.

    Args:
        model, encoder: the model with Gaussian tables.
        images: ``uint8 [3, H, W]``; a crop from the middle of each is coded at several qualities.
    """
    counts = _Counts()
    for image in images:
        y, x = ((n - min(n, FIT_SIZE)) // 2 for n in image.shape[1:])
        crop = image[:, y : y + FIT_SIZE, x : x + FIT_SIZE].permute(1, 2, 0).contiguous().numpy()
        for quality in FIT_QUALITIES:
            _count_symbols(counts, crop, quality, model, encoder)
    tables = []
    for gaussian, seen in zip(gaussian_tables(), counts.seen[1:], strict=True):
        reach = (len(gaussian) - 2) // 2
        inside = seen[PAST - reach : PAST + reach + 1]
        inside = (inside + inside[::-1]) / 2
        mass = np.append(inside, seen.sum() - inside.sum()) + np.array(gaussian) * PRIOR_WEIGHT
        tables.append((mass / mass.sum()).tolist())
    return tables


class _Counts:
    """How often each residual came with each scale index."""

    def __init__(self) -> None:
        self.seen = np.zeros((SCALES, 2 * PAST + 1), np.int64)

    def add(self, index: Integers, residuals: Integers) -> None:
        places = np.clip(residuals.reshape(-1), -PAST, PAST) + PAST
        flat = index.reshape(-1).astype(np.int64) * (2 * PAST + 1) + places
        self.seen.reshape(-1)[:] += np.bincount(flat, minlength=self.seen.size)


def _count_symbols(
    counts: _Counts, crop: Integers, quality: int, model: Model, encoder: Mapping[str, Network]
) -> None:
    """Count what is coded for one crop ``uint8 [H, W, 3]`` as one group, hyper-latents too."""
    cells = np.ones((-(-crop.shape[0] // 16), -(-crop.shape[1] // 16)), np.uint8)
    sites = sites_of(cells, [quality], [0])
    targets = analysis_transform(crop, sites, encoder)
    coder = GroupCoder(sites, model)
    hyper = hyper_analysis(targets, coder, encoder)
    counts.add(np.tile(model.hyper_index[quality], (len(hyper), 1)), hyper)
    _, symbols = encode_group(targets, hyper, coder)
    latents = np.zeros_like(symbols.latents)
    for k, at, index, _ in coder.coding_passes(coder.hyper_values(hyper), latents):
        _, a, b = model.passes[k]
        counts.add(index, symbols.residuals[at, a:b])
        latents[at, a:b] = symbols.latents[at, a:b]
