"""Photographs on the trained models: streams for decoders, and pictures for encoders.

The streams are on models 1 and 2, and made again when these are: a stream that names the model's weights
is kept as it is, since an encoder, unlike a decoder, may give other bytes on another machine or in another
version.

``python -m sdc_conformance.make.photos`` makes the pictures in ``vectors/picture`` from photographs that come
with scikit-image (the extra ``demo``), of which nothing else here has need.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import sdc
from sdc.format.parse import parse
from sdc.networks.registry import load_model

from ..adapter import answer
from ..runner.suite import VECTORS
from .book import MAP_IDS, PIXEL_IDS, SYMBOL_IDS, Book, accepted

MODEL, MACHINES, RESTORES = 1, 2, 4
"""Model of most streams, and that of the others."""
LEVELS = {"L1": 48, "L2": 36, "L3": 24, "other": 8}
PUBLIC = "CC-PDM-1.0"
FREE = "CC0-1.0"
DECIBELS = 1.5
BITS = 1.5
"""An encoder may be so much worse than the stream of ``vectors/photo``, with so many times its bits."""


@dataclass(frozen=True)
class Photograph:
    """A part of a photograph, reduced.

    Attributes:
        file: in ``skimage.data``.
        box: left, upper, right and lower side of the part.
        reduce: pixels on a side that become one.
        licence: identifier of SPDX.
        credit: who made it, as the documentation of ``skimage.data`` says.
        objects: ``(level, label, box)``, boxes as x, y, width, height of the reduced part.
    """

    file: str
    box: tuple[int, int, int, int]
    reduce: int
    licence: str
    credit: str
    objects: tuple[tuple[str, str, tuple[int, int, int, int]], ...]

    def pixels(self) -> Image.Image:
        """The picture, from the installed scikit-image.

        Raises:
            ImportError: there is none.
        """
        import skimage

        path = Path(skimage.__file__).parent / "data" / self.file
        return Image.open(path).convert("RGB").crop(self.box).reduce(self.reduce)

    def listed(self) -> list[dict[str, Any]]:
        """The objects, as ``spec/objects.md`` lists them."""
        return [{"label": label, "box": list(box), "level": level} for level, label, box in self.objects]


PHOTOGRAPHS = {
    "astronaut": Photograph(
        "astronaut.png",
        (0, 0, 420, 384),
        3,
        PUBLIC,
        "Eileen Collins, by NASA; no known copyright restrictions, released into the public domain",
        (
            ("L1", "face", (48, 0, 48, 64)),
            ("L2", "space suit", (16, 64, 96, 64)),
            ("L3", "shuttle", (112, 0, 28, 96)),
        ),
    ),
    "chelsea": Photograph(
        "chelsea.png",
        (0, 0, 451, 300),
        3,
        FREE,
        "the cat Chelsea, by Stefan van der Walt; no copyright restrictions, CC0 by the photographer",
        (("L1", "eyes", (32, 16, 96, 64)),),
    ),
    "coffee": Photograph(
        "coffee.png",
        (0, 0, 600, 400),
        4,
        FREE,
        "a cup of coffee, by Rachel Michetti; no copyright restrictions, CC0 by the photographer",
        (("L1", "cup", (32, 0, 80, 64)), ("L2", "saucer", (16, 64, 112, 36))),
    ),
    "rocket": Photograph(
        "rocket.jpg",
        (200, 0, 560, 427),
        3,
        PUBLIC,
        "a Falcon 9 before its launch, by SpaceX; released in the public domain",
        (("L1", "rocket", (32, 32, 16, 111)), ("L3", "tower", (80, 32, 16, 111))),
    ),
}

STREAMS: dict[str, dict[str, Any]] = {
    "astronaut-q00": {"quality": 0},
    "astronaut-q32": {"quality": 32},
    "astronaut-q63": {"quality": 63},
    "astronaut-levels": {"quality": LEVELS},
    "astronaut-objects": {"quality": LEVELS, "group_by": "object", "metadata": True},
    "chelsea-q16": {"quality": 16},
    "chelsea-q48": {"quality": 48},
    "chelsea-levels": {"quality": LEVELS},
    "coffee-q24": {"quality": 24},
    "coffee-levels": {"quality": LEVELS, "metadata": True},
    "coffee-withdrawn": {"quality": LEVELS, "keep": [0, 1]},
    "rocket-q08": {"quality": 8},
    "rocket-q56": {"quality": 56},
    "rocket-levels": {"quality": LEVELS},
    "astronaut-machines": {"quality": 32, "model": MACHINES},
    "coffee-machines": {"quality": LEVELS, "model": MACHINES},
    "astronaut-restored": {"quality": 40, "restored": True},
    "chelsea-restored": {"quality": {"L1": 50, "other": 30}, "restored": True},
}
"""Streams by name, which begins with that of the photograph.

``keep``: the groups that are not withdrawn; ``model``: where it is not ``MODEL``; ``restored``: whether it is
asked for restored by ``RESTORES``, too.
"""


def picture(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture of ``vectors/picture``, ``uint8 [height, width, 3]``."""
    return np.asarray(Image.open(VECTORS / "picture" / f"{name}.png"))


def encoded(name: str) -> bytes:
    """A stream: the one that is there if it is on the model of today, else a new one."""
    path = VECTORS / "photo" / f"{name}.sdc"
    photograph, settings = name.split("-")[0], STREAMS[name]
    model = settings.get("model", MODEL)
    if path.is_file():
        data = path.read_bytes()
        if parse(data).head.weights == load_model(model).weights:
            return data
    image, quality = picture(photograph), settings["quality"]
    objects: list[sdc.Object] = []
    if isinstance(quality, Mapping):
        objects = sdc.Object.load(PHOTOGRAPHS[photograph].listed(), image.shape[1], image.shape[0])
    data = sdc.encode(
        image,
        objects=objects,
        quality=quality,
        group_by=settings.get("group_by", "level"),
        metadata=settings.get("metadata", False),
        model=model,
    )
    return sdc.extract(data, groups=settings["keep"]) if "keep" in settings else data


def photographs(book: Book) -> None:
    """The streams."""
    for name, settings in STREAMS.items():
        source = PHOTOGRAPHS[name.split("-")[0]]
        data = encoded(name)
        stream = parse(data)
        ids = [*SYMBOL_IDS, *PIXEL_IDS, *(MAP_IDS if stream.map else [])]
        some = [None, *([[0], [len(stream.groups) - 1]] if len(stream.groups) > 1 else [])]
        book.accept(
            f"photo/{name}.sdc",
            data,
            " ".join(ids),
            why="a photograph on a trained model, as an encoder writes it",
            how=f"quality {settings['quality']}, of {source.credit}",
            selections=some,
            needs=[f"model-{settings.get('model', MODEL)}", *(["OBJS"] if settings.get("metadata") else [])],
            licence=source.licence,
        )
        if settings.get("restored"):
            book.entries[-1]["needs"].append(f"model-{RESTORES}")
            book.entries[-1]["ask"] += [
                accepted("decode", data, groups, restored=RESTORES) for groups in some
            ]


TASKS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "astronaut": (
        ("q32", {}),
        ("q63", {}),
        ("levels", {}),
        ("one-pixel", {"quality": 40, "crop": [70, 30, 1, 1]}),
        ("column", {"quality": 0, "crop": [20, 10, 3, 117]}),
    ),
    "chelsea": (("q16", {}), ("q48", {}), ("levels", {})),
    "coffee": (("q24", {}), ("levels", {}), ("cell", {"quality": 63, "crop": [50, 20, 16, 16]})),
    "rocket": (("q56", {}), ("levels", {})),
}
"""What is asked of encoders: as the stream of that name does it, or else what is stated."""


def tasks(book: Book) -> None:
    """The pictures, with what is asked of encoders."""
    for name, source in PHOTOGRAPHS.items():
        ask = []
        image = picture(name)
        for task, stated in TASKS[name]:
            question: dict[str, Any] = {"op": "encode", "tier": "E", "name": task, "exit": 0, **stated}
            settings = STREAMS.get(f"{name}-{task}")
            if "crop" in stated:
                question["negative"] = True
            if settings is not None:
                data = encoded(f"{name}-{task}")
                error = (sdc.decode(data).pixels.astype(float) - image) ** 2
                floor = 10 * math.log10(255**2 / error.mean()) - DECIBELS
                question["quality"] = settings["quality"]
                question["psnr"] = math.floor(10 * floor) / 10
                question["bpp"] = math.ceil(100 * BITS * 8 * len(data) * 3 / image.size) / 100
            if isinstance(question["quality"], Mapping):
                question["objects"] = source.listed()
            ask.append(question)
        book.add(
            f"picture/{name}.png",
            (VECTORS / "picture" / f"{name}.png").read_bytes(),
            ask,
            why="a photograph to encode",
            how=f"skimage.data {source.file}, part {list(source.box)}, one pixel for {source.reduce} x "
            f"{source.reduce}; {source.credit}",
            accept=["CONF-03", "CONF-01", "EXTN-02", "EXTN-03", "TOOL-08", "TOOL-09"],
            needs=[f"model-{MODEL}"],
            licence=source.licence,
        )
    refused(book)


def refused(book: Book) -> None:
    """What an encoder must refuse."""
    whole = b"P6\n16 16\n255\n" + bytes(3 * 16 * 16)
    broken: list[dict[str, Any]] = [{"label": "face", "box": [0, 0, 8], "level": "L1"}]
    for name, data, code, id_, objects, why in [
        ("cut-off", whole[:-1], "E_PICTURE", "TOOL-09", None, "a picture that ends before its last sample"),
        ("no-picture", b"P9 is no picture\n", "E_PICTURE", "TOOL-09", None, "a file that is no picture"),
        (
            "objects-box-of-three",
            whole,
            "E_OBJECTS",
            "TOOL-08",
            broken,
            "an object with a box of three numbers",
        ),
    ]:
        ask = {"op": "encode", "tier": "E", "quality": 32, "exit": 64, "codes": [code]}
        ask |= {} if objects is None else {"objects": objects}
        found = answer("encode", data, quality=32, objects=objects)
        assert (found["exit"], found["error"]["code"]) == (64, code), found
        book.add(
            f"picture/{name}.ppm",
            data,
            [ask],
            why=why,
            how="a PPM file, written out",
            reject=[id_],
            needs=[f"model-{MODEL}"],
        )


def main() -> int:
    """Make the pictures anew; returns the exit status."""
    folder = VECTORS / "picture"
    folder.mkdir(exist_ok=True)
    for name, source in PHOTOGRAPHS.items():
        out = io.BytesIO()
        source.pixels().save(out, "png", optimize=True)
        (folder / f"{name}.png").write_bytes(out.getvalue())
        print(f"{name}.png {len(out.getvalue())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
