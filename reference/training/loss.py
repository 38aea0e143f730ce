"""The loss: ``lambda * squared error + bits`` per coded pixel."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sdc.networks.profile import QUALITIES

from ..model.quantisation import LAMBDA_HIGH, LAMBDA_LOW, quality_to_lambda

Distance = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Distance ``[B]`` of images from decoded ones, summed over the pixels of a mask, in squared 8-bit units."""


def sample_loss(
    model: Callable[..., dict[str, Tensor]],
    crops: Tensor,
    cells: Tensor,
    quality: Tensor,
    seen: Distance | None = None,
    factors: Sequence[float] = (1.0, 1.0),
) -> tuple[Tensor, Tensor]:
    """Loss of one batch, and what the log wants to know.

    Args:
        model: a :class:`~sdc_reference.model.reference.ReferenceModel`, compiled or not.
        crops: ``uint8 [B, 3, H, W]``.
        cells: ``[B, 1, H/16, W/16]`` float.
        quality: ``[B]`` float 0..63.
        seen: a further distance, added to the squared error.
        factors: on all distortion, at the lowest and at the highest quality; a geometric series between.

    Returns:
        ``(loss, [loss, bits, bits of hyper-latents, squared error])``, per coded pixel.
    """
    image = crops.float().contiguous(memory_format=torch.channels_last)
    out = model(image, quality, cells)
    decoded = out["image"].float()
    mask = F.interpolate(cells, scale_factor=16, mode="nearest")
    error = ((decoded - image) ** 2 * mask).sum((1, 2, 3)) / 3.0
    bits = out["bits"] + out["hyper_bits"]
    distortion = error if seen is None else error + seen(image, decoded, mask)
    low, high = factors
    factor = low * (high / low) ** (quality / (QUALITIES - 1))
    weight = (quality_to_lambda(quality) / math.sqrt(LAMBDA_LOW * LAMBDA_HIGH)) ** -0.35
    pixels = cells.sum() * 256.0
    loss = (weight * (quality_to_lambda(quality) * factor * distortion + bits)).sum() / pixels
    parts = torch.stack([bits.sum(), out["hyper_bits"].sum(), error.sum()]) / pixels
    return loss, torch.cat([loss[None], parts]).detach()
