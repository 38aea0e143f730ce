"""YOLOX-nano (Ge et al., *YOLOX: Exceeding YOLO series in 2021*) as a graph, and its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .graph import Graph, Node


@dataclass(frozen=True)
class Head:
    """Nodes of a detector's outputs at one of its strides.

    Attributes:
        stride: pixels to a side of a place.
        classes: logits of COCO's 80 classes.
        boxes: how far the middle is from the place, in strides, and the logarithms of width and height.
        certainty: logit that there is a thing.
    """

    stride: int
    classes: str
    boxes: str
    certainty: str


def yolox_nano(graph: Graph, source: str) -> tuple[list[tuple[str, ...]], list[Head]]:
    """Write YOLOX-nano down, in the order of its weights.

    Returns:
        What a decoder may look at, of strides 4, 8, 16 and 32; and the detector's outputs.
    """
    x = graph.add(Node("stem", "conv", (source,), 16, 6, 2, act="swish"))
    stages = []
    for channels, count in ((32, 1), (64, 3), (128, 3)):
        x = graph.partial(graph.separable(x, channels, 2), channels, count, True)
        stages.append(x)
    x = graph.conv(graph.separable(x, 256, 2), 128)
    pools = [graph.add(Node(f"pool{k}", "pool", (x,), 128, k)) for k in (5, 9, 13)]
    x = graph.partial(graph.conv((x, *pools), 256), 256, 1, False)
    stages.append(x)
    coarse = graph.conv(x, 128)
    x = graph.partial((graph.finer(coarse), stages[2]), 128, 1, False)
    middle = graph.conv(x, 64)
    fine = graph.partial((graph.finer(middle), stages[1]), 64, 1, False)
    x = graph.partial((graph.separable(fine, 64, 2), middle), 128, 1, False)
    last = graph.partial((graph.separable(x, 128, 2), coarse), 256, 1, False)
    taps: list[tuple[str, ...]] = [(stages[0],)]
    heads = []
    for stride, scale in ((8, fine), (16, x), (32, last)):
        stem = graph.conv(scale, 64)
        ends, outputs = [], []
        for counts in ((80,), (4, 1)):
            end = graph.separable(graph.separable(stem, 64), 64)
            outputs += [graph.conv(end, channels, act="") for channels in counts]
            ends.append(end)
        taps.append((scale, *ends))
        heads.append(Head(stride, *outputs))
    return taps, heads


def weights_of(path: Path) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Weights and biases of the convolutions of an ONNX file, in their order.

    Raises:
        OSError, ValueError: it is no such file.
    """
    import onnx
    from onnx.numpy_helper import to_array

    model = onnx.load(str(path))
    tensors = {t.name: to_array(t) for t in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "Conv"]
    pairs = [(tensors[node.input[1]], tensors[node.input[2]]) for node in nodes]
    return [(_of_pixels(pairs[0][0]), pairs[0][1]), *pairs[1:]]


def _of_pixels(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The first weights for RGB pixels: YOLOX has blue first and 2x2 pixels as one, column by column."""
    parts = weight.reshape(len(weight), 2, 2, 3, 3, 3)[:, :, :, ::-1]
    return np.ascontiguousarray(parts.transpose(0, 3, 4, 2, 5, 1).reshape(len(weight), 3, 6, 6))
