"""FFDNet and DnCNN for colour as modules of torch, and their files of weights.

FFDNet is by Zhang, Zuo and Zhang (TIP 2018), DnCNN by Zhang et al. (TIP 2017).
Both are a plain row of 3x3 convolutions with ReLU between, as their authors' weights have them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SHAPES = ((3, 3), (13, 12))
"""Channels in and out of DnCNN and FFDNet."""


class PlainDenoiser(nn.Module):
    """FFDNet or DnCNN, told apart by the channels of the first layer.

    Its parameters have the names that they have in the file.

    Args:
        weights: those of the file, in order; each weight has its bias.
        level: standard deviation of the noise that FFDNet is told, of 1; DnCNN is told none.

    Raises:
        KeyError, IndexError, AttributeError: the weights are none of such a row.
        ValueError: they are those of another.
    """

    def __init__(self, weights: Mapping[str, Any], level: float):
        super().__init__()
        self.level = level
        self.row: list[str] = [name[:-7] for name in weights if name.endswith(".weight")]
        for name in self.row:
            weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
            layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1)
            layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
            self._put(name, layer)
        first, last = self.get_submodule(self.row[0]), self.get_submodule(self.row[-1])
        assert isinstance(first, nn.Conv2d) and isinstance(last, nn.Conv2d)
        shape = first.in_channels, last.out_channels
        if shape not in SHAPES:
            raise ValueError(f"a row from {shape[0]} to {shape[1]} channels")
        self.halved = shape == SHAPES[1]

    def _put(self, name: str, layer: nn.Module) -> None:
        place: nn.Module = self
        *way, last = name.split(".")
        for part in way:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = place.get_submodule(part)
        place.add_module(last, layer)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[B, 3, H, W]`` of 0 to 1 without noise, from such images; not yet cut to 0 to 1."""
        height, width = x.shape[2:]
        y = x
        if self.halved:
            y = functional.pad(x, (0, width % 2, 0, height % 2), "replicate")
            y = functional.pixel_unshuffle(y, 2)
            y = torch.cat([y, torch.full_like(y[:, :1], self.level)], 1)
        for k, name in enumerate(self.row):
            y = self.get_submodule(name)(functional.relu(y) if k else y)
        return functional.pixel_shuffle(y, 2)[..., :height, :width] if self.halved else x - y


def read_denoiser(path: Path, level: float) -> PlainDenoiser:
    """The network of a file of weights.

    Args:
        path: as their authors give them, or as :func:`sdc_reference.restoration.adapt.adapt` writes them.
        level: standard deviation of the noise that FFDNet is told, of 255.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is neither FFDNet nor DnCNN for colour.
    """
    return denoiser_of(read_weights(path), level / 255, path)


def denoiser_of(weights: Mapping[str, Any], level: float, path: Path) -> PlainDenoiser:
    """The network of some weights; arguments and errors as for :class:`PlainDenoiser`, in one."""
    try:
        return PlainDenoiser(weights, level)
    except Exception as error:  # whatever other weights make of this
        raise ValueError(f"{path} is neither FFDNet nor DnCNN for colour") from error


def read_weights(path: Path) -> OrderedDict[str, Tensor]:
    """Tensors of a module's state by name, in the order of the file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such state.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch raises many kinds
        raise ValueError(f"{path} holds no weights of torch") from error
    if not isinstance(found, Mapping) or not all(isinstance(t, Tensor) for t in found.values()):
        raise ValueError(f"{path} is no state of a module, tensors by name")
    return OrderedDict(found)
