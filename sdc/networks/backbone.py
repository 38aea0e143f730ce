"""The beginning of the network of the default analysis: features of an image at strides 4, 8, 16 and 32.

It is MobileNetV2 to stride 32, in the integers and operators of the codec's networks, trained by
``reference/finder``.  The analysis goes on from its features (:mod:`sdc.analysis.finder`), and the
rate-distortion search compares images by them (:mod:`sdc.codec.features`), for which gradients go back to
the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

import numpy as np

from ..types import Array
from .gradient import backward
from .network import Network, networks_of
from .operators import Depthwise
from .registry import models_folder
from .run import Tape, run
from .sites import Sites
from .tensors import read_tensors

FILE = "sdc-finder.safetensors"

COARSEST = 32
"""Sides of an image are multiples of this."""

STRIDES = (4, 8, 16, 32)
"""Pixels to a side of a place, at each tap."""


@dataclass
class _Step:
    """A network that was run at all places of a grid.

    Attributes:
        grid: rows and columns.
        thinned: whether every second place and row alone was kept behind it.
    """

    network: Network
    grid: tuple[int, int]
    tape: Tape
    thinned: bool = False


@dataclass
class Passage:
    """What a run leaves for its gradient: its steps, and number of steps in front of each tap."""

    steps: list[_Step] = field(default_factory=list)
    taps: list[int] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Backbone:
    """The networks.

    Attributes:
        networks: ``stem``, ``features.0``, ``features.1`` and so on.
        mean: ``int16 [3]``, of images.
        strides: of the features' networks, 1 or 2.
        taps: numbers of those behind which features are tapped.
    """

    networks: Mapping[str, Network]
    mean: Array
    strides: Sequence[int]
    taps: Sequence[int]

    @classmethod
    def of(cls, networks: Mapping[str, Network], description: Mapping[str, Any]) -> Backbone:
        """From the networks of a file and its description."""
        mean = np.array(description["mean"], np.int16)
        return cls(networks, mean, description["strides"], description["taps"])

    def features(self, image: Array, taps: int = len(STRIDES), passage: Passage | None = None) -> list[Array]:
        """Features of an image, ``[rows, cols, channels]`` integers at each tap.

        Args:
            image: ``[H, W, 3]`` integers of 0 to 255; sides are multiples of :data:`COARSEST`.
            taps: how many are wanted, the finest first.
            passage: is filled with what :meth:`backward` needs.
        """
        grid = image.shape[0] // 2, image.shape[1] // 2
        x = _step(self.networks["stem"], grid, _patches(image.astype(np.int16) - self.mean), passage)
        out = []
        for k in range(self.taps[taps - 1] + 1):
            network = self.networks[f"features.{k}"]
            if self.strides[k] == 1:
                x = _step(network, grid, x, passage)
            else:
                x, grid = _strided(network, grid, x, passage)
            if k in self.taps:
                out.append(x.reshape(*grid, -1))
                if passage is not None:
                    passage.taps.append(len(passage.steps))
        return out

    def backward(self, gradients: Sequence[Array], passage: Passage) -> Array:
        """Gradient at the pixels, ``float32 [H, W, 3]``.

        Args:
            gradients: ``[rows, cols, channels]`` at each tap of the run.
            passage: of the run.
        """
        at = dict(zip(passage.taps, gradients, strict=True))
        g: Array = np.zeros((1, 1), np.float32)
        for k in range(len(passage.steps), 0, -1):
            step = passage.steps[k - 1]
            if k in at:
                own = at[k].astype(np.float32, copy=False)
                g = own.reshape(-1, own.shape[2]) + g
            if step.thinned:
                whole = np.zeros((step.grid[0] * step.grid[1], g.shape[1]), np.float32)
                whole[every_second(*step.grid)] = g
                g = whole
            g = backward(step.network, every_place(*step.grid), g, step.tape)
        return _pixels_of(g, *passage.steps[0].grid)


def read_networks(data: bytes) -> tuple[dict[str, Network], dict[str, Any]]:
    """The networks of a file, and its description.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    # Weights have 8 bits in the file and the type of the codec's networks here.
    wide = {name: t.astype("<i2") if t.dtype == np.int8 else t for name, t in tensors.items()}
    return networks_of(wide, description, description["networks"]), description


@cache
def load_backbone() -> Backbone:
    """That of the network of this package.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    return Backbone.of(*read_networks((models_folder() / FILE).read_bytes()))


def _step(
    network: Network, grid: tuple[int, int], x: Array, passage: Passage | None, thinned: bool = False
) -> Array:
    """Run a network at all places of a grid."""
    if passage is None:
        return run(network, every_place(*grid), x)
    tape: Tape = []
    out = run(network, every_place(*grid), x, tape=tape)
    passage.steps.append(_Step(network, grid, tape, thinned))
    return out


def _strided(
    network: Network, grid: tuple[int, int], x: Array, passage: Passage | None
) -> tuple[Array, tuple[int, int]]:
    """Run a network whose depthwise layer goes to every second place and row; values and grid behind it."""
    half, kept = (grid[0] // 2, grid[1] // 2), every_second(*grid)
    if passage is None:
        return run(network, every_place(*grid), x, only=kept), half
    past = max(k for k, op in enumerate(network) if isinstance(op, Depthwise)) + 1
    x = _step(network[:past], grid, x, passage, thinned=True)
    return _step(network[past:], half, x[kept], passage), half


def _patches(values: Array) -> Array:
    """The 3x3 neighbourhoods of every second pixel and row, ``[h * w / 4, 27]``; 0 outside the image."""
    height, width, channels = values.shape
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    parts = [padded[dy : dy + height : 2, dx : dx + width : 2] for dy in range(3) for dx in range(3)]
    patches: Array = np.stack(parts, 2).reshape(-1, 9 * channels)
    return patches


def _pixels_of(patches: Array, rows: int, cols: int) -> Array:
    """For each pixel the sum of what it is given in :func:`_patches`, ``[2 * rows, 2 * cols, channels]``."""
    parts = patches.reshape(rows, cols, 9, -1)
    padded = np.zeros((2 * rows + 2, 2 * cols + 2, parts.shape[3]), np.float32)
    for k in range(9):
        dy, dx = divmod(k, 3)
        padded[dy : dy + 2 * rows : 2, dx : dx + 2 * cols : 2] += parts[:, :, k]
    return padded[1:-1, 1:-1]


@lru_cache(maxsize=32)
def every_place(rows: int, cols: int) -> Sites:
    """All places of a grid, as one group."""
    y, x = np.divmod(np.arange(rows * cols), cols)
    zeros = np.zeros(rows * cols, np.int64)
    return Sites(y, x, zeros, zeros)


@lru_cache(maxsize=32)
def every_second(rows: int, cols: int) -> Array:
    """Every second place of every second row of a grid."""
    kept: Array = np.arange(rows * cols).reshape(rows, cols)[::2, ::2].ravel()
    return kept
