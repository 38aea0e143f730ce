"""Integer weights that err together less than each one rounded to the nearest.

Column after column is rounded, and what that does to a layer's output is made good, as far as can be,
in the columns that are still to come: Frantar et al., *GPTQ: accurate post-training quantization for
generative pre-trained transformers* (2023), with inputs that the integer model itself computes.
Rows of a table by quality are rounded so that the means of the latents stay: what rounding adds to hundreds
of biases is the same in every cell, and can be most of a step of the latent of the mean at high qualities.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sdc.networks.profile import QUALITIES

from ..model.layers import Pointwise, choose_shift, set_integer
from ..model.reference import ReferenceModel, watched
from ..training.data import Example

DAMPING = 0.01
"""Added to the diagonal of the second moments, as a part of its mean, and of the bias's own."""


MOST = 4
"""Units that an entry of a table moves at most."""


def rounded(weight: Tensor, moments: Tensor) -> Tensor:
    """Whole numbers near ``weight`` with little error in the output.

    Args:
        weight: float64 ``[out, in]`` in units of the integers; its last column is the bias.
        moments: float64 ``[in, in]``, the sums of products of the inputs.

    Returns:
        float64 ``[out, in]`` of integers.
    """
    count = len(moments)
    # Inputs that say most go first; the bias, which is fine-grained, goes last.
    order = torch.cat([moments.diagonal()[:-1].argsort(descending=True), torch.tensor([count - 1])])
    square = moments[order][:, order]
    # A layer may see nothing but zeros.
    damping = torch.full((count,), float(square.diagonal()[:-1].mean().clamp_min(1.0)), dtype=square.dtype)
    damping[-1] = square[-1, -1]
    square = square + torch.diag(DAMPING * damping)
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(square)), upper=True)
    rest, result = weight[:, order].clone(), torch.zeros_like(weight)
    for k in range(count):
        whole = torch.round(rest[:, k])
        result[:, order[k]] = whole
        error = (rest[:, k] - whole) / factor[k, k]
        rest[:, k:] -= error[:, None] * factor[k, k:]
    return result


@torch.no_grad()
def round_weights(model: ReferenceModel, examples: Iterable[Example]) -> None:
    """Put the weights of a model's pointwise layers, in place, on the grids of their integers.

    Args:
        model: a trained model in floating point, equalised.
        examples: arguments of the model, whose masks are not used: all cells count.
    """
    moments: dict[Pointwise, Tensor] = {}
    # The encoder has these two in floating point.
    real = (model.hyper.cell, model.hyper.code)
    parities = {
        layer: parity
        for (parity, _, _), c in zip(model.passes, model.context, strict=True)
        for layer in (c.merge, c.mix, c.mean, c.index)
    }

    def note(layer: nn.Module, values: Tensor) -> None:
        if not isinstance(layer, Pointwise) or layer in real:
            return
        if layer in parities:  # only cells of the pass are coded
            y, x = (torch.arange(n, device=values.device) for n in values.shape[2:])
            values = values[:, :, (y[:, None] + x) % 2 == parities[layer], None]
        flat = values.movedim(1, 0).flatten(1) * 2.0**layer.src.frac
        flat = torch.cat([flat, flat.new_ones(1, flat.shape[1])])
        square = (flat @ flat.T).double()
        moments[layer] = moments[layer] + square if layer in moments else square

    set_integer(model, True)
    try:
        with watched(model, note):
            for image, quality, cells in examples:
                model(image, quality, torch.ones_like(cells))
    finally:
        set_integer(model, False)
    for layer, square in moments.items():
        _round_layer(layer, square)


def _round_layer(layer: Pointwise, moments: Tensor) -> None:
    weight, bias = layer.weight.double().flatten(1), layer.bias.double()
    shift = choose_shift(weight, bias, layer.src, layer.dst).double()
    while True:
        scale = 2.0 ** (shift + layer.dst.frac)[:, None]
        columns = torch.cat([weight * 2.0**-layer.src.frac, bias[:, None]], 1) * scale
        values = rounded(columns, moments) / scale
        layer.weight.copy_((values[:, :-1] * 2.0**layer.src.frac).reshape(layer.weight.shape))
        layer.bias.copy_(values[:, -1])
        # Where rounding upwards has left no room for the shift, the next smaller one has it.
        least = choose_shift(layer.weight, layer.bias, layer.src, layer.dst).double()
        if bool((least >= shift).all()):
            return
        shift = torch.minimum(shift, least)


@torch.no_grad()
def settle_means(model: ReferenceModel, means: Tensor, crops: Tensor) -> None:
    """Round the last table by quality of the analysis transform so that latents have the means that they had.

    Args:
        model: with weights on the grids of their integers.
        means: ``[64, M]`` of the latents of ``crops`` before, at each quality.
        crops: ``[B, 3, H, W]`` float, 0..255.
    """
    table = model.analysis.last_table
    unit = 2.0**-table.dst.frac
    rows = table.rows()
    table.settled = rows.clone()
    middle = torch.tensor([QUALITIES // 2.0])
    base = means_of(model, crops, True)
    # What 8 units more in a channel do to the means.
    columns = []
    start = model.analysis(crops, middle, None).mean((0, 2, 3))
    for channel in range(rows.shape[1]):
        table.settled[QUALITIES // 2, channel] += 8 * unit
        columns.append((model.analysis(crops, middle, None).mean((0, 2, 3)) - start) / 8)
        table.settled[QUALITIES // 2, channel] -= 8 * unit
    effect = torch.stack(columns, 1).double()  # [M, C]
    for quality in range(QUALITIES):
        step = model.steps(torch.tensor([float(quality)]), True)[0, :, 0, 0].double()
        slopes = effect / step[:, None]
        error = (base[quality] - means[quality]).double() / step
        change = torch.zeros(rows.shape[1], dtype=torch.float64)
        norms = (slopes**2).sum(0)
        # One unit at a time, where it takes most away.
        for _ in range(MOST * len(change)):
            pull = slopes.T @ error
            gain = 2 * pull.abs() - norms
            gain[change.abs() >= MOST] = -1
            best = int(gain.argmax())
            if gain[best] <= 0:
                break
            sign = -float(torch.sign(pull[best]))
            change[best] += sign
            error = error + sign * slopes[:, best]
        table.settled[quality] = rows[quality] + change.to(rows.dtype) * unit


@torch.no_grad()
def means_of(model: ReferenceModel, crops: Tensor, integer: bool = False) -> Tensor:
    """Means of the latents of ``crops`` ``[B, 3, H, W]`` at each quality, ``[64, M]``."""
    set_integer(model.analysis, integer)
    try:
        at = (torch.tensor([float(quality)]) for quality in range(QUALITIES))
        return torch.stack([model.analysis(crops, q, None).mean((0, 2, 3)) for q in at])
    finally:
        set_integer(model.analysis, False)
