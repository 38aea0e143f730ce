"""Integer weights that err together less than each one rounded to the nearest.

Column after column is rounded, and what that does to a layer's output is made good, as far as can be,
in the columns that are still to come: Frantar et al., *GPTQ: accurate post-training quantization for
generative pre-trained transformers* (2023), with inputs that the integer model itself computes.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .data import Example
from .layers import Pointwise, choose_shift, set_integer
from .networks import Model, watched

DAMPING = 0.01
"""Added to the diagonal of the second moments, as a part of its mean, and of the bias's own."""


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
def round_weights(model: Model, examples: Iterable[Example]) -> None:
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
            for picture, quality, cells in examples:
                model(picture, quality, torch.ones_like(cells))
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
