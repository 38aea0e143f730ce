"""What the analysis reaches: how much of the true objects its cells hold.

DIR holds COCO's ``instances.json`` and its images, there or in ``images/``.
For the built-in default, for each network that ``--saliency FILE`` or ``--detector FILE`` names, and for the
true objects, each with the default ranking, and for a centred rectangle of the same share of the cells, it
prints for L1, L1+L2 and L1..L3:

- *cells*: share of the cells of all images in groups of these levels, and *bytes*: share of the files up to
  there (with ``--bytes``, which encodes them);
- *pixels*: share of the true objects' pixels that lie in these cells, of all images together;
- *mean*: the same share as the mean over images;
- *objects*: share of the true objects of which these cells hold half the pixels or more;
- *heads*: share of the pixels of a head in these cells, as the mean over the people who are higher than wide
  and 64 pixels high or more; their heads are the upper fifth of them.

The rectangle takes as many of the cells as the provider does over all images, the same share of each.
The weights of the built-in default were fitted to the second, fourth, ... image; the tables called *unseen*
are of the first, third, and so on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdc.analysis.interfaces import Options, Scene
from sdc.analysis.pipeline import analyze
from sdc.analysis.providers.ranking import DefaultRanking
from sdc.codec.encoder import encode
from sdc.format.parse import parse
from sdc.images.sheet import sheet
from sdc.objects.cells import coverage
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import CELL, LEVELS

from ..images import coco_images

Ints = npt.NDArray[np.int64]
SPANS = ("L1", "L1+L2", "L1..L3")

SHEETS = 10
"""Images of which a sheet is drawn."""

HIGH = 64
"""Pixels of the height of people whose heads are looked at, at least."""


@dataclass(frozen=True)
class Truth:
    """Pixels of all true objects together, of each, and of heads, in the cells, ``int [rows, cols]``."""

    union: Ints
    each: list[Ints]
    heads: list[Ints]


def truth_of(objects: Sequence[Object], height: int, width: int) -> Truth:
    """The true objects by cell."""
    rows, cols = -(-height // CELL), -(-width // CELL)
    union = np.zeros((rows * CELL, cols * CELL), bool)
    each, heads = [], []
    for thing in objects:
        x, y, w, h = thing.box
        union[y : y + h, x : x + w] |= True if thing.mask is None else thing.mask
        area, pixels = coverage(thing)
        cells = np.zeros((rows, cols), np.int64)
        cells[area] = pixels
        each.append(cells)
        if thing.label == "person" and h >= HIGH and h > w:
            upper = np.zeros((rows * CELL, cols * CELL), bool)
            upper[y : y + h // 5, x : x + w] = True if thing.mask is None else thing.mask[: h // 5]
            heads.append(_by_cell(upper))
    return Truth(_by_cell(union), each, heads)


def _by_cell(pixels: npt.NDArray[np.bool_]) -> Ints:
    """How many pixels of each cell are set, of a map of whole cells."""
    rows, cols = pixels.shape[0] // CELL, pixels.shape[1] // CELL
    return pixels.reshape(rows, CELL, cols, CELL).sum((1, 3), dtype=np.int64)


def centred(rows: int, cols: int, share: float) -> npt.NDArray[np.bool_]:
    """Cells of a centred rectangle of the image's shape that takes a share of the cells."""
    u = np.abs((2 * np.arange(cols) + 1) / cols - 1)[None]
    v = np.abs((2 * np.arange(rows) + 1) / rows - 1)[:, None]
    inner = np.argsort(np.maximum(u, v), axis=None, kind="stable")[: round(share * rows * cols)]
    out = np.zeros(rows * cols, bool)
    out[inner] = True
    return out.reshape(rows, cols)


def hold(
    chosen: Sequence[npt.NDArray[np.bool_]], truths: Sequence[Truth]
) -> tuple[float, float, float, float]:
    """Shares that chosen cells hold: of the pixels, the same as the mean over images, of the objects, and
    of heads as the mean over people; the last is not a number where nobody is.
    """
    inside = np.array([t.union[c].sum() for c, t in zip(chosen, truths, strict=True)], float)
    total = np.array([t.union.sum() for t in truths], float)
    objects = [
        2 * cells[c].sum() >= cells.sum() for c, t in zip(chosen, truths, strict=True) for cells in t.each
    ]
    heads = [cells[c].sum() / cells.sum() for c, t in zip(chosen, truths, strict=True) for cells in t.heads]
    return (
        inside.sum() / total.sum(),
        float((inside / total).mean()),
        float(np.mean(objects)),
        float(np.mean(heads)) if heads else float("nan"),
    )


def table(maps: Sequence[Any], bytes_: Sequence[Sequence[float]], truths: Sequence[Truth]) -> list[str]:
    """Rows of the table for one provider and some images, the rectangle's below each."""
    rows = []
    for level, name in enumerate(SPANS):
        chosen = [np.asarray([of.code for of in m.levels])[m.labels.astype(int) - 1] <= level for m in maps]
        share = sum(int(c.sum()) for c in chosen) / sum(c.size for c in chosen)
        spent = f"{np.mean([b[level] for b in bytes_]):.3f}" if bytes_ else "-"
        boxes = [centred(c.shape[0], c.shape[1], share) for c in chosen]
        for who, cells, cost in (("", chosen, spent), ("rectangle", boxes, "-")):
            values = "".join(f"{value:8.3f}" for value in hold(cells, truths))
            rows.append(f"  {who or name:10} {share:6.3f} {cost:>6} {values}")
    return rows


Way = Callable[[Any, list[Object]], tuple[list[Object], dict[str, Any]]]
"""Pixels and true objects to objects and what is said of how they were found."""


@dataclass(frozen=True)
class Held:
    """What a way found in some images.

    Attributes:
        maps: the group map of each.
        spent: shares of the bytes up to the end of L1, L2 and L3, of each; empty where none was encoded.
        seconds: for each image, as the mean.
    """

    maps: list[Any]
    spent: list[list[float]]
    seconds: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--coco", type=Path, required=True)
    parser.add_argument("--saliency", default=[], action="append", metavar="FILE", help="ONNX network")
    parser.add_argument("--detector", default=[], action="append", metavar="FILE", help="ONNX detector")
    parser.add_argument("--bytes", action="store_true", help="encode, to measure bytes too")
    parser.add_argument("--sheets", type=Path, help="folder for sheets of the first ten images")
    parser.add_argument("--limit", type=int, help="so many images only")


def run(args: argparse.Namespace) -> None:
    """Print the tables of every way."""
    images = list(coco_images(args.coco))[: args.limit]
    truths = [truth_of(objects, *pixels.shape[:2]) for _, pixels, objects in images]
    kept = [k for k, truth in enumerate(truths) if truth.union.any()]
    groups = {"all": list(range(len(kept))), "unseen": [i for i, k in enumerate(kept) if k % 2 == 0]}
    for name, way in _ways(args).items():
        held = _held(name, way, [images[k] for k in kept], args)
        for part, chosen in groups.items():
            print(f"{name}, {part}: {len(chosen)} images, {held.seconds:.2f} s each")
            print(f"  {'':10} {'cells':>6} {'bytes':>6}   pixels    mean objects   heads")
            costs = [held.spent[i] for i in chosen] if args.bytes else []
            rows = table([held.maps[i] for i in chosen], costs, [truths[kept[i]] for i in chosen])
            print("\n".join(rows))


def _ways(args: argparse.Namespace) -> dict[str, Way]:
    """The ways to objects, by name."""
    ways: dict[str, Way] = {"built-in": partial(found, Options())}
    networks = [Options(saliency=path) for path in args.saliency]
    networks += [Options(detector=path) for path in args.detector]
    for options in networks:
        ways[Path(options.saliency or options.detector).name] = partial(found, options)
    ways["true objects"] = lambda pixels, true: (
        DefaultRanking(Options()).rank(Scene(pixels), true).objects,
        {},
    )
    return ways


def _held(
    name: str, way: Way, images: Sequence[tuple[str, Any, list[Object]]], args: argparse.Namespace
) -> Held:
    """Find objects in images, and encode and draw them where that is wanted."""
    maps, spent, seconds = [], [], 0.0
    for k, (file, pixels, true) in enumerate(images):
        began = time.perf_counter()
        objects, provenance = way(pixels, true)
        seconds += time.perf_counter() - began
        maps.append(group_map(objects, pixels.shape[1], pixels.shape[0]))
        drawn = args.sheets is not None and k < SHEETS
        if args.bytes or drawn:
            stream = parse(encode(pixels, objects=objects, provenance=provenance))
            spent.append([_prefix(stream, level) / stream.size for level in range(3)])
            if drawn:
                _sheet(args.sheets / f"{name}-{Path(file).stem}.png", stream, pixels)
    return Held(maps, spent, seconds / len(images))


def found(options: Options, pixels: Any, true: list[Object]) -> tuple[list[Object], dict[str, Any]]:
    """Objects that the analysis finds, whatever the true ones are, and what it says of how."""
    result = analyze(pixels, options)
    return list(result.objects), result.provenance


def _prefix(stream: Any, level: int) -> int:
    """Bytes up to the end of the last group of a level or a more important one; none before the first."""
    return (
        int(stream.prefix(levels=LEVELS[: level + 1]))
        if any(g.level.code <= level for g in stream.groups)
        else 0
    )


def _sheet(path: Path, stream: Any, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(stream, pixels).save(path)
