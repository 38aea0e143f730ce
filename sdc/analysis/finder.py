"""The network of the default analysis: what is a thing, what is the main thing, where edges and text are.

A small copy of the image goes through YOLOX-nano to stride 32 and a decoder back to stride 4, in the
integers and operators of the codec's networks, so that every machine finds the same.  The graph of the layers
and their activation, a table, stand in the network's file.  ``reference/finder`` trains it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..networks.network import Network, networks_of
from ..networks.registry import models_folder
from ..networks.run import run
from ..networks.sites import Sites
from ..networks.tensors import read_tensors
from ..objects.classes import COCO
from ..types import Array, Pixels
from .boxes import OVERLAP, distinct
from .cielab import Floats

FILE = "sdc-finder.safetensors"

LONG_SIDE = 416
"""Of the copy that the network sees, at most."""

COARSEST = 32
"""The copy's sides are multiples of this."""


FLOOR = 0.25
"""Certainty from which on a box is one."""

MOST_BOXES = 50


class Box(NamedTuple):
    """A thing that the detector has found.

    Attributes:
        label: its name, one of COCO's 80.
        score: how sure it is, 0 to 1.
        left, top, right, bottom: of the image's width and height, 0 to 1.
    """

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, eq=False)
class Maps:
    """What the network finds, maps at a quarter of its copy's sides.

    Attributes:
        thing: how surely a place is of a thing, ``float32 [h, w]``, 0 to 1; so the next three.
        main: how much it is of the main thing.
        edge: how surely it is on an edge between things.
        text: how surely it is of text.
        classes: how surely it is of each of :attr:`names`, ``float32 [n, h, w]``, in all 1.
        names: of the classes.
        boxes: of things, the surest first.
    """

    thing: Floats
    main: Floats
    edge: Floats
    text: Floats
    classes: Floats
    names: tuple[str, ...]
    boxes: tuple[Box, ...] = ()


Values = tuple[Array, tuple[int, int]]
"""Values of a node, ``[h * w, channels]``, and ``(h, w)``."""


@dataclass(frozen=True, eq=False)
class Finder:
    """The network, as its file holds it.

    Attributes:
        nodes: its steps; of a convolution the operator stands in ``networks``, by the step's name.
        tables: activations, ``float32 [units, values]``: what stands for the integers from ``-n`` to ``n``.
        units: rows of the tables for the channels of a step, by its name.
    """

    networks: dict[str, Network]
    tables: Array
    units: dict[str, Array]
    description: dict[str, Any]
    sha256: str

    def maps(self, pixels: Pixels) -> Maps:
        """What is in an image, ``uint8 [H, W, 3]`` RGB of any size."""
        values = self._run(_copy_of(pixels))
        logits, (h, w) = values[self.description["last"]]
        out = logits.reshape(h, w, -1).astype(np.float64) / self.description["logit"]
        powers = np.exp(out[..., 4:] - out[..., 4:].max(-1, keepdims=True))
        classes = _rounded(powers / powers.sum(-1, keepdims=True)).transpose(2, 0, 1)
        thing, main, edge, text = _rounded(_logistic(out[..., :4])).transpose(2, 0, 1)
        names = tuple(self.description["classes"])
        return Maps(thing, main, edge, text, classes, names, self._boxes(values))

    def _boxes(self, values: Mapping[str, Values]) -> tuple[Box, ...]:
        """Boxes of the detector's outputs."""
        corners, scores, labels = [], [], []
        for head in self.description["heads"]:
            kind, place, sure = (self._real(values, head[of]) for of in ("classes", "boxes", "certainty"))
            h, w = values[head["boxes"]][1]
            at = np.stack(np.divmod(np.arange(h * w), w)[::-1], 1)
            middle, half = (place[:, :2] + at) / (w, h), np.exp(place[:, 2:]) / (2 * w, 2 * h)
            corners.append(np.concatenate([middle - half, middle + half], 1))
            best = kind.argmax(1)
            labels.append(best)
            scores.append(_logistic(kind[np.arange(h * w), best]) * _logistic(sure[:, 0]))
        places = (np.round(np.concatenate(corners) * 4096) / 4096).clip(0, 1)
        certain = _rounded(np.concatenate(scores))
        order = np.argsort(-certain, kind="stable")
        order = order[certain[order] >= FLOOR]
        kinds = np.concatenate(labels)[order]
        kept = distinct(places[order], kinds, OVERLAP, MOST_BOXES)
        return tuple(Box(COCO[kinds[k]], float(certain[order[k]]), *places[order[k]].tolist()) for k in kept)

    def _real(self, values: Mapping[str, Values], name: str) -> Array:
        """Values of a node in units of 1."""
        real: Array = np.ldexp(values[name][0].astype(np.float64), -self.units[name])
        return real

    def _run(self, image: Pixels) -> dict[str, Values]:
        """Values of every node."""
        grid = image.shape[0], image.shape[1]
        values: dict[str, Values] = {"image": (image.reshape(-1, 3).astype(np.float32), grid)}
        for row in self.description["nodes"]:
            values[row["name"]] = self._value(row, [values[of] for of in row["inputs"]])
        return values

    def _value(self, row: Mapping[str, Any], inputs: Sequence[Values]) -> Values:
        """What comes out of a node."""
        x, (h, w) = inputs[0]
        if row["kind"] == "conv":
            x = x if len(inputs) == 1 else np.concatenate([values for values, _ in inputs], 1)
            return self._convolved(row, x, (h, w))
        if row["kind"] == "add":
            return np.clip(x + inputs[1][0], -row["peak"], row["peak"]), (h, w)
        if row["kind"] == "pool":
            return _largest(x.reshape(h, w, -1), row["size"]).reshape(h * w, -1), (h, w)
        finer = x.reshape(h, 1, w, 1, -1).repeat(2, 1).repeat(2, 3)
        return finer.reshape(4 * h * w, -1), (2 * h, 2 * w)

    def _convolved(self, row: Mapping[str, Any], x: Array, grid: tuple[int, int]) -> Values:
        """What comes out of a convolution and its activation."""
        stride = row["stride"]
        coarse = grid[0] // stride, grid[1] // stride
        only = None
        if row["depthwise"] and stride > 1:
            only = np.arange(grid[0] * grid[1]).reshape(grid)[::stride, ::stride].ravel()
        elif not row["depthwise"]:
            x = _patches(x.reshape(*grid, -1), row["size"], stride)
        at = grid if row["depthwise"] else coarse
        y = run(self.networks[row["name"]], _sites(*at), x, only=only)
        if row["act"]:
            length = self.tables.shape[1]
            middles = self.units[row["name"]] * length + length // 2
            y = self.tables.take(y.astype(np.intp) + middles)
        return y, coarse


def _logistic(values: Array) -> Array:
    out: Array = 1 / (1 + np.exp(-values))
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


def _patches(values: Array, size: int, stride: int) -> Array:
    """Squares of values around every so many places and rows, ``[h * w / stride**2, size**2 * channels]``.

    Outside there is 0.
    """
    height, width, channels = values.shape
    before, span = (size - 1) // 2, range(size)
    padded = np.pad(values, ((before, size - 1 - before), (before, size - 1 - before), (0, 0)))
    parts = [padded[dy : dy + height : stride, dx : dx + width : stride] for dy in span for dx in span]
    patches: Array = np.stack(parts, 2).reshape(-1, size**2 * channels)
    return patches


def _largest(values: Array, size: int) -> Array:
    """The largest value of the square around each place, ``[h, w, channels]``."""
    height, width, _ = values.shape
    side = size // 2
    padded = np.pad(values, ((side, side), (side, side), (0, 0)), mode="edge")
    across = np.maximum.reduce([padded[:, k : k + width] for k in range(size)])
    most: Array = np.maximum.reduce([across[k : k + height] for k in range(size)])
    return most


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
    units = {name.removesuffix(".unit"): t.astype(np.intp) for name, t in tensors.items() if ".unit" in name}
    return Finder(
        networks, tensors["swish"].astype(np.float32), units, description, hashlib.sha256(data).hexdigest()
    )
