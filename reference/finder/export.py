"""From the trained network to integers: what :mod:`sdc.analysis.finder` reads.

Statistics of the images are folded into the weights.  A weight has 8 bits and each channel of a layer a shift
of its own, the largest for which weights and sums fit.  A value of 1 behind a clipped rectifier is
:data:`UNIT`; what is added up has a scale for each chain of sums, from the largest value that samples give.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from sdc.networks.profile import BOUND
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.types import Array

from ..training.features import DEVIATION, MEAN, TAPPED
from .classes import CLASSES
from .network import FinderNetwork
from .samples import load

UNIT = 85
"""Value of 1 behind a clipped rectifier, whose 6 is then 510."""

PEAK = 1023
"""Largest magnitude of a value that is no rectifier's."""

LOGIT = 32
"""Value of 1 in what comes out."""

CHAINS = ((1,), (2, 3), (4, 5, 6), (7, 8, 9, 10), (11, 12, 13), (14, 15, 16))
"""Layers of the features that add to one another."""

NETWORKS = ((1,), (2,), (3,), (4,), (5, 6), (7,), (8, 9, 10, 11, 12, 13), (14,), (15, 16))
"""Layers of the features by network: a stride begins one, and a tap ends one."""

SEARCHED = 7
"""First layers of the features, the stem among them, by which the encoder's search compares images."""

EXAMPLES, EXAMPLE_SIZE = 24, (256, 320)
"""Samples by which ranges are set, and rows and columns of what the network sees of them."""

Ops = list[dict[str, Any]]


@dataclass
class _File:
    """Tensors of the file, layer by layer."""

    tensors: dict[str, Array] = field(default_factory=dict)

    def layer(
        self,
        name: str,
        conv: nn.Conv2d,
        norm: nn.BatchNorm2d | None,
        scales: tuple[float, float],
        peak: int,
        clamp: tuple[int, int],
    ) -> dict[str, Any]:
        """Add a layer.

        Args:
            name: of its tensors.
            conv: its weights, ``[out, in / groups, kh, kw]``.
            norm: statistics to fold into them.
            scales: value of 1 at its input and its output.
            peak: largest magnitude of an input.
            clamp: of its output.
        """
        weight, bias = folded(conv, norm)
        real = weight.reshape(len(weight), -1) * (scales[1] / scales[0])
        depthwise = conv.groups > 1
        largest = np.abs(real).max(1)
        shift = np.clip(np.floor(np.log2(127 / np.maximum(largest, 1e-9))), 1, 24).astype(np.int64)
        while True:
            power = np.exp2(shift)[:, None]
            whole = np.clip(np.round(real * power), -127, 127)
            whole_bias = np.round(bias * scales[1] * power[:, 0])
            sums = np.abs(whole).sum(1) * peak + np.abs(whole_bias) + power[:, 0] / 2
            if (sums < BOUND).all():
                break
            shift = np.where(sums < BOUND, shift, shift - 1)
        self.tensors |= {
            f"{name}.weight": whole.astype(np.int8),
            f"{name}.bias": whole_bias.astype(np.int32),
            f"{name}.shift": shift.astype(np.uint8),
        }
        return {"op": "depthwise" if depthwise else "pointwise", "name": name, "clamp": list(clamp)}


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Array, Array]:
    """Weights and biases of a layer with the statistics behind it."""
    weight = conv.weight.detach().double()
    bias = torch.zeros(len(weight)).double() if conv.bias is None else conv.bias.detach().double()
    if norm is not None:
        gain = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * gain[:, None, None, None]
        bias = (bias - norm.running_mean.double()) * gain + norm.bias.detach().double()
    return weight.numpy(), bias.numpy()


@torch.inference_mode()
def _peaks(network: FinderNetwork, batches: Sequence[Tensor]) -> tuple[dict[int, float], list[float]]:
    """Nearly the largest magnitudes behind the layers of the features and the filters of the decoder."""
    features: dict[int, float] = {}
    filters: dict[int, float] = {}
    hooks = []

    def note(store: dict[int, float], k: int) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            values = output.abs().flatten().float()
            store[k] = max(
                store.get(k, 0.0), float(values.kthvalue(max(1, int(0.99995 * len(values)))).values)
            )

        return hook

    for k, layer in enumerate(network.features):
        hooks.append(layer.register_forward_hook(note(features, k)))
    for k, block in enumerate(network.blocks):
        hooks.append(cast(nn.Sequential, block)[0].register_forward_hook(note(filters, k)))
    for images in batches:
        network(images)
    for hook in hooks:
        hook.remove()
    return features, [filters[k] for k in range(len(network.blocks))]


def export(network: FinderNetwork, batches: Sequence[Tensor], name: str) -> bytes:
    """Bytes of the file of a network.

    Args:
        network: as trained.
        batches: ``float [B, 3, H, W]`` samples, by which ranges are set.
        name: of the network, for information.
    """
    file = _File()
    networks: dict[str, Ops] = {}
    peaks, filters = _peaks(network.eval(), batches)
    scale_of = {}
    for chain in CHAINS:
        unit = PEAK / max(peaks[k] for k in chain)
        scale_of |= dict.fromkeys(chain, float(unit))
    six = (0, 6 * UNIT)
    stem = cast(nn.Sequential, network.features[0])
    first = nn.Conv2d(27, 32, 1, bias=False)
    deviation = torch.tensor(DEVIATION)[None, :, None, None]
    first.weight.data = (stem[0].weight.detach() / deviation / 255).permute(0, 2, 3, 1).reshape(32, 27, 1, 1)
    networks["stem"] = [file.layer("stem", first, stem[1], (1.0, UNIT), 255, six)]
    scale, peak = float(UNIT), 6 * UNIT
    for number, members in enumerate(NETWORKS):
        ops: Ops = []
        for k in members:
            layer: Any = network.features[k]
            if layer.skip:
                ops.append({"op": "push"})
            *inner, conv, norm = layer.conv
            for i, part in enumerate(inner):
                ops.append(file.layer(f"f{k}.{i}", part[0], part[1], (scale, UNIT), peak, six))
                scale, peak = float(UNIT), 6 * UNIT
            out = (scale, scale_of[k])
            ops.append(file.layer(f"f{k}.{len(inner)}", conv, norm, out, peak, (-PEAK, PEAK)))
            scale, peak = scale_of[k], PEAK
            if layer.skip:
                ops.append({"op": "add", "clamp": [-PEAK, PEAK]})
        networks[f"features.{number}"] = ops
    for k, tap in enumerate(TAPPED):
        lateral = cast(nn.Conv2d, network.laterals[k])
        block = cast(nn.Sequential, network.blocks[k])
        unit = PEAK / max(filters[k], 1e-6)
        sums = (-2 * PEAK, 2 * PEAK)
        networks[f"lateral.{k}"] = [file.layer(f"l{k}", lateral, None, (scale_of[tap], UNIT), PEAK, sums)]
        networks[f"block.{k}"] = [
            file.layer(f"b{k}.0", cast(nn.Conv2d, block[0]), None, (UNIT, unit), 2 * PEAK, (-PEAK, PEAK)),
            file.layer(f"b{k}.1", cast(nn.Conv2d, block[1]), None, (unit, UNIT), PEAK, six),
        ]
    networks["last"] = [
        file.layer("last", network.last, None, (UNIT, LOGIT), 6 * UNIT, (-16 * LOGIT, 16 * LOGIT))
    ]
    description = {
        "name": name,
        "mean": [round(255 * m) for m in MEAN],
        "strides": [
            2 if cast(Any, network.features[m[0]]).conv[-3][0].stride[0] == 2 else 1 for m in NETWORKS
        ],
        "taps": [k for k, m in enumerate(NETWORKS) if m[-1] in TAPPED],
        "logit": LOGIT,
        "classes": list(CLASSES),
        "networks": networks,
    }
    return write_tensors(file.tensors, description)


def with_first_layers(data: bytes, shipped: bytes, count: int) -> bytes:
    """A file with the first layers of another, from which it differs there by rounding alone.

    A run that keeps its first layers begins from a checkpoint in half precision, so that a few of their
    integers come out otherwise.  With those of the file that is shipped, whoever compares images by these
    layers sees what they saw before.

    Args:
        data: bytes of the file.
        shipped: bytes of the other.
        count: layers of the features that are taken over.

    Raises:
        ValueError: more than rounding tells them apart.
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    other, _ = read_tensors(shipped)
    first = ("stem", *(f"f{k}" for k in range(1, count)))[:count]
    for name in sorted({name.rpartition(".")[0] for name in tensors if name.split(".")[0] in first}):
        own, theirs = (
            [of[f"{name}.{what}"] for what in ("weight", "bias", "shift")] for of in (tensors, other)
        )
        if not _same_but_for_rounding(own, theirs):
            raise ValueError(f"layer {name} is not as it was: the run has not kept it")
        tensors |= {f"{name}.{what}": other[f"{name}.{what}"] for what in ("weight", "bias", "shift")}
    return write_tensors(tensors, description)


def _same_but_for_rounding(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Whether weights are a step apart at most, and biases a unit of what comes out."""
    weights, biases = [], []
    for weight, bias, shift in (one, other):
        steps = np.exp2(shift.astype(np.float64))
        weights.append(weight.reshape(len(weight), -1) / steps[:, None])
        biases.append(bias / steps)
    step = np.exp2(-np.minimum(one[2], other[2]).astype(np.float64))[:, None]
    near = (abs(weights[0] - weights[1]) <= step).all() and (abs(biases[0] - biases[1]) <= 1).all()
    return bool(near)


def export_run(last: Path, samples: Path) -> bytes:
    """Bytes of the file of a run's averaged weights.

    Args:
        last: ``last.pt`` of the run.
        samples: folder of samples, some of which set ranges.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is of no such run.
    """
    network = FinderNetwork()
    try:
        network.load_state_dict(torch.load(last, weights_only=True)["average"])
    except (KeyError, TypeError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"{last} is of no run of this network: {error}") from None
    paths = sorted(samples.glob("*.npz"))
    batches = []
    for path in paths[:: max(1, len(paths) // EXAMPLES)]:
        image = torch.from_numpy(load(path).image).permute(2, 0, 1)[None].float()
        batches.append(nn.functional.interpolate(image, EXAMPLE_SIZE, mode="area"))
    return export(network, batches, "finder")
