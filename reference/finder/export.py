"""From the trained network to integers: what :mod:`sdc.analysis.finder` reads.

A weight has 8 bits and each channel of a layer a shift of its own, the largest for which weights and sums
fit.  A channel of a node has a unit, the integer that stands for 1: a power of two, from the largest value
that samples give.  The activation is a table for each unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sdc.networks.profile import BOUND
from sdc.networks.tensors import write_tensors
from sdc.types import Array

from .classes import CLASSES
from .graph import Node
from .network import SOURCE, FinderNetwork
from .samples import load

PEAKS = ((64, 4095), (256, 2047), (512, 1023))
"""Terms of a sum, and the largest magnitude of each so that weights of 8 bits keep sums exact."""

FEW, WIDE, NARROW = 128, 2047, 127
"""Weights of a channel that may be large, and the largest magnitudes of these and of others."""

LARGEST_UNIT = 256

LOGIT = 32
"""Value of 1 in what comes out."""

EXAMPLES, EXAMPLE_SIZE = 24, (320, 416)
"""Samples by which ranges are set, and rows and columns of what the network sees of them."""


@dataclass
class _File:
    """Tensors of the file, layer by layer."""

    tensors: dict[str, Array] = field(default_factory=dict)

    def layer(self, name: str, conv: nn.Conv2d, units: tuple[Array, Array], peak: int) -> None:
        """Add a layer.

        Args:
            name: of its tensors.
            conv: its weights, ``[out, in / groups, kh, kw]``.
            units: value of 1 at each channel of its input and of its output.
            peak: largest magnitude of an input.
        """
        weight = conv.weight.detach().double().numpy()
        bias = np.zeros(len(weight)) if conv.bias is None else conv.bias.detach().double().numpy()
        of_input = units[0][:, None, None, None] if conv.groups > 1 else units[0][None, :, None, None]
        real = (weight / of_input).transpose(0, 2, 3, 1).reshape(len(weight), -1) * units[1][:, None]
        largest = np.abs(real).max(1)
        most = WIDE if conv.weight[0].numel() <= FEW else NARROW
        shift = np.clip(np.floor(np.log2(most / np.maximum(largest, 1e-9))), 1, 24).astype(np.int64)
        while True:
            power = np.exp2(shift)[:, None]
            whole = np.clip(np.round(real * power), -most, most)
            whole_bias = np.round(bias * units[1] * power[:, 0])
            sums = np.abs(whole).sum(1) * peak + np.abs(whole_bias) + power[:, 0] / 2
            if (sums < BOUND).all():
                break
            shift = np.where(sums < BOUND, shift, shift - 1)
        self.tensors |= {
            f"{name}.weight": whole.astype(np.int8 if most == NARROW else "<i2"),
            f"{name}.bias": whole_bias.astype(np.int32),
            f"{name}.shift": shift.astype(np.uint8),
        }


@torch.inference_mode()
def _largest(network: FinderNetwork, batches: Sequence[Tensor]) -> dict[str, Array]:
    """The largest magnitudes of every node's channels."""
    out: dict[str, Array] = {}
    for images in batches:
        for name, values in network.values(images).items():
            most = values.abs().amax((0, 2, 3)).double().numpy()
            out[name] = np.maximum(out.get(name, 1e-6), most)
    return out


def _outputs(network: FinderNetwork) -> set[str]:
    """Nodes of the detector's outputs."""
    return {name for head in network.heads for name in (head.classes, head.boxes, head.certainty)}


def _needed(network: FinderNetwork) -> list[Node]:
    """Nodes on which the maps and the boxes depend, in order."""
    wanted, out = {network.last} | _outputs(network), []
    for node in network.nodes[::-1]:
        if node.name in wanted:
            wanted |= set(node.inputs)
            out.append(node)
    return out[::-1]


def _limits(network: FinderNetwork, nodes: Sequence[Node]) -> dict[str, int]:
    """The largest magnitude that a node's values may have, by the sums that they go into."""
    limits = {node.name: PEAKS[0][1] for node in nodes} | {SOURCE: 255}
    for node in nodes[::-1]:
        most = limits[node.name]
        if node.kind == "conv":
            terms = network.conv(node.name).weight[0].numel()
            most = next(peak for count, peak in PEAKS if terms <= count or count == PEAKS[-1][0])
        for name in node.inputs:
            limits[name] = min(limits[name], most)
    return limits | {network.last: 16 * LOGIT}


def _units(
    nodes: Sequence[Node], largest: Mapping[str, Array], limits: Mapping[str, int]
) -> dict[str, Array]:
    """Values of 1 of every node's channels; sums, repetitions and maxima have those of what goes in."""
    units: dict[str, Array] = {SOURCE: np.ones(3)}
    for node in nodes:
        room = limits[node.name] / largest[node.name]
        units[node.name] = np.exp2(np.floor(np.log2(room))).clip(1, LARGEST_UNIT)
    units[nodes[-1].name][:] = LOGIT
    for _ in nodes:
        for node in nodes:
            if node.kind != "conv":
                chain = (node.name, *node.inputs)
                units |= dict.fromkeys(chain, np.minimum.reduce([units[name] for name in chain]))
    return units


def export(network: FinderNetwork, batches: Sequence[Tensor], name: str) -> bytes:
    """Bytes of the file of a network.

    Args:
        network: as trained.
        batches: ``float [B, 3, H, W]`` samples, by which ranges are set.
        name: of the network, for information.
    """
    nodes = _needed(network)
    limits = _limits(network, nodes)
    units = _units(nodes, _largest(network, batches), limits)
    file = _File()
    networks: dict[str, list[dict[str, Any]]] = {}
    heads = _outputs(network)
    rows = []
    for node in nodes:
        row = {"name": node.name, "kind": node.kind, "inputs": list(node.inputs), "size": node.size}
        if node.kind == "conv":
            of_input = np.concatenate([units[of] for of in node.inputs])
            peak = max(limits[of] for of in node.inputs)
            file.layer(node.name, network.conv(node.name), (of_input, units[node.name]), peak)
            op = "depthwise" if node.depthwise else "pointwise"
            bounds = [-limits[node.name], limits[node.name]]
            networks[node.name] = [{"op": op, "name": node.name, "clamp": bounds}]
            row |= {"stride": node.stride, "depthwise": node.depthwise, "act": node.act}
            if node.act or node.name in heads:
                file.tensors[f"{node.name}.unit"] = np.log2(units[node.name]).astype(np.uint8)
        elif node.kind == "add":
            row["peak"] = limits[node.name]
        rows.append(row)
    file.tensors["swish"] = swish()
    description = {
        "name": name,
        "logit": LOGIT,
        "classes": list(CLASSES),
        "heads": [vars(head) for head in network.heads],
        "last": network.last,
        "nodes": rows,
        "networks": networks,
    }
    return write_tensors(file.tensors, description)


def swish() -> Array:
    """The activation, a value times its logistic function, as tables.

    Returns:
        ``int16 [units, values]``: for the units 1, 2, 4 and so on, and the integers from the least that a
        node may have to the greatest.
    """
    units = np.exp2(np.arange(int(np.log2(LARGEST_UNIT)) + 1))[:, None]
    x = np.arange(-PEAKS[0][1], PEAKS[0][1] + 1) / units
    return np.round(units * x / (1 + np.exp(-x.clip(-64)))).astype("<i2")


def export_run(last: Path, samples: Path) -> bytes:
    """Bytes of the file of a run's averaged weights.

    Args:
        last: ``last.pt`` of the run.
        samples: folder of samples, some of which set ranges.
    """
    network = FinderNetwork()
    network.begin(last)
    paths = sorted(samples.glob("*.npz"))
    batches = []
    for path in paths[:: max(1, len(paths) // EXAMPLES)]:
        image = torch.from_numpy(load(path).image).permute(2, 0, 1)[None].float()
        batches.append(nn.functional.interpolate(image, EXAMPLE_SIZE, mode="area"))
    return export(network, batches, "finder")
