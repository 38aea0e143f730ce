"""Files of objects: COCO's and those that are near to it, for an image of 96 x 64."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from . import Situation

TITLE = "Files of objects"

BOX, SECOND = [8, 8, 24, 16], [64, 40, 24, 16]
SQUARE = [8, 8, 32, 8, 32, 24, 8, 24]
RUNS = [520, *[16, 48] * 23, 16, 4136]
NAMES = {"file_name": "base.png", "width": 96, "height": 64}


def coco(
    *changes: dict[str, Any], image: dict[str, Any] | None = None, **more: Any
) -> Callable[[], dict[str, Any]]:
    """Makes a COCO file of one image with red and green things, of which each change is one."""

    def make() -> dict[str, Any]:
        plain = ({"category_id": 1, "bbox": BOX}, {"category_id": 2, "bbox": SECOND})
        rows = [{**row, **change} for row, change in zip(plain, [*changes, {}, {}], strict=False)]
        return {
            "images": [{"id": 1, **NAMES, **(image or {})}],
            "annotations": [{"id": k, "image_id": 1, "iscrowd": 0, **row} for k, row in enumerate(rows)],
            "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}],
            **more,
        }

    return make


def listed(*objects: dict[str, Any], **more: Any) -> Callable[[], dict[str, Any]]:
    """Makes a file of objects of our own."""
    return lambda: {"objects": list(objects), **more}


def text(content: bytes | str) -> Callable[[], bytes]:
    """Makes a file of these bytes."""
    return lambda: content if isinstance(content, bytes) else content.encode()


def several(*names: str) -> Callable[[], dict[str, Any]]:
    """Makes a COCO file of several images; the first has a red thing, the second a green one."""
    made = coco(
        {"image_id": 0}, {"image_id": 1}, images=[{"id": k, "file_name": n} for k, n in enumerate(names)]
    )
    return made


TWO = {"labels": ["red", "green"], "boxes": [BOX, SECOND]}
"""What the test expects of the objects that are read, where it is not this."""

RED = {"labels": ["red"], "boxes": [BOX]}
GREEN = {"labels": ["green"], "boxes": [SECOND]}


def _options(**options: Any) -> dict[str, Any]:
    return {**TWO, **options}


ROWS = [
    Situation("an ordinary `instances.json`", "read", make=coco(), options=TWO),
    Situation(
        "`iscrowd` 1 with a run-length mask or a polygon, as annotation tools write it",
        "read as one object",
        "an outline with iscrowd 1 is read as one object (annotations[0])",
        make=coco({"iscrowd": 1, "segmentation": {"size": [64, 96], "counts": RUNS}}),
        options=TWO,
    ),
    Situation(
        "`iscrowd` 1 with a box alone",
        "the others are read",
        "a crowd (iscrowd 1) without an outline is left out (annotations[0])",
        make=coco({"iscrowd": 1}),
        options=GREEN,
    ),
    Situation(
        "a crowd of COCO's own, with an id above 900 billion",
        "left out, as COCO means it",
        make=coco({"iscrowd": 1, "id": 900100000139, "segmentation": {"size": [64, 96], "counts": RUNS}}),
        options=GREEN,
    ),
    Situation(
        "ids as texts in one place and numbers in another",
        "matched",
        make=coco({"image_id": "1"}, {"image_id": "001", "category_id": "2"}),
        options=TWO,
    ),
    Situation(
        "two images with one id",
        "refused",
        "2 images have the id 1",
        "E_OBJECTS",
        coco(images=[{"id": 1, "file_name": "base.png"}, {"id": "1", "file_name": "other.png"}]),
    ),
    Situation(
        "an annotation of an image that is not listed",
        "the others are read",
        "1 of 2 objects belong to no image of the file",
        make=coco({"image_id": 8}),
        options=GREEN,
    ),
    Situation(
        "no annotation of this image among those of others",
        "no objects",
        "0 of 2 objects of the file apply to this image",
        make=several("a.png", "b.png", "base.png"),
        options={"labels": [], "boxes": []},
    ),
    Situation(
        "names with the separators of Windows",
        "matched",
        make=coco(image={"file_name": "images\\base.png"}),
        options=TWO,
    ),
    Situation(
        "a name to which Label Studio has put a prefix",
        "matched",
        "the image is found by its name as a tool has changed it: 'images/3f2a1b0c-base.png' (images[0])",
        make=coco(image={"file_name": "images/3f2a1b0c-base.png"}),
        options=TWO,
    ),
    Situation(
        "a name that Roboflow has changed",
        "matched",
        "the image is found by its name as a tool has changed it: "
        "'base_png.rf.0123456789abcdef.jpg' (images[0])",
        make=coco(image={"file_name": "base_png.rf.0123456789abcdef.jpg"}),
        options=TWO,
    ),
    Situation(
        "a name in other letters (`BASE.PNG`)",
        "matched",
        "the image is found by its name in other letters: 'BASE.PNG' (images[0])",
        make=coco(image={"file_name": "BASE.PNG"}),
        options=TWO,
    ),
    Situation(
        "a URL in place of a name, as LVIS has it",
        "matched",
        make=coco(image={"file_name": None, "coco_url": "http://example.org/val2017/base.png"}),
        options=TWO,
    ),
    Situation(
        "one image of another name",
        "its objects are taken",
        "the file's only image is 'other.jpg'; its objects are taken for 'base.png'",
        make=coco(image={"file_name": "other.jpg"}),
        options=TWO,
    ),
    Situation(
        "several images, none of this name",
        "refused, with names that are near",
        "no image is named 'base.png', among 2; there are 'bass.png', ...",
        "E_OBJECTS",
        several("bass.png", "wholly-other.jpeg"),
    ),
    Situation(
        "images of one name in several folders",
        "matched by the folders that agree",
        make=several("train/base.png", "val/base.png"),
        options={**GREEN, "name": "/data/val/base.png"},
    ),
    Situation(
        "images of one name in several folders, in none of which this image is",
        "refused",
        "2 images are named 'base.png', among 2",
        "E_OBJECTS",
        several("train/base.png", "val/base.png"),
        {"name": "/data/test/base.png"},
    ),
    Situation(
        "the image is in another folder than in a file of several folders",
        "matched by its name",
        "the image is found by its name in another folder: 'train/base.png'",
        make=several("train/base.png", "val/other.png"),
        options={**RED, "name": "/data/test/base.png"},
    ),
    Situation(
        "sizes of a copy whose sides have another ratio",
        "stretched",
        "the objects are for an image of 640x640, whose sides have another ratio than 96x64; they are "
        "stretched, and displaced if that one had borders (images[0].width)",
        make=coco(
            {"bbox": [53, 80, 160, 160]}, {"bbox": [427, 400, 160, 160]}, image=dict(width=640, height=640)
        ),
        options=TWO,
    ),
    Situation(
        "sizes that are null, 0 or missing",
        "the image's own size is taken",
        "no size is stated, and that of this image is taken (images[0].width, images[0].height)",
        make=coco(image={"width": None, "height": 0}),
        options=TWO,
    ),
    Situation(
        "sizes of the image before it was turned by 90 degrees",
        "refused",
        "the objects are for an image of 64x96, this one is 96x64: turned by its EXIF orientation?",
        "E_OBJECTS",
        coco(image={"width": 64, "height": 96}),
    ),
    Situation(
        "an image that its EXIF orientation turns by 180 degrees",
        "objects are taken as for the turned image",
        "the image is turned by its EXIF orientation 3; the objects are taken as for the turned image",
        make=coco(),
        options=_options(turned=3),
    ),
    Situation(
        "an image that its EXIF orientation turns by 90 degrees, of the size that the file states",
        "read",
        make=coco(),
        options=_options(turned=6),
    ),
    Situation(
        "a score just above 1",
        "taken as 1",
        "a score just beyond 1 is taken for it (annotations[0].score)",
        make=coco({"score": 1.0000001192092896}),
        options=TWO,
    ),
    Situation(
        "a score that is none",
        "the object is left out",
        "an object is left out: must be a number from 0 to 1 (annotations[0].score)",
        make=coco({"score": 95}),
        options=GREEN,
    ),
    Situation(
        "a polygon of which one outline has two points",
        "the others are read",
        "an outline that is not three points or more, of numbers, is left out "
        "(annotations[0].segmentation[1])",
        make=coco({"segmentation": [SQUARE, [9, 9, 10, 10]]}),
        options=TWO,
    ),
    Situation(
        "a polygon of two points in all",
        "the box is read",
        "an outline that is not three points or more, of numbers, is left out "
        "(annotations[0].segmentation[0])",
        make=coco({"segmentation": [[8, 8, 32, 24]]}),
        options=TWO,
    ),
    Situation(
        "a polygon that is a flat list",
        "read",
        "a polygon that is a flat list is read as one outline (annotations[0].segmentation)",
        make=coco({"segmentation": SQUARE}),
        options=TWO,
    ),
    Situation(
        "a polygon that is a list of points",
        "read",
        "a polygon that is a list of points is read as one outline (annotations[0].segmentation)",
        make=coco({"segmentation": [[8, 8], [32, 8], [32, 24], [8, 24]]}),
        options=TWO,
    ),
    Situation(
        "run lengths that end before the image does",
        "the rest is outside",
        "run lengths that end early are read, and the rest is outside (annotations[0].segmentation.counts)",
        make=coco({"segmentation": {"size": [64, 96], "counts": RUNS[:-1]}}),
        options=TWO,
    ),
    Situation(
        "run lengths that are damaged",
        "the box is read",
        "an outline is left out, and the object's other one counts: not a compressed run-length text at "
        "character 0 (annotations[0].segmentation.counts)",
        make=coco({"segmentation": {"size": [64, 96], "counts": "\x00"}}),
        options=TWO,
    ),
    Situation(
        "a box that is none, beside one that is",
        "the object is left out",
        "an object is left out: width and height must not be negative (annotations[0].bbox)",
        make=coco({"bbox": [8, 8, -24, 16]}),
        options=GREEN,
    ),
    Situation(
        "no box that is one",
        "refused",
        "none of 2 objects can be used; must be a number from -1e+09 to 1e+09",
        "E_OBJECTS",
        coco({"bbox": ["x", 8, 24, 16]}, {"bbox": [float("nan")] * 4}),
    ),
    Situation(
        "boxes that would fit the image as two corners, and do not as x, y, width, height",
        "cut off at the image's edge",
        "boxes that reach beyond the image as x, y, width, height, which is how they are taken, but not as "
        "left, top, right, bottom: 1 of 2",
        make=coco({"bbox": [8, 8, 32, 24]}, {"bbox": [64, 40, 88, 56]}),
        options={"labels": ["red", "green"], "boxes": [[8, 8, 32, 24], [64, 40, 32, 24]]},
    ),
    Situation(
        "coordinates from 0 to 1",
        "taken as shares of the image",
        "all coordinates are from 0 to 1, and are taken as shares of the image's width and height; a box has "
        "its upper left corner first, not its middle as in YOLO's files",
        make=listed({"label": "red", "box": [1 / 12, 1 / 8, 0.25, 0.25]}),
        options=RED,
    ),
    Situation(
        "a box as an object with x, y, width, height",
        "read",
        "a box that is an object with x, y, width, height is read (annotations[0].bbox)",
        make=coco({"bbox": {"x": 8, "y": 8, "width": 24, "height": 16, "cx": 20, "cy": 16}}),
        options=TWO,
    ),
    Situation(
        "a box of numbers that are texts",
        "read",
        "numbers of a box that are written as texts are read (annotations[0].bbox)",
        make=coco({"bbox": ["8.0", "8", 24, "16"]}),
        options=TWO,
    ),
    Situation(
        "a category that is not listed",
        "the object is left out",
        "an object is left out: not among the categories (annotations[0].category_id)",
        make=coco({"category_id": 7}),
        options=GREEN,
    ),
    Situation(
        "a category by its name",
        "read",
        "a category is found by its name in place of its id (annotations[0].category_id)",
        make=coco({"category_id": "red"}),
        options=TWO,
    ),
    Situation(
        "two categories with one id",
        "the first counts",
        "two categories have the id 2, and the first counts: 'green' (categories[2])",
        make=coco(categories=[{"id": k, "name": n} for k, n in ((1, "red"), (2, "green"), (2, "blue"))]),
        options=TWO,
    ),
    Situation(
        "a label that is a number",
        "written out",
        "a number is taken as a text (objects[0].label)",
        make=listed({"label": 7, "box": BOX}),
        options={"labels": ["7"], "boxes": [BOX]},
    ),
    Situation(
        "a level in another way of writing",
        "read",
        "a level that is not written as one of L1, L2, L3, other is read (objects[0].level)",
        make=listed({"label": "red", "box": BOX, "level": "l2"}),
        options=RED,
    ),
    *(
        Situation(given, "refused by name", said, "E_OBJECTS", make)
        for given, said, make in (
            (
                "COCO's panoptic annotations",
                "not read: COCO's panoptic annotations, …",
                coco({"segments_info": [], "bbox": None}),
            ),
            (
                "COCO's results",
                "not read: COCO's results, …",
                lambda: [{"image_id": 1, "category_id": 1, "score": 1}],
            ),
            (
                "COCO's captions",
                "not read: COCO's captions, …",
                lambda: {"images": [], "annotations": [{"caption": "a"}]},
            ),
            (
                "COCO without annotations",
                "not read: COCO's list of images …",
                lambda: {"images": [], "categories": []},
            ),
            (
                "LabelMe",
                "not read: LabelMe's; …",
                lambda: {"shapes": [], "imagePath": "a.png", "imageData": None},
            ),
            ("Label Studio", "not read: Label Studio's; …", lambda: [{"data": {}, "annotations": []}]),
            ("CreateML", "not read: CreateML's; …", lambda: [{"image": "a.png", "annotations": []}]),
            (
                "VGG Image Annotator",
                "not read: the VGG Image Annotator's; …",
                lambda: {"a.png1": {"filename": "a.png", "regions": []}},
            ),
            ("Supervisely", "not read: Supervisely's; …", listed({"classTitle": "a", "points": {}})),
            (
                "Segment Anything",
                "not read: annotations of one image …",
                lambda: {"image": {}, "annotations": []},
            ),
            (
                "another document",
                'has no "objects" and no "annotations", but \'items\'; what is read …',
                lambda: {"items": []},
            ),
            ("Pascal VOC", "not JSON but XML of Pascal VOC; …", text("<annotation><object/></annotation>")),
            ("text of YOLO", "not JSON but text of YOLO …", text("0 0.5 0.5 0.25 0.25\n1 0.1 0.1 0.2 0.2\n")),
            ("lines of JSON", "not JSON but JSON lines, …", text('{"id": 1}\n{"id": 2}\n')),
            ("a table", "not JSON but a table with commas …", text("ImageID,Source,LabelName,XMin,XMax\n")),
            ("an archive", "not JSON but a gzip archive; unpack it", text(b"\x1f\x8b\x08\x00")),
            ("an image in place of objects", "not JSON but an image, …", text(b"\x89PNG\r\n\x1a\n")),
            ("an empty file of objects", "the file is empty", text(" \n")),
            ("JSON that is cut", "not JSON: …", text(json.dumps(coco()())[:200])),
        )
    ),
]
