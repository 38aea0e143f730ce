"""Samples: small images, and maps of what the network is to find in them.

An image with masks gives its maps by itself.  Other photographs are looked at by public networks whose
licences allow it: U2-Netp says what stands out, YOLOX-nano's boxes, as soft discs, what are things.  PP-OCR
looks for text in all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.analysis.detectors.network import GREY, session_of
from sdc.analysis.providers.detector import COCO, OVERLAP, distinct
from sdc.objects.object import Object
from sdc.objects.ranking import rank_objects
from sdc.types import Pixels

from ..evaluation.images import SUFFIXES, read_image
from ..training.features import DEVIATION, MEAN
from .classes import UNKNOWN, class_of

LONG_SIDE = 384
"""Of an image in a sample."""

MAIN = (255, 170, 85, 0)
"""How much an object of L1, L2, L3 or ``other`` is the main thing, in 255ths."""

SURE = 0.5
"""Score from which the core of a box says what class it is."""

FLOOR = 0.25
"""Score from which a box is looked at."""

DETECTOR_SIDE = 416
MOST_BOXES = 50

Map = npt.NDArray[np.uint8]


def _grid() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Places and strides of the boxes of YOLOX, ``[n, 2]`` and ``[n, 1]``."""
    places, strides = [], []
    for stride in (8, 16, 32):
        count = DETECTOR_SIDE // stride
        y, x = np.mgrid[:count, :count]
        places.append(np.stack([x, y], -1).reshape(-1, 2))
        strides.append(np.full((count * count, 1), stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(strides).astype(np.float32)


_GRID, _STRIDES = _grid()


@dataclass(frozen=True, eq=False)
class Sample:
    """An image and its maps, all ``uint8 [h, w]`` but for the image's ``[h, w, 3]``.

    Attributes:
        image: RGB, its long side :data:`LONG_SIDE` pixels at most.
        thing: how surely a pixel is of a thing, in 255ths.
        main: how much it is of the main thing, in 255ths.
        edge: 255 on edges between things, 127 where it is not known.
        text: how surely it is of text, in 255ths.
        classes: number of the class, or :data:`UNKNOWN`.
        labelled: whether people have outlined what is there.
    """

    image: Pixels
    thing: Map
    main: Map
    edge: Map
    text: Map
    classes: Map
    labelled: bool

    def save(self, path: Path) -> None:
        """Write it as a file of NumPy, whole or not at all."""
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **vars(self))
        part.replace(path)


def load(path: Path) -> Sample:
    """Read what :meth:`Sample.save` has written."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in Sample.__dataclass_fields__}
    return Sample(**{**arrays, "labelled": bool(arrays["labelled"])})


class Teachers:
    """Networks that look at photographs; each may be missing.

    Args:
        folder: holds ``u2netp.onnx``, ``yolox_nano.onnx`` and ``ppocr-det.onnx``.
    """

    def __init__(self, folder: Path):
        self.saliency = session_of(str(folder / "u2netp.onnx"), "saliency", "--teachers", 1)[0]
        self.detector = session_of(str(folder / "yolox_nano.onnx"), "detector", "--teachers", 1)[0]
        self.reader = session_of(str(folder / "ppocr-det.onnx"), "text", "--teachers", 1)[0]

    def salient(self, image: Pixels) -> Map:
        """What stands out, by U2-Net."""
        values = np.asarray(Image.fromarray(image).resize((320, 320), Image.Resampling.BILINEAR), np.float32)
        values = values / max(float(values.max()), 1.0)
        values = (values - MEAN) / DEVIATION
        entry = self.saliency.get_inputs()[0].name
        out = self.saliency.run(None, {entry: values.transpose(2, 0, 1)[None].astype(np.float32)})[0]
        return _resized(np.clip(255 * out.reshape(320, 320), 0, 255).astype(np.uint8), image.shape)

    def text(self, image: Pixels) -> Map:
        """Where text is, by PP-OCR, in a map of its own size."""
        height, width = image.shape[:2]
        scale = 640 / max(height, width)
        size = [max(32, round(n * scale / 32) * 32) for n in (width, height)]
        values = np.asarray(Image.fromarray(image).resize((size[0], size[1]), Image.Resampling.BILINEAR))
        values = ((values / 255 - MEAN) / DEVIATION)[..., ::-1].astype(np.float32)
        entry = self.reader.get_inputs()[0].name
        out = self.reader.run(None, {entry: np.ascontiguousarray(values.transpose(2, 0, 1)[None])})[0]
        found = np.clip(255 * out.reshape(size[1], size[0]), 0, 255).astype(np.uint8)
        return found

    def boxes(self, image: Pixels) -> list[tuple[str, float, npt.NDArray[np.float64]]]:
        """Things, by YOLOX: label, score, and left, top, right and bottom in pixels."""
        scale = DETECTOR_SIDE / max(image.shape[:2])
        size = round(image.shape[1] * scale), round(image.shape[0] * scale)
        canvas = np.full((DETECTOR_SIDE, DETECTOR_SIDE, 3), GREY, np.float32)
        canvas[: size[1], : size[0]] = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        entry = self.detector.get_inputs()[0].name
        values = np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None])
        out = self.detector.run(None, {entry: values})[0][0]
        middles = (out[:, :2] + _GRID) * _STRIDES
        halves = np.exp(out[:, 2:4]) * _STRIDES / 2
        corners = np.concatenate([middles - halves, middles + halves], 1) / scale
        scores = out[:, 4] * out[:, 5:].max(1)
        best = np.argsort(-scores, kind="stable")
        best = best[scores[best] >= FLOOR]
        labels = out[best, 5:].argmax(1)
        kept = distinct(corners[best], labels, OVERLAP, MOST_BOXES)
        return [(COCO[labels[k]], float(scores[best[k]]), corners[best[k]].astype(np.float64)) for k in kept]


def _resized(values: Map, shape: Sequence[int], way: Image.Resampling = Image.Resampling.BOX) -> Map:
    return np.asarray(Image.fromarray(values).resize((shape[1], shape[0]), way))


def small(pixels: Pixels) -> Pixels:
    """An image of :data:`LONG_SIDE` pixels at most."""
    scale = min(1.0, LONG_SIDE / max(pixels.shape[:2]))
    size = max(16, round(pixels.shape[1] * scale)), max(16, round(pixels.shape[0] * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def of_photograph(pixels: Pixels, teachers: Teachers) -> Sample:
    """A sample of a photograph that nobody has labelled."""
    image = small(pixels)
    height, width = image.shape[:2]
    salient = teachers.salient(image)
    thing, classes = salient.copy(), np.full((height, width), UNKNOWN, np.uint8)
    y, x = np.mgrid[:height, :width]
    # Small boxes are drawn last, on top of what they lie on.
    boxes = [
        (label, score, corners * (width / pixels.shape[1]))
        for label, score, corners in teachers.boxes(pixels)
    ]
    for label, score, (left, top, right, bottom) in sorted(boxes, key=lambda box: -_area(box[2])):
        across, down = max(1.0, right - left), max(1.0, bottom - top)
        radius = np.hypot((2 * x + 1 - left - right) / across, (2 * y + 1 - top - bottom) / down)
        disc = score * np.clip(1.6 - 0.8 * radius, 0, 1)
        thing = np.maximum(thing, (255 * disc).astype(np.uint8))
        if score >= SURE:
            classes[radius < 0.6] = class_of(label)
    edge = np.full((height, width), 127, np.uint8)
    return Sample(image, thing, salient, edge, _resized(teachers.text(pixels), image.shape), classes, False)


def _area(corners: npt.NDArray[np.float64]) -> float:
    return float((corners[2] - corners[0]) * (corners[3] - corners[1]))


def of_objects(pixels: Pixels, objects: Sequence[Object], teachers: Teachers) -> Sample:
    """A sample of an image of which things are outlined, and nothing else is known."""
    height, width = pixels.shape[:2]
    thing, main, classes = (np.zeros((height, width), np.uint8) for _ in range(3))
    classes[:] = UNKNOWN
    segments = np.zeros((height, width), np.int32)
    ranked = rank_objects(objects, width, height)
    order = sorted(ranked, key=lambda o: -o.box[2] * o.box[3])
    for number, found in enumerate(order, 1):
        place = _place(found)
        inside = np.ones((found.box[3], found.box[2]), bool) if found.mask is None else found.mask
        thing[place][inside] = 255
        main[place][inside] = MAIN[3 if found.level is None else found.level.code]
        classes[place][inside] = class_of(found.label)
        segments[place][inside] = number
    return _shrunk(pixels, thing, main, segments, classes, teachers)


def _place(found: Object) -> tuple[slice, slice]:
    x, y, w, h = found.box
    return slice(y, y + h), slice(x, x + w)


def of_segments(
    pixels: Pixels, segments: npt.NDArray[np.int32], names: dict[int, tuple[str, bool]], teachers: Teachers
) -> Sample:
    """A sample of an image of which every pixel is labelled.

    Args:
        pixels: of the image.
        segments: ``int [H, W]`` number of the segment of each pixel, 0 for none.
        names: category of each segment, and whether it is a thing.
        teachers: who look for text.
    """
    height, width = pixels.shape[:2]
    objects, classes = [], np.full((height, width), UNKNOWN, np.uint8)
    for number, (name, is_thing) in names.items():
        inside = segments == number
        if not inside.any():
            continue
        classes[inside] = class_of(name)
        if is_thing:
            rows, cols = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
            top, left, bottom, right = rows[0], cols[0], rows[-1] + 1, cols[-1] + 1
            box = int(left), int(top), int(right - left), int(bottom - top)
            mask = np.ascontiguousarray(inside[top:bottom, left:right])
            objects.append(Object(name, box, None, 1.0, mask=mask))
    thing, main = (np.zeros((height, width), np.uint8) for _ in range(2))
    for found in rank_objects(objects, width, height):
        thing[_place(found)][found.mask] = 255
        main[_place(found)][found.mask] = MAIN[3 if found.level is None else found.level.code]
    return _shrunk(pixels, thing, main, segments, classes, teachers)


def _shrunk(
    pixels: Pixels, thing: Map, main: Map, segments: npt.NDArray[np.int32], classes: Map, teachers: Teachers
) -> Sample:
    image = small(pixels)
    across, down = segments[:, 1:] != segments[:, :-1], segments[1:] != segments[:-1]
    edge = np.zeros(segments.shape, np.uint8)
    edge[:, 1:][across] = 255
    edge[1:][down] = 255
    # The box of the reduction would thin edges out: what was an edge of a pixel is one of the whole pixel.
    factor = max(1.0, max(segments.shape) / LONG_SIDE)
    small_edge = np.clip(_resized(edge, image.shape).astype(np.float32) * factor, 0, 255).astype(np.uint8)
    return Sample(
        image,
        _resized(thing, image.shape),
        _resized(main, image.shape),
        small_edge,
        _resized(teachers.text(pixels), image.shape),
        _resized(classes, image.shape, Image.Resampling.NEAREST),
        True,
    )


def samples_of(folder: Path, teachers: Teachers) -> Iterator[tuple[str, Sample]]:
    """Names and samples of the images of a folder: those of its ``panoptic.json`` and ``instances.json``, and
    the rest as photographs that nobody has labelled.
    """
    known: dict[str, Sample | None] = {}
    for name, sample in (*_panoptic(folder, teachers), *_instances(folder, teachers)):
        known[name] = None
        yield name, sample
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        if path.name not in known and "panoptic" not in path.parts:
            yield path.name, of_photograph(read_image(path), teachers)


def _panoptic(folder: Path, teachers: Teachers) -> Iterable[tuple[str, Sample]]:
    path = folder / "panoptic.json"
    source: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"annotations": []}
    kinds = {row["id"]: (row["name"], bool(row["isthing"])) for row in source.get("categories", ())}
    files = {row["id"]: row["file_name"] for row in source.get("images", ())}
    for row in source["annotations"]:
        name = files[row["image_id"]]
        colours = read_image(folder / "panoptic" / row["file_name"]).astype(np.int32)
        segments = colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
        names = {s["id"]: kinds[s["category_id"]] for s in row["segments_info"]}
        yield name, of_segments(read_image(folder / "images" / name), segments, names, teachers)


def _instances(folder: Path, teachers: Teachers) -> Iterable[tuple[str, Sample]]:
    path = folder / "instances.json"
    source: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"images": []}
    for row in source["images"]:
        name = row["file_name"]
        pixels = read_image(folder / "images" / name)
        objects = Object.load(source, pixels.shape[1], pixels.shape[0], name)
        yield name, of_objects(pixels, objects, teachers)
