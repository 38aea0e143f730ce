"""A trained model with more latents and a larger analysis transform that computes what it did before.

The new latents stand for what the old ones cannot: the principal components of the error that the
transforms leave without quantisation at the highest quality, as far as the last layer of the
synthesis transform can paint them.
New blocks of the analysis transform begin as the identity, and what newly tells blocks the quality says
nothing yet.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import accumulate, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from sdc.networks.profile import QUALITIES

from .initial import UNIT
from .quantisation import SCALE_STEP
from .reference import ReferenceModel
from .sizes import Sizes

SAMPLE = 128
"""Side of the crop that each image gives to the fit, if it has as much."""


def widened(old: ReferenceModel, sizes: Sizes, images: Sequence[Tensor]) -> ReferenceModel:
    """A model of other ``sizes`` that begins as ``old``.

    Args:
        old: a trained model.
        sizes: as those of ``old`` but for more latents, in either slice, more blocks of the analysis
            transform, whether those, latents and the middle of the synthesis transform see the quality, and
            the table of steps.
        images: ``uint8 [3, H, W]``, from which new latents are fitted.

    Raises:
        ValueError: the sizes differ in something else, or something would shrink.
    """
    model = ReferenceModel(sizes)
    growth = _growth(old, model)
    state: dict[str, Tensor] = old.state_dict()
    had, count = old.sizes.latents, sizes.latents - old.sizes.latents
    if count:
        state |= _more_latents(old, count, images)
    # Latents in the order of the new model: in each slice of channels the old ones come first.
    ends = list(accumulate(growth, initial=had))
    order = [
        o
        for (_, a, b), (first, past) in zip(old.passes[::2], pairwise(ends), strict=True)
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


def _growth(old: ReferenceModel, new: ReferenceModel) -> list[int]:
    """How many latents each slice of channels gets.

    Raises:
        ValueError: something differs that cannot grow, or something would shrink.
    """
    grows = ("analysis_blocks", "analysis_quality", "latent_quality", "synthesis_quality")
    free = ("latents", "early", "step_fraction")
    may_differ = {name: getattr(old.sizes, name) for name in (*free, *grows)}
    slices = zip(old.passes[::2], new.passes[::2], strict=False)
    growth = [(d - c) - (b - a) for (_, a, b), (_, c, d) in slices]
    fewer = min(growth) < 0 or any(getattr(new.sizes, name) < may_differ[name] for name in grows)
    if dataclasses.replace(new.sizes, **may_differ) != old.sizes or fewer:
        raise ValueError(
            "only latents, in each slice, blocks of the analysis transform and what sees the quality can grow"
        )
    return growth


@torch.no_grad()
def _more_latents(old: ReferenceModel, count: int, images: Sequence[Tensor]) -> dict[str, Tensor]:
    """Tensors of ``old`` with rows or columns for ``count`` latents behind its own."""
    x, error = _left_over(old, images)
    basis = _painted(old)
    main, values = _components(basis, error, count)
    # The stream of a latent of 1: basis.T @ write is about what its component looks like.
    write = _ridge(basis @ basis.T, 1e-3, basis @ (main * UNIT))
    ones = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    damped = ones.T @ ones + torch.eye(ones.shape[1], dtype=torch.float64) * 1e-4 * len(x)
    read = torch.linalg.solve(damped, ones.T @ values)  # [4 C + 1, count]
    spread = (ones @ read).std(0).clamp_min(1e-4)
    deviations = (x @ old.analysis.last.weight.double()[:, :, 0, 0].T).std(0)
    quiet = _quietest(deviations)
    result = {
        "analysis.last.weight": _extend(old.analysis.last.weight, read[:-1].T[:, :, None, None]),
        "analysis.last.bias": _extend(old.analysis.last.bias, read[-1]),
        "synthesis.first.weight": _extend(old.synthesis.first.weight, write[:, :, None, None], 1),
        "log_step": _extend(old.log_step, old.log_step[:, quiet].mean(1, True).expand(-1, count), 1),
    }
    for name, table in old.analysis.offsets.named_parameters():
        result["analysis.offsets." + name] = _extend(table, table.new_zeros(len(table), count), 1)
    for name in ("hyper.cell", *(f"context.{k}.embed" for k, c in enumerate(old.context) if c.local)):
        weight = old.get_parameter(name + ".weight")
        result[name + ".weight"] = _extend(weight, weight.new_zeros(weight.shape[0], count, 1, 1), 1)
    return result | _more_heads(old, deviations, spread)


def _left_over(old: ReferenceModel, images: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """What the last layer of the analysis transform reads, and what the transforms leave unsaid.

    Returns:
        Of each cell ``[N, 4 C]`` and ``[N, 768]``, float64, in the order of torch's shuffles.
    """
    best = torch.tensor([QUALITIES - 1.0])
    seen: list[Tensor] = []
    errors: list[Tensor] = []
    hook = old.analysis.last.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    for image in images:
        side = min(SAMPLE, *(n // 16 * 16 for n in image.shape[1:]))
        y, x = ((n - side) // 2 for n in image.shape[1:])
        crop = image[None, :, y : y + side, x : x + side].float()
        error = crop - old.synthesis(old.analysis(crop, best, None), best, None)
        errors.append(F.pixel_unshuffle(error, 16))
    hook.remove()
    read, left = (
        torch.cat([t.permute(0, 2, 3, 1).flatten(0, 2) for t in part]).double() for part in (seen, errors)
    )
    return read, left


def _painted(old: ReferenceModel) -> Tensor:
    """What the last layer of the synthesis transform makes of each number of a cell, ``[4 C, 768]``."""
    width = 4 * old.sizes.channels
    paint = old.synthesis.last.weight.double()[:, :, 0, 0]
    cells = F.pixel_shuffle(torch.eye(width, dtype=torch.float64)[:, :, None, None], 2)
    painted = F.pixel_shuffle(torch.einsum("oc,nchw->nohw", paint, cells), 8)
    return F.pixel_unshuffle(painted, 16).flatten(1)


def _components(basis: Tensor, error: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Principal components of an error within what a basis spans.

    Returns:
        ``[768, count]`` of unit norm, and each cell's share of them, ``[N, count]``, in network units.
    """
    q, _ = torch.linalg.qr(basis.T)  # [768, 4 C]
    known = error @ q
    _, vectors = torch.linalg.eigh(known.T @ known)
    main = vectors.flip(1)[:, :count]
    return q @ main, known @ main / UNIT


def _ridge(square: Tensor, part: float, target: Tensor) -> Tensor:
    """The solution of ``square @ x = target``, damped by a part of the mean of the diagonal."""
    weak = torch.eye(len(square), dtype=torch.float64) * part * square.diagonal().mean()
    solution: Tensor = torch.linalg.solve(square + weak, target)
    return solution


def _more_heads(old: ReferenceModel, deviations: Tensor, spread: Tensor) -> dict[str, Tensor]:
    """Rows of the contexts' last layers for new latents of standard deviations ``spread``.

    A new latent varies as the quietest old ones of its slice do, by its own standard deviation.
    """
    result: dict[str, Tensor] = {}
    count = len(spread)
    for k, context in enumerate(old.context):
        _, a, b = old.passes[k]
        own = deviations[a:b]
        rows = _quietest(own)
        offset = torch.log(spread / own[rows].log().mean().exp()) / SCALE_STEP / 8
        index, mean = context.index, context.mean
        like = index.weight[rows].mean(0, True).expand(count, -1, -1, -1)
        result[f"context.{k}.index.weight"] = _extend(index.weight, like)
        result[f"context.{k}.index.bias"] = _extend(index.bias, index.bias[rows].mean() + offset)
        zeros = mean.weight.new_zeros(count, *mean.weight.shape[1:])
        result[f"context.{k}.mean.weight"] = _extend(mean.weight, zeros)
        result[f"context.{k}.mean.bias"] = _extend(mean.bias, torch.zeros(count))
    return result


def _quietest(deviations: Tensor) -> Tensor:
    """Indices of the eighth of the latents that varies least."""
    return deviations.argsort()[: max(1, len(deviations) // 8)]


def _extend(tensor: Tensor, more: Tensor, dim: int = 0) -> Tensor:
    return torch.cat([tensor, more.to(tensor.dtype)], dim)
