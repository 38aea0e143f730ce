"""Entropy parameters of latents, and latents of residuals (spec section "Latents")."""

from __future__ import annotations

import numpy as np

from ..networks.model import Model
from ..types import Array

V_MIN, V_MAX = -65536, 65535


def entropy_parameters(raw: Array, qualities: Array, model: Model, k: int) -> tuple[Array, Array]:
    """Entropy parameters of a coding pass (PASS-06, PASS-07).

    Args:
        raw: ``int [m, 2 * C]`` output of its context for m cells, C being its channels.
        qualities: ``int [m]`` of the cells' groups.
        k: number of the pass.

    Returns:
        ``(scale indices, means in 1/16 steps)``, each ``int64 [m, C]``.
    """
    _, a, b = model.passes[k]
    raw = raw.astype(np.int64)
    offset, inverse = model.offset[qualities, a:b], model.inverse[qualities, a:b]
    s = model.shifts["index"]
    index = np.clip(raw[:, : b - a] + offset + (1 << s - 1) >> s, 0, 63)
    s = model.shifts["mean"]
    return index, raw[:, b - a :] * inverse + (1 << s - 1) >> s


def dequantised(residuals: Array, mean: Array, qualities: Array, model: Model, k: int) -> Array:
    """Latents d of residuals r and means m (PASS-08).

    Args:
        residuals, mean: ``int [m, C]``.
        qualities: ``int [m]`` of the cells' groups.
        k: number of the pass.

    Returns:
        ``int64 [m, C]``.
    """
    _, a, b = model.passes[k]
    s = model.shifts["step"]
    v = np.clip((residuals.astype(np.int64) << 4) + mean, V_MIN, V_MAX)
    values: Array = np.clip(v * model.step[qualities, a:b] + (1 << s - 1) >> s, *model.latent_range)
    return values
