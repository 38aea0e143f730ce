"""The network of the default analysis: what is a thing, what is the main thing, where edges and text are.

A small copy of the image goes through MobileNetV2 to stride 32 and a decoder back to stride 4, in the
integers and operators of the codec's networks, so that every machine finds the same.  ``reference/finder``
trains it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from ..networks.network import Network, networks_of
from ..networks.registry import models_folder
from ..networks.run import run
from ..networks.sites import Sites
from ..networks.tensors import read_tensors
from ..types import Array, Pixels
from .cielab import Floats

FILE = "sdc-finder.safetensors"

LONG_SIDE = 320
"""Of the copy that the network sees, at most."""

COARSEST = 32
"""The copy's sides are multiples of this."""


@dataclass(frozen=True, eq=False)
class Maps:
    """What the network finds, at a quarter of its copy's sides.

    Attributes:
        thing: how surely a place is of a thing, ``float32 [h, w]``, 0 to 1; so the next three.
        main: how much it is of the main thing.
        edge: how surely it is on an edge between things.
        text: how surely it is of text.
        classes: how surely it is of each of :attr:`names`, ``float32 [n, h, w]``, in all 1.
        names: of the classes.
    """

    thing: Floats
    main: Floats
    edge: Floats
    text: Floats
    classes: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Finder:
    """The network, as its file holds it."""

    networks: dict[str, Network]
    description: dict[str, Any]
    sha256: str

    def maps(self, pixels: Pixels) -> Maps:
        """What is in an image, ``uint8 [H, W, 3]`` RGB of any size."""
        out = self._run(_copy_of(pixels)).astype(np.float64) / self.description["logit"]
        powers = np.exp(out[..., 4:] - out[..., 4:].max(-1, keepdims=True))
        classes = _rounded(powers / powers.sum(-1, keepdims=True)).transpose(2, 0, 1)
        thing, main, edge, text = _rounded(1 / (1 + np.exp(-out[..., :4]))).transpose(2, 0, 1)
        names = tuple(self.description["classes"])
        return Maps(thing, main, edge, text, classes, names)

    def _run(self, image: Pixels) -> Array:
        """Logits, ``[h, w, 4 + classes]``."""
        mean = np.array(self.description["mean"], np.int16)
        x = _patches(image.astype(np.int16) - mean)
        grid = image.shape[0] // 2, image.shape[1] // 2
        x = run(self.networks["stem"], _sites(*grid), x)
        taps = []
        for k, stride in enumerate(self.description["strides"]):
            kept = None if stride == 1 else np.arange(grid[0] * grid[1]).reshape(grid)[::2, ::2].ravel()
            x = run(self.networks[f"features.{k}"], _sites(*grid), x, only=kept)
            grid = grid if stride == 1 else (grid[0] // 2, grid[1] // 2)
            if k in self.description["taps"]:
                taps.append((grid, x))
        y: Array | None = None
        for k in reversed(range(len(taps))):
            grid, tap = taps[k]
            side = run(self.networks[f"lateral.{k}"], _sites(*grid), tap)
            if y is not None:
                finer = y.reshape(grid[0] // 2, 1, grid[1] // 2, 1, -1).repeat(2, 1).repeat(2, 3)
                side = side + finer.reshape(side.shape)
            y = run(self.networks[f"block.{k}"], _sites(*grid), side)
        assert y is not None
        out: Array = run(self.networks["last"], _sites(*grid), y).reshape(*grid, -1)
        return out


def _rounded(values: Array) -> Floats:
    """In 255ths, so that the last digits of a machine's exponential function do not show."""
    rounded: Floats = (np.round(255 * values) / 255).astype(np.float32)
    return rounded


def _copy_of(pixels: Pixels) -> Pixels:
    """The copy of an image that the network sees."""
    height, width = pixels.shape[:2]
    scale = LONG_SIDE / max(height, width)
    size = [max(COARSEST, round(n * scale / COARSEST) * COARSEST) for n in (width, height)]
    copy: Pixels = np.asarray(Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BOX))
    return copy


def _patches(values: Array) -> Array:
    """The 3x3 neighbourhoods of every second pixel and row, ``[h * w / 4, 27]``; 0 outside the image."""
    height, width, channels = values.shape
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)))
    parts = [padded[dy : dy + height : 2, dx : dx + width : 2] for dy in range(3) for dx in range(3)]
    patches: Array = np.stack(parts, 2).reshape(-1, 9 * channels)
    return patches


@cache
def _sites(rows: int, cols: int) -> Sites:
    """All places of a grid, as one group."""
    y, x = np.divmod(np.arange(rows * cols), cols)
    zeros = np.zeros(rows * cols, np.int64)
    return Sites(y, x, zeros, zeros)


@cache
def finder() -> Finder:
    """The network of this package.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    return read_finder((models_folder() / FILE).read_bytes())


def read_finder(data: bytes) -> Finder:
    """The network of a file.

    Raises:
        SdcError: ``E_MODEL_FILE``.
    """
    tensors, description = read_tensors(data)
    # Weights have 8 bits in the file and the type of the codec's networks here.
    wide = {name: t.astype("<i2") if t.dtype == np.int8 else t for name, t in tensors.items()}
    networks = networks_of(wide, description, description["networks"])
    return Finder(networks, description, hashlib.sha256(data).hexdigest())
