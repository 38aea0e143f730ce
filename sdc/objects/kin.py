"""Files that hold annotations in another form than those that are read, by name, and what converts them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

READ = 'what is read is COCO\'s instances.json, and a JSON of "objects" with label and box (spec/objects.md)'

_ROW = re.compile(rb"^\s*\d+(\s+-?\d*\.?\d+(e-?\d+)?){4,}\s*$", re.IGNORECASE)
"""A line of YOLO's text files."""

_STARTS = (
    (b"\x1f\x8b", "a gzip archive; unpack it"),
    (b"PK\x03\x04", "a ZIP archive; unpack it"),
    (b"PAR1", "a Parquet table"),
    (b"\x93NUMPY", "an array of NumPy"),
    (b"\x80", "a pickle of Python"),
    (b"\x89PNG", "an image, perhaps a label map"),
    (b"\xff\xd8", "an image, perhaps a label map"),
    (b"SQLite format 3", "a database of SQLite"),
)


def kin_of_bytes(start: bytes) -> str | None:
    """What a file is that is no JSON, by its first bytes; None where nobody knows."""
    for magic, what in _STARTS:
        if start.startswith(magic):
            return what
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"<"):
        kind = "XML"
        if b"<annotations" in text:
            kind = "XML of CVAT"
        elif b"<annotation" in text:
            kind = "XML of Pascal VOC"
        return f"{kind}; export or convert it as COCO"
    lines = text.splitlines()
    if lines and _ROW.match(lines[0]):
        return "text of YOLO (class x y w h from 0 to 1); convert it to COCO"
    if len(lines) > 1 and all(
        line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") for line in lines[:2]
    ):
        return "JSON lines, a document in each line; make one document of them"
    if lines and re.match(rb"^[\w \"]+(,[\w \"]+){3,}$", lines[0]):
        return "a table with commas (CSV); convert it to COCO"
    return None


def _has(*names: str) -> Callable[[dict[str, Any]], bool]:
    return lambda data: set(names) <= set(data)


def _first(data: dict[str, Any], field: str) -> dict[str, Any]:
    rows = data.get(field)
    first = rows[0] if isinstance(rows, (list, tuple)) and rows else None
    return first if isinstance(first, dict) else {}


_OF_OBJECT: tuple[tuple[Callable[[dict[str, Any]], bool], str], ...] = (
    (
        lambda data: "segments_info" in _first(data, "annotations"),
        "COCO's panoptic annotations, whose masks are in PNG files; panopticapi's "
        "panoptic2detection_coco_format.py makes instances.json of them",
    ),
    (
        lambda data: "caption" in _first(data, "annotations") and "bbox" not in _first(data, "annotations"),
        "COCO's captions, which hold no objects; instances.json does",
    ),
    (
        lambda data: "image" in data and "images" not in data and "annotations" in data,
        "annotations of one image as Segment Anything has them, without categories",
    ),
    (
        lambda data: "images" in data and "categories" in data and "annotations" not in data,
        "COCO's list of images without annotations, as for its test images",
    ),
    (_has("shapes", "imagePath"), "LabelMe's; labelme2coco makes COCO of it"),
    (_has("shapes", "imageData"), "LabelMe's; labelme2coco makes COCO of it"),
    (_has("_via_img_metadata"), "the VGG Image Annotator's project; export it as COCO"),
    (_has("_via_settings"), "the VGG Image Annotator's project; export it as COCO"),
    (lambda data: "classTitle" in _first(data, "objects"), "Supervisely's; export it as COCO"),
    (_has("items", "categories", "infos"), "Datumaro's; datum convert -f coco makes COCO of it"),
    (_has("frames"), "labels of frames, as of BDD100K; convert them to COCO"),
    (
        lambda data: data.get("type") == "FeatureCollection",
        "GeoJSON; convert it to COCO in pixels of the image",
    ),
    (_has("boxes", "labels", "scores"), "tensors of a detector; write an object for each box"),
)

_OF_ITEM: tuple[tuple[Callable[[dict[str, Any]], bool], str], ...] = (
    (
        lambda row: "image_id" in row and ("category_id" in row or "score" in row),
        "COCO's results, without images and categories; pycocotools' loadRes joins them with an "
        "instances.json, whose images, annotations and categories are read",
    ),
    (
        lambda row: "data" in row and ("annotations" in row or "completions" in row),
        "Label Studio's; export it as COCO",
    ),
    (lambda row: "image" in row and "annotations" in row, "CreateML's; convert it to COCO"),
    (lambda row: "labels" in row and "name" in row, "labels of frames, as of BDD100K; convert them to COCO"),
    (
        lambda row: isinstance(row.get("box"), dict) and "confidence" in row,
        "Ultralytics' results, whose boxes are x1, y1, x2, y2; write label and box (x, y, width, height)",
    ),
    (
        lambda row: "regions" in row and "filename" in row,
        "the VGG Image Annotator's; export it as COCO",
    ),
)


def kin_of_json(data: Any) -> str | None:
    """What a JSON document is that holds annotations in another form; None where nobody knows."""
    if isinstance(data, dict):
        for fits, what in _OF_OBJECT:
            if fits(data):
                return what
        values = [value for value in data.values() if isinstance(value, dict)]
        if values and all({"regions", "filename"} <= set(value) for value in values):
            return "the VGG Image Annotator's; export it as COCO"
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], dict):
        return next((what for fits, what in _OF_ITEM if fits(data[0])), None)
    return None


def unknown(data: Any) -> str:
    """In words: what a document is that is not read."""
    kin = kin_of_json(data)
    if kin is not None:
        return f"not read: {kin}"
    if isinstance(data, dict):
        shown = ", ".join(repr(str(key)[:30]) for key in list(data)[:6])
        return f'has no "objects" and no "annotations", but {shown or "nothing"}; {READ}'
    return READ
