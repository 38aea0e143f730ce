"""Give units that have died another start.

A hidden unit behind a ReLU that is never above 0 gets no gradient and never comes back: after 27,000 steps
half of the hidden units of the transforms were such.  Sokar et al., *The dormant neuron phenomenon in deep
reinforcement learning* (2023), begin them anew with random weights that go in and zeros that go out, so that
the network stays what it is until training makes use of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from .equalise import watched
from .layers import Pointwise, _Affine
from .networks import Model

RARE = 1e-3
"""A unit that is above 0 at fewer places than this part is dead."""
DEVIATION = 0.5
"""Standard deviation of what a new unit gets, before its bias of minus half of that."""


def _hidden(model: Model) -> Iterator[tuple[Pointwise, list[Pointwise]]]:
    """Layers with a ReLU, and what reads them."""
    for part in (model.analysis, model.synthesis):
        for block in part.blocks:
            yield block.expand, [block.contract]
    for context in model.context:
        yield context.merge, [context.mix]
        yield context.mix, [context.mean, context.index]


@torch.no_grad()
def revive(model: Model, examples: Iterable[tuple[Tensor, Tensor, Tensor]]) -> int:
    """Begin dead units anew, in place, and say how many there were.

    Args:
        model: a model in training; it goes on computing the same, but for what rare units did.
        examples: arguments of the model: pictures, qualities and cells.
    """
    first: dict[_Affine, Tensor] = {}
    second: dict[_Affine, Tensor] = {}
    above: dict[_Affine, Tensor] = {}
    count: dict[_Affine, int] = {}

    def note(layer: _Affine, values: Tensor) -> None:
        flat = values.movedim(1, 0).flatten(1)
        zero = flat.new_zeros(())
        first[layer] = first.get(layer, zero) + flat.sum(1)
        second[layer] = second.get(layer, zero) + flat @ flat.T
        above[layer] = above.get(layer, zero) + (flat > 0).sum(1)
        count[layer] = count.get(layer, 0) + flat.shape[1]

    with watched(model, note):
        for picture, quality, cells in examples:
            model(picture, quality, cells)
    total = 0
    for writer, readers in _hidden(model):
        dead = (above[readers[0]] < RARE * count[readers[0]]).nonzero()[:, 0]
        mean = first[writer] / count[writer]
        covariance = second[writer] / count[writer] - mean[:, None] * mean
        spread = covariance.diagonal().clamp_min(1e-6) ** 0.25  # half way to inputs that weigh alike
        rows = torch.randn(len(dead), len(mean), device=mean.device) / spread
        deviation = ((rows @ covariance) * rows).sum(1).clamp_min(1e-9).sqrt()
        rows = rows * (DEVIATION / deviation)[:, None]
        writer.weight[dead] = rows[:, :, None, None]
        writer.bias[dead] = -(rows @ mean) - 0.5 * DEVIATION
        for reader in readers:
            reader.weight[:, dead] = 0
        total += len(dead)
    return total
