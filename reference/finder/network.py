"""The network in torch: MobileNetV2 to stride 32, and a decoder from coarse to fine.

It consists of what integer networks here have: pointwise and depthwise layers, clipped rectifiers, sums,
strides by leaving out, and repetition of values to a finer grid.  All maps come out at a quarter of the
input's sides.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..training.features import DEVIATION, MEAN, STAGES, TAPPED, layers
from .classes import CLASSES

CHANNELS = 64
"""Of the decoder."""

STRIDE = 4
"""Pixels of the input to a side of a place in a map."""


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
    """From small images to maps of what is in them."""

    def __init__(self) -> None:
        super().__init__()
        self.features = layers()
        taps = [STAGES[k][1] for k in (1, 2, 4, 5)]
        self.laterals = nn.ModuleList(nn.Conv2d(channels, CHANNELS, 1) for channels in taps)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS),
                nn.Conv2d(CHANNELS, CHANNELS, 1),
                nn.ReLU6(),
            )
            for _ in taps
        )
        self.last = nn.Conv2d(CHANNELS, 4 + len(CLASSES), 1)
        nn.init.constant_(self.last.bias, -1.5)

    def begin(self, weights: Path) -> None:
        """Take torchvision's weights of MobileNetV2, or the averaged ones of another run's ``last.pt``.

        Raises:
            OSError, KeyError: it is no such file.
        """
        state = torch.load(weights, map_location="cpu", weights_only=True)
        if "average" in state:
            self.load_state_dict(state["average"])
            return
        own = self.features.state_dict()
        self.features.load_state_dict({name: state[f"features.{name}"] for name in own})

    def train(self, mode: bool = True) -> FinderNetwork:
        """As of every module, but statistics of the images stay as they are: batches are small."""
        super().train(mode)
        self.features.eval()
        return self

    def forward(self, images: Tensor) -> Maps:
        """Maps of images, ``float [B, 3, H, W]`` of 0 to 255; sides are multiples of 32."""
        x = images / 255.0
        x = (x - x.new_tensor(MEAN)[:, None, None]) / x.new_tensor(DEVIATION)[:, None, None]
        taps = []
        for k, layer in enumerate(self.features):
            x = layer(x)
            if k in TAPPED:
                taps.append(x)
        y = None
        for tap, lateral, block in zip(taps[::-1], self.laterals[::-1], self.blocks[::-1], strict=True):
            side = lateral(tap)
            y = side if y is None else side + nn.functional.interpolate(y, scale_factor=2)
            y = block(y)
        out = self.last(y)
        return Maps(out[:, :1], out[:, 1:2], out[:, 2:3], out[:, 3:4], out[:, 4:])
