"""The network in torch: the layers of YOLOX-nano, and a decoder from coarse to fine.

All maps come out at a quarter of the input's sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .classes import CLASSES
from .graph import Graph, Node
from .yolox import weights_of, yolox_nano

CHANNELS = 64
"""Of the decoder."""

STRIDE = 4
"""Pixels of the input to a side of a place in a map."""

SOURCE = "image"


class Maps(NamedTuple):
    """What the network gives, logits ``[B, 1, h, w]``, of classes ``[B, classes, h, w]``.

    Attributes:
        thing: whether a place is of a thing.
        main: how much of the main thing.
        edge: whether it is on an edge between things.
        text: whether it is text.
        classes: which class.
    """

    thing: Tensor
    main: Tensor
    edge: Tensor
    text: Tensor
    classes: Tensor


class FinderNetwork(nn.Module):
    """From small images to maps of what is in them.

    Attributes:
        nodes: the graph, the detector's first.
        own: how many of its nodes are the detector's.
        heads: the detector's outputs.
        last: name of the node whose values are the maps.
        convs: convolutions by the names of their nodes.
    """

    def __init__(self) -> None:
        super().__init__()
        graph = Graph(SOURCE, 3)
        taps, self.heads = yolox_nano(graph, SOURCE)
        self.own = len(graph.nodes)
        y = ""
        for tap in taps[::-1]:
            side = graph.conv(tap, CHANNELS, act="")
            y = graph.separable(graph.sum(side, graph.finer(y)) if y else side, CHANNELS)
        self.last = graph.conv(y, 4 + len(CLASSES), act="")
        self.nodes = graph.nodes
        self.convs = nn.ModuleDict()
        for node in graph.nodes:
            if node.kind == "conv":
                inner = graph.channels(*node.inputs)
                groups = inner if node.depthwise else 1
                self.convs[node.name] = nn.Conv2d(
                    inner, node.channels, node.size, node.stride, (node.size - 1) // 2, groups=groups
                )
        nn.init.constant_(cast(Tensor, self.conv(self.last).bias), -1.5)

    def conv(self, name: str) -> nn.Conv2d:
        """The convolution of a node."""
        return cast(nn.Conv2d, self.convs[name])

    def begin(self, weights: Path) -> None:
        """Take the weights of YOLOX-nano as ONNX, or the averaged ones of another run's ``last.pt``.

        Raises:
            OSError, KeyError, ValueError: it is no such file.
        """
        if weights.suffix != ".onnx":
            self.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True)["average"])
            return
        own = [node.name for node in self.nodes[: self.own] if node.kind == "conv"]
        for name, (weight, bias) in zip(own, weights_of(weights), strict=True):
            state = {"weight": torch.tensor(weight), "bias": torch.tensor(bias)}
            self.conv(name).load_state_dict(state)

    def parts(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Parameters of the detector, and of the decoder."""
        own = {node.name for node in self.nodes[: self.own]}
        detector = [p for name, conv in self.convs.items() if name in own for p in conv.parameters()]
        decoder = [p for name, conv in self.convs.items() if name not in own for p in conv.parameters()]
        return detector, decoder

    def values(self, images: Tensor) -> dict[str, Tensor]:
        """What comes out of every node."""
        values = {SOURCE: images}
        for node in self.nodes:
            values[node.name] = self._value(node, [values[name] for name in node.inputs])
        return values

    def _value(self, node: Node, inputs: Sequence[Tensor]) -> Tensor:
        x = inputs[0]
        if node.kind == "conv":
            y: Tensor = self.conv(node.name)(x if len(inputs) == 1 else torch.cat(list(inputs), 1))
            return F.silu(y) if node.act else y
        if node.kind == "add":
            return x + inputs[1]
        if node.kind == "pool":
            return F.max_pool2d(x, node.size, 1, node.size // 2)
        return F.interpolate(x, scale_factor=2)

    def forward(self, images: Tensor) -> Maps:
        """Maps of images, ``float [B, 3, H, W]`` of 0 to 255; sides are multiples of 32."""
        return maps_of(self.values(images), self.last)


def maps_of(values: Mapping[str, Tensor], last: str) -> Maps:
    """The maps among the values of a graph."""
    out = values[last]
    return Maps(out[:, :1], out[:, 1:2], out[:, 2:3], out[:, 3:4], out[:, 4:])
