"""What is encoded and decoded: images, streams, and files of other codecs at the same rate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np

from sdc.format.parse import parse
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import Level, Pixels

from ..codecs import Codec, avif, jpeg
from ..encoders import Encode, four_levels, quality_for
from ..images import coco_images
from ..timing import kodak_sized

ONE, FOUR, MANY = "one group", "four levels", "40 groups"

AVIF_SPEED = 6

GROUPS = 40


def many_objects(height: int, width: int) -> list[Object]:
    """Objects of 39 groups on a background: boxes of 2 x 2 cells, of all levels by turns.

    Images are 224 x 192 pixels at least.
    """
    rows, cols = np.meshgrid(np.arange(6), np.arange(7), indexing="ij")
    places = np.stack([rows * height / 6, cols * width / 7], -1).reshape(-1, 2).astype(int)
    levels = (Level.L1, Level.L2, Level.L3)
    return [
        Object("box", (int(x) // 16 * 16, int(y) // 16 * 16, 32, 32), levels[k % 3])
        for k, (y, x) in enumerate(places[: GROUPS - 1])
    ]


@dataclass(frozen=True)
class Stream:
    """A coded image.

    Attributes:
        shares: of L1, and of L1 to L3, in the cells.
    """

    path: str
    bpp: float
    shares: tuple[float, float]


@dataclass
class Inputs:
    """Images of one source, and what they are coded to.

    Attributes:
        name: of the source.
        size: of the first image, in words.
        arrays: files of NumPy.
        streams: by quality and layout of groups.
        peers: files of other codecs, by quality and codec, at the rate of one group.
        settings: that give these, in the same order.
    """

    name: str
    size: str
    arrays: list[str]
    streams: dict[tuple[int, str], list[Stream]] = field(default_factory=dict)
    peers: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    settings: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    def paths(self, quality: int, layout: str) -> list[str]:
        """Files of streams."""
        return [stream.path for stream in self.streams[quality, layout]]

    def codecs(self, quality: int) -> list[str]:
        """Names of the peers that are there."""
        return [codec for q, codec in self.peers if q == quality]

    def bpp(self, quality: int, layout: str) -> float:
        """Mean bits per pixel."""
        return float(np.mean([stream.bpp for stream in self.streams[quality, layout]]))


def _kodak(data: Path | None, count: int) -> list[tuple[Pixels, list[Object] | None]]:
    """Images of 768x512; without a folder one that is drawn, moved by some cells each time."""
    images = list(islice(kodak_sized(data), count))
    if not images:
        sys.exit(f"no image of 768x512 in {data}")
    moved = (np.roll(images[0], 16 * k, axis=1) for k in range(count if data is None else len(images)))
    return [(image, None) for image in (moved if data is None else images)]


def _coco(folder: Path, count: int) -> list[tuple[Pixels, list[Object] | None]]:
    """The first images of COCO whose objects give four levels.

    Raises:
        SystemExit: there are none.
    """
    found: list[tuple[Pixels, list[Object] | None]] = []
    for _, image, objects in coco_images(folder):
        if len(group_map(objects, image.shape[1], image.shape[0]).levels) == 4:
            found.append((image, objects))
        if len(found) == count:
            break
    return found or sys.exit(f"no image in {folder} has objects of four levels")


def sources(
    data: Path | None, coco: Path | None, count: int
) -> Iterator[tuple[str, list[tuple[Pixels, list[Object] | None]]]]:
    """Names of the sources, and the images of each with their objects."""
    yield ("waves and noise" if data is None else "Kodak"), _kodak(data, count)
    if coco is not None:
        yield "COCO", _coco(coco, count)


def prepared(
    name: str,
    images: list[tuple[Pixels, list[Object] | None]],
    folder: Path,
    qualities: list[int],
    coder: Encode,
) -> Inputs:
    """Code the images of a source.

    Args:
        folder: for the files.
        coder: encodes for SDC.
    """
    first = images[0][0]
    inputs = Inputs(name, f"{first.shape[1]}x{first.shape[0]}", [])
    for k, (image, objects) in enumerate(images):
        path = folder / f"{name} {k}.npy"
        np.save(path, image)
        inputs.arrays.append(str(path))
        for quality in qualities:
            _code(inputs, folder / f"{name} {k} {quality}", image, objects, quality, coder)
    return inputs


@cache
def _peers() -> list[Codec]:
    """Codecs of Pillow that are there; another is named once."""
    found = []
    for codec in (avif(AVIF_SPEED), jpeg(optimize=False)):
        try:
            codec.version()
            found.append(codec)
        except ImportError as error:
            print(f"{codec.name} left out: {error}")
    return found


def _code(
    inputs: Inputs, stem: Path, image: Pixels, objects: list[Object] | None, quality: int, coder: Encode
) -> None:
    """Code an image at a quality by SDC and its peers."""
    height, width = image.shape[:2]
    own = four_levels(height, width) if objects is None else objects
    layouts = {
        ONE: coder(image, quality=quality),
        FOUR: coder(image, quality=quality, objects=own),
        MANY: coder(image, quality=quality, objects=many_objects(height, width), group_by="object"),
    }
    for layout, data in layouts.items():
        path = Path(f"{stem} {layout}.sdc")
        path.write_bytes(data)
        labels, groups = parse(bytes(data)).labels, parse(bytes(data)).groups
        upto = [sum(group.level in levels for group in groups) for levels in (("L1",), ("L1", "L2", "L3"))]
        shares = float((labels <= upto[0]).mean()), float((labels <= upto[1]).mean())
        stream = Stream(str(path), len(data) * 8 / (height * width), shares)
        inputs.streams.setdefault((quality, layout), []).append(stream)
    rate = inputs.streams[quality, ONE][-1].bpp
    for codec in _peers():
        setting = quality_for(image, rate, lambda p, quality, codec=codec: codec.encode(p, quality))
        path = Path(f"{stem}.{codec.name.lower()}")
        path.write_bytes(codec.encode(image, setting))
        inputs.peers.setdefault((quality, codec.name), []).append(str(path))
        inputs.settings.setdefault((quality, codec.name), []).append(setting)
