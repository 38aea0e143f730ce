"""A trained model with more latents and a larger analysis that computes what it did before.

The new latents stand for what the old ones cannot: the principal components of the error that the
transforms leave without quantisation at the highest quality, as far as the last layer of the
synthesis can paint them.  New blocks of the analysis begin as the identity, and what newly tells blocks
the quality says nothing yet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from sdc.networks.profile import QUALITIES

from .networks import SCALE_STEP, UNIT, Model, Sizes

SAMPLE = 128
"""Side of the crop that each picture gives to the fit, if it has as much."""


def widened(old: Model, sizes: Sizes, pictures: Sequence[Tensor]) -> Model:
    """A model of other ``sizes`` that begins as ``old``.

    Args:
        old: a trained model.
        sizes: as those of ``old`` but for more latents, in either slice, more blocks of the analysis, and
            whether those, latents and the middle of the synthesis see the quality.
        pictures: ``uint8 [3, H, W]``, from which new latents are fitted.

    Raises:
        ValueError: the sizes differ in something else, or something would shrink.
    """
    model = Model(sizes)
    state = old.state_dict()
    had, count = old.sizes.latents, sizes.latents - old.sizes.latents
    grows = ("analysis_blocks", "analysis_quality", "latent_quality", "synthesis_quality")
    free = ("latents", "early", *grows)
    may_differ = {name: getattr(old.sizes, name) for name in free}
    slices = list(zip(old.passes[::2], model.passes[::2], strict=False))
    growth = [(d - c) - (b - a) for (_, a, b), (_, c, d) in slices]
    fewer = min(growth) < 0 or any(getattr(sizes, name) < may_differ[name] for name in grows)
    if dataclasses.replace(sizes, **may_differ) != old.sizes or fewer:
        raise ValueError(
            "only latents, in each slice, blocks of the analysis and what sees the quality can grow"
        )
    if count:
        state |= _more_latents(old, count, pictures)
    # Latents in the order of the new model: in each slice of channels the old ones come first.
    ends = list(accumulate(growth, initial=had))
    order = [
        o
        for ((_, a, b), _), (first, past) in zip(slices, pairwise(ends), strict=True)
        for o in (*range(a, b), *range(first, past))
    ]
    for name, tensor in state.items():
        if name.startswith("context.") and name.split(".")[2] in ("mean", "index"):
            k = int(name.split(".")[1])
            (_, a, b), (_, c, d) = old.passes[k], model.passes[k]
            state[name] = tensor[[o - a if o < had else o - had + b - a for o in order[c:d]]]
        elif name.endswith("embed.weight") or name in ("hyper.cell.weight", "synthesis.first.weight"):
            state[name] = tensor[:, order]
        elif name.startswith("analysis.last."):
            state[name] = tensor[order]
        elif name == "log_step" or name.startswith("analysis.offsets."):
            state[name] = tensor[:, order]
    # New blocks are the identity, and new biases 0.
    state |= {name: tensor for name, tensor in model.state_dict().items() if name not in state}
    model.load_state_dict(state)
    return model


@torch.no_grad()
def _more_latents(old: Model, count: int, pictures: Sequence[Tensor]) -> dict[str, Tensor]:
    """Tensors of ``old`` with rows or columns for ``count`` latents behind its own."""
    s = old.sizes
    best = torch.tensor([QUALITIES - 1.0])
    seen: list[Tensor] = []
    errors = []
    hook = old.analysis.last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for picture in pictures:
        side = min(SAMPLE, *(n // 16 * 16 for n in picture.shape[1:]))
        y, x = ((n - side) // 2 for n in picture.shape[1:])
        crop = picture[None, :, y : y + side, x : x + side].float()
        error = crop - old.synthesis(old.analysis(crop, best, None), best, None)
        errors.append(F.pixel_unshuffle(error, 16).permute(0, 2, 3, 1).flatten(0, 2).double())
    hook.remove()
    x = torch.cat([f.permute(0, 2, 3, 1).flatten(0, 2) for f in seen]).double()
    error = torch.cat(errors)
    # What the last layer makes of the 512 numbers of a cell, in the order of torch's shuffles.
    paint = old.synthesis.last.weight.double()[:, :, 0, 0]
    width = 4 * s.channels
    cells = F.pixel_shuffle(torch.eye(width, dtype=torch.float64)[:, :, None, None], 2)
    painted = F.pixel_shuffle(torch.einsum("oc,nchw->nohw", paint, cells), 8)
    basis = F.pixel_unshuffle(painted, 16).flatten(1)  # [512, 768]
    q, r = torch.linalg.qr(basis.T)  # [768, 512], [512, 512]
    known = error @ q
    _, vectors = torch.linalg.eigh(known.T @ known)
    main = vectors.flip(1)[:, :count]  # [512, count]
    values = known @ main / UNIT
    # The stream of a latent of 1: basis.T @ write is about q @ main * UNIT.
    square = r.T @ r
    weak = torch.eye(width, dtype=torch.float64) * 1e-3 * square.diagonal().mean()
    write = torch.linalg.solve(square + weak, r.T @ main * UNIT)
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    ridge = torch.eye(width + 1, dtype=torch.float64) * 1e-4 * len(x)
    read = torch.linalg.solve(ones.T @ ones + ridge, ones.T @ values)  # [513, count]
    spread = (ones @ read).std(0).clamp_min(1e-4)
    latents = x @ old.analysis.last.weight.double()[:, :, 0, 0].T
    quiet = latents.std(0).argsort()[: max(1, s.latents // 8)]

    def extend(tensor: Tensor, more: Tensor, dim: int = 0) -> Tensor:
        return torch.cat([tensor, more.to(tensor.dtype)], dim)

    result = {
        "analysis.last.weight": extend(old.analysis.last.weight, read[:-1].T[:, :, None, None]),
        "analysis.last.bias": extend(old.analysis.last.bias, read[-1]),
        "synthesis.first.weight": extend(old.synthesis.first.weight, write[:, :, None, None], 1),
        "log_step": extend(old.log_step, old.log_step[:, quiet].mean(1, True).expand(-1, count), 1),
    }
    for name, table in old.analysis.offsets.named_parameters():
        result["analysis.offsets." + name] = extend(table, table.new_zeros(len(table), count), 1)
    for name in ("hyper.cell", *(f"context.{k}.embed" for k, c in enumerate(old.context) if c.local)):
        weight = old.get_parameter(name + ".weight")
        result[name + ".weight"] = extend(weight, weight.new_zeros(weight.shape[0], count, 1, 1), 1)
    # A new latent varies as the quietest old ones of its slice do, by its own standard deviation.
    for k, context in enumerate(old.context):
        _, a, b = old.passes[k]
        rows = latents.std(0)[a:b].argsort()[: max(1, (b - a) // 8)]
        offset = torch.log(spread / latents.std(0)[a:b][rows].log().mean().exp()) / SCALE_STEP / 8
        index = context.index
        result[f"context.{k}.index.weight"] = torch.cat(
            [index.weight, index.weight[rows].mean(0, True).expand(count, -1, -1, -1)]
        )
        result[f"context.{k}.index.bias"] = extend(index.bias, index.bias[rows].mean() + offset)
        mean = context.mean
        result[f"context.{k}.mean.weight"] = torch.cat(
            [mean.weight, mean.weight.new_zeros(count, *mean.weight.shape[1:])]
        )
        result[f"context.{k}.mean.bias"] = extend(mean.bias, torch.zeros(count))
    return result
