"""Give units that have died another start.

A hidden unit behind a ReLU that is never above 0 gets no gradient and never comes back: after 27,000 steps
half of the hidden units of the transforms were such.  Sokar et al., *The dormant neuron phenomenon in deep
reinforcement learning* (2023), begin them anew with random weights that go in and zeros that go out, so that
the network stays what it is until training makes use of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from ..model.layers import Affine, Depthwise, Pointwise
from ..model.reference import ReferenceModel, watched
from .data import Example

RARE = 1e-3
"""A unit that is above 0 at fewer places than this part is dead."""


DEVIATION = 0.5
"""Standard deviation of what a new unit gets, before its bias of minus half of that."""


def _hidden(model: ReferenceModel) -> Iterator[tuple[Pointwise, Affine, list[Pointwise]]]:
    """Layers with a ReLU in the blocks and contexts, what sees their units first, and what mixes them."""
    for block in (*model.analysis.blocks, *model.synthesis.blocks):
        yield block.reduce, block.spatial, [block.project]
        yield block.expand, block.contract, [block.contract]
    for context in model.context:
        yield context.merge, context.mix, [context.mix]
        yield context.mix, context.mean, [context.mean, context.index]


@torch.no_grad()
def revive(model: ReferenceModel, examples: Iterable[Example], average: ReferenceModel | None = None) -> int:
    """Begin dead units anew, in place, and say how many there were.

    Args:
        model: a model in training; it goes on computing the same, but for what rare units did.
        examples: arguments of the model.
        average: its averaged weights, in which the same units begin the same way.
    """
    first: dict[nn.Module, Tensor] = {}
    second: dict[nn.Module, Tensor] = {}
    above: dict[nn.Module, Tensor] = {}
    count: dict[nn.Module, int] = {}

    def note(layer: nn.Module, values: Tensor) -> None:
        flat = values.movedim(1, 0).flatten(1)
        zero = flat.new_zeros(())
        first[layer] = first.get(layer, zero) + flat.sum(1)
        second[layer] = second.get(layer, zero) + flat @ flat.T
        above[layer] = above.get(layer, zero) + (flat > 0).sum(1)
        count[layer] = count.get(layer, 0) + flat.shape[1]

    with watched(model, note):
        for example in examples:
            model(*example)
    total = 0
    models = [model] if average is None else [model, average]
    for layers in zip(*(_hidden(m) for m in models), strict=True):
        writer, witness, _ = layers[0]
        dead = (above[witness] < RARE * count[witness]).nonzero()[:, 0]
        mean = first[writer] / count[writer]
        covariance = second[writer] / count[writer] - mean[:, None] * mean
        spread = covariance.diagonal().clamp_min(1e-6) ** 0.25  # half way to inputs that weigh alike
        rows = torch.randn(len(dead), len(mean), device=mean.device) / spread
        deviation = ((rows @ covariance) * rows).sum(1).clamp_min(1e-9).sqrt()
        rows = rows * (DEVIATION / deviation)[:, None]
        for own_writer, own_witness, readers in layers:
            own_writer.weight[dead] = rows[:, :, None, None]
            own_writer.bias[dead] = -(rows @ mean) - 0.5 * DEVIATION
            for reader in readers:
                if isinstance(own_witness, Depthwise):  # of a dead unit it makes its bias
                    reader.bias += reader.weight[:, dead, 0, 0] @ own_witness.bias[dead]
                reader.weight[:, dead] = 0
        total += len(dead)
    return total
