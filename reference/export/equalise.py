"""Let every channel of a model fill the range of its fixed-point format, as far as is safe.

Between two layers a channel may be multiplied by any gain if what reads it divides by the same gain:
in real numbers the model stays the same, up to values :data:`MARGIN` times as large as were seen, which
clamps now cut, while the rounding of integers shrinks with the gain.
Nagel et al., *Data-free quantization through weight equalization and bias correction* (2019), do this for
pairs of layers.  Here the gains come from the largest values that images cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ..model.layers import LATENT, STREAM, Affine, Block, Format, QualityBias
from ..model.quantisation import MEAN, SCALE_STEP, TABLE_MAX
from ..model.reference import ReferenceModel, watched
from ..training.data import Example

MARGIN = 2.0
"""How far beyond the largest value that was seen the range goes."""


LARGEST = 16.0
"""Largest gain; a channel that hardly moves has none to gain from."""


@dataclass
class Edge:
    """Channels between layers, all of one format.

    Attributes:
        format: of the values.
        channels: how many there are.
        writers: layers whose output channels these are, each with how many rows stand for one channel.
        readers: layers that take them, each with the first input channel and how many columns stand for one.
        tables: biases by quality that are added to them.
    """

    format: Format
    channels: int
    writers: list[tuple[Affine, int]]
    readers: list[tuple[Affine, int, int]]
    tables: list[QualityBias] = field(default_factory=list)

    def peaks(self, inputs: dict[nn.Module, Tensor]) -> Tensor:
        """Largest magnitude of each channel in what readers and tables were given: ``[channels]``.

        Integers are clamped before a table adds to them, too.
        """
        found = [
            inputs[layer][first : first + self.channels * count].view(self.channels, count).amax(1)
            for layer, first, count in self.readers
        ]
        return torch.stack(found + [inputs[table] for table in self.tables]).amax(0)

    @torch.no_grad()
    def scale(self, gain: Tensor) -> None:
        """Multiply the channels by ``gain`` ``[channels]``, and nothing else."""
        for layer, count in self.writers:
            rows = gain.repeat_interleave(count)
            layer.weight.mul_(rows[:, None, None, None])
            layer.bias.mul_(rows)
        for table in self.tables:
            table.table.mul_(gain)
        for layer, first, count in self.readers:
            columns = gain.repeat_interleave(count)
            if layer.weight.shape[1] == 1:  # depthwise: one column in each row
                layer.weight.div_(columns[:, None, None, None])
            else:
                layer.weight[:, first : first + len(columns)].div_(columns[:, None, None])


def _of_blocks(blocks: Iterable[Block]) -> Iterator[Edge]:
    for block in blocks:
        for a, b in (("reduce", "spatial"), ("spatial", "project"), ("expand", "contract")):
            writer, reader = getattr(block, a), getattr(block, b)
            yield Edge(writer.dst, len(writer.bias), [(writer, 1)], [(reader, 0, 1)])


def edges(model: ReferenceModel) -> Iterator[Edge]:
    """All channels of a model that may be scaled, but latents and hyper-latents."""
    s = model.sizes
    a, d, h = model.analysis, model.synthesis, model.hyper
    for part, (first, count), (last, span), inner in (
        (a, (a.first, 1), (a.last, 4), a.blocks),
        (d, (d.first, 4), (d.last, 1), d.blocks),
    ):
        yield Edge(
            STREAM,
            s.channels,
            [(first, count), *((w, 1) for b in inner for w in (b.project, b.contract))],
            [*((r, 0, 1) for b in inner for r in (b.reduce, b.expand)), (last, 0, span)],
            [part.quality, *part.qualities],
        )
        yield from _of_blocks(inner)
    yield Edge(h.quality.dst, s.features, [(h.expand, 1)], [(h.spread, 0, 1)], [h.quality])
    merges: list[tuple[Affine, int, int]] = [
        (c.merge, s.features if c.local else 0, 1) for c in model.context
    ]
    yield Edge(h.spread.dst, s.features, [(h.spread, 16)], merges)
    for c in model.context:
        pairs: list[tuple[Affine, Affine]] = [(c.merge, c.mix)]
        if c.local:
            pairs += [(c.embed, c.spatial), (c.spatial, c.merge)]
        for writer, reader in pairs:
            yield Edge(writer.dst, len(writer.bias), [(writer, 1)], [(reader, 0, 1)])
        yield Edge(c.mix.dst, s.wide, [(c.mix, 1)], [(c.mean, 0, 1), (c.index, 0, 1)])


@torch.no_grad()
def equalise(model: ReferenceModel, examples: Iterable[Example]) -> None:
    """Scale the channels of a model, in place, to the ranges of their formats.

    Args:
        model: a trained model in floating point.
        examples: arguments of the model.
    """
    inputs: dict[nn.Module, Tensor] = {}

    def note(layer: nn.Module, values: Tensor) -> None:
        peak = values.abs().amax((0, 2, 3))
        inputs[layer] = torch.maximum(inputs[layer], peak) if layer in inputs else peak

    with watched(model, note):
        for example in examples:
            model(*example)
    for edge in edges(model):
        edge.scale(_gain(edge.format, edge.peaks(inputs)))
    decoding = [model.hyper.cell, *(c.embed for c in model.context if c.local)]
    latents = Edge(
        LATENT,
        model.sizes.latents,
        [(model.analysis.last, 1)],
        [(model.synthesis.first, 0, 1)],
        list(model.analysis.offsets),
    )
    # The largest step must stay in its table.
    room = TABLE_MAX * 2.0**-model.sizes.step_fraction / model.log_step.amax(0).exp()
    gain = torch.minimum(_gain(LATENT, latents.peaks(inputs)), room.clamp_min(1.0))
    # The others see these latents or fewer.
    latents.readers += [(r, 0, 1) for r in decoding]
    latents.scale(gain)
    # Steps and means grow with their latents; scales, in steps, stay, so indices undo what the steps do.
    model.log_step.add_(gain.log())
    for (_, a, b), context in zip(model.passes, model.context, strict=True):
        Edge(MEAN, b - a, [(context.mean, 1)], []).scale(gain[a:b])
        context.index.bias.add_(gain[a:b].log() / SCALE_STEP / 8)


def _gain(values: Format, peaks: Tensor) -> Tensor:
    return (values.hi * 2.0**-values.frac / (MARGIN * peaks.clamp_min(1e-6))).clamp(1.0, LARGEST)
