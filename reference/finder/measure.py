"""What the network and the things of the default analysis reach, on images of COCO with their true objects.

Of the maps: share of the objects' pixels in the best 40 % of all cells of all images together, in the best
40 % of each image's own cells (the mean over images), and share of the best 10 % of all cells that lies on
objects.  Of the levels: share of the cells of L1, how much of it lies on true objects, bytes of the group
map, and how many names are wrong, by the class of the true object that a named thing covers most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.analysis.finder import Finder
from sdc.analysis.things import things_of
from sdc.coding.labels import encode_map
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import CELL, Level

from ..evaluation.commands.analysis import truth_of
from ..evaluation.images import coco_images
from .classes import CLASSES, class_of

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found in an image, and what is there.

    Attributes:
        maps: importance of each cell by the name of the map.
        things: what was found.
        true: what is there.
        pixels: of true objects in each cell.
        width, height: of the image.
    """

    maps: dict[str, Floats]
    things: list[Object]
    true: list[Object]
    pixels: Ints
    width: int
    height: int


def looked_at(coco: Path, finder: Finder) -> Iterator[Looked]:
    """Look at every image that has objects."""
    for _, pixels, objects in coco_images(coco):
        height, width = pixels.shape[:2]
        union = truth_of(objects, height, width).union
        if not union.any():
            continue
        found = finder.maps(pixels)
        maps = {name: by_cell(getattr(found, name), *union.shape) for name in ("thing", "main")}
        maps["centre"] = centre(*union.shape)
        yield Looked(maps, things_of(found, width, height), objects, union, width, height)


def by_cell(values: Floats, rows: int, cols: int) -> Floats:
    """A map as means over the cells of an image."""
    image = Image.fromarray(np.ascontiguousarray(values))
    return np.asarray(image.resize((cols, rows), Image.Resampling.BOX))


def centre(rows: int, cols: int) -> Floats:
    """How near each cell is to the middle."""
    v, u = ((2 * np.arange(n) + 1) / n - 1 for n in (rows, cols))
    near: Floats = -np.maximum(abs(v)[:, None], abs(u)[None]).astype(np.float32)
    return near


def shares(
    cells: Sequence[Floats], true: Sequence[Ints], part: float = 0.4, best: float = 0.1
) -> tuple[float, float, float]:
    """The three shares of a map.

    Args:
        cells: importance of each cell, of each image.
        true: pixels of true objects in each cell.
        part: of the cells that may be taken.
        best: of the cells that are to lie on objects.
    """
    flat, want = np.concatenate([c.ravel() for c in cells]), np.concatenate([t.ravel() for t in true])
    order = np.argsort(-flat, kind="stable")
    pooled = want[order[: round(part * len(flat))]].sum() / want.sum()
    own = []
    for c, t in zip(cells, true, strict=True):
        taken = np.argsort(-c, axis=None, kind="stable")[: round(part * c.size)]
        own.append(t.ravel()[taken].sum() / t.sum())
    on = want[order[: round(best * len(flat))]].mean() / CELL**2
    return float(pooled), float(np.mean(own)), float(on)


def names_of(images: Sequence[Looked]) -> Counter[tuple[str, bool]]:
    """How many things got which name, and whether it is right."""
    out: Counter[tuple[str, bool]] = Counter()
    for image in images:
        for thing in image.things:
            if thing.label not in CLASSES:
                continue
            inside = _canvas(thing, image)
            held = Counter[str]()
            for true in image.true:
                held[CLASSES[class_of(true.label)]] += int((_canvas(true, image) & inside).sum())
            best = held.most_common(1)
            out[thing.label, bool(best and best[0][0] == thing.label and best[0][1])] += 1
    return out


def _canvas(thing: Object, image: Looked) -> npt.NDArray[np.bool_]:
    out = np.zeros((image.height, image.width), bool)
    x, y, w, h = thing.box
    out[y : y + h, x : x + w] = True if thing.mask is None else thing.mask
    return out


def measure(coco: Path, finder: Finder) -> None:
    """Print what is reached."""
    images = list(looked_at(coco, finder))
    true = [image.pixels for image in images]
    print("of objects' pixels in 40 % of all cells, of each image's; of 10 % of all on objects")
    for name in ("thing", "main", "centre"):
        values = shares([image.maps[name] for image in images], true)
        print(f"  {name:8}", *(f"{value:.3f}" for value in values))
    first, on, sizes = [], [], []
    for image in images:
        mapped = group_map(image.things, image.width, image.height)
        levels = np.asarray([of.code for of in mapped.levels])[mapped.labels.astype(int) - 1]
        chosen = levels == Level.L1.code
        first.append(float(chosen.mean()))
        on.append(image.pixels[chosen].sum() / (CELL**2 * chosen.sum()))
        sizes.append(len(encode_map(mapped.labels, len(mapped.levels))))
    tenths = np.histogram(first, 10, (0, 1))[0].tolist()
    print(f"L1 takes {np.mean(first):.3f} of an image's cells; images by tenths of it: {tenths}")
    print(f"{np.mean(on):.3f} of L1 lies on true objects; a map has {np.mean(sizes):.1f} bytes")
    for (name, right), count in sorted(names_of(images).items()):
        print(f"  {name:8} {'right' if right else 'wrong'} {count}")
