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

from ..networks.backbone import COARSEST, FILE, Backbone, every_place, read_networks
from ..networks.network import Network
from ..networks.registry import models_folder
from ..networks.run import run
from ..types import Array, Pixels
from .cielab import Floats

LONG_SIDE = 320
"""Of the copy that the network sees, at most."""


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
        taps = Backbone.of(self.networks, self.description).features(image)
        y: Array | None = None
        for k in reversed(range(len(taps))):
            grid = taps[k].shape[0], taps[k].shape[1]
            tap = taps[k].reshape(grid[0] * grid[1], -1)
            side = run(self.networks[f"lateral.{k}"], every_place(*grid), tap)
            if y is not None:
                finer = y.reshape(grid[0] // 2, 1, grid[1] // 2, 1, -1).repeat(2, 1).repeat(2, 3)
                side = side + finer.reshape(side.shape)
            y = run(self.networks[f"block.{k}"], every_place(*grid), side)
        assert y is not None
        out: Array = run(self.networks["last"], every_place(*grid), y).reshape(*grid, -1)
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
    networks, description = read_networks(data)
    return Finder(networks, description, hashlib.sha256(data).hexdigest())
