"""Detectors: fixed outputs in the layouts that networks have, for 320 x 320 in an input of 640 x 640.

Each has one thing of class 1 in the same place, among boxes of low scores.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from . import Situation

TITLE = "Detectors"

SIDE = 640
CORNERS = (100.0, 120.0, 300.0, 400.0)
"""Of the thing, in the input; half of it in the image."""

Table = np.ndarray[Any, np.dtype[Any]]
Outputs = dict[str, Table]
UNNAMED = "the detector names no classes, so that objects have their numbers"
IDS = "the detector names no classes; they are taken as COCO's category ids"


def middles(count: int) -> Table:
    """Boxes by middle, width and height; the last is the thing."""
    dice = np.random.default_rng(5)
    boxes = np.concatenate([dice.uniform(50, 590, (count, 2)), dice.uniform(5, 90, (count, 2))], 1)
    left, top, right, bottom = CORNERS
    boxes[-1] = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return boxes


def corners(count: int) -> Table:
    """The same boxes by their corners."""
    boxes = middles(count)
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def scores(count: int, classes: int) -> Table:
    """Scores of classes: all low, but that of class 1 of the thing."""
    found = np.random.default_rng(6).uniform(0, 0.1, (count, classes))
    found[-1, 1 % classes] = 0.9
    return found


def yolo8(classes: int = 80, extra: Table | None = None, count: int = 8400) -> Table:
    """Rows of YOLO v8."""
    parts = [middles(count), scores(count, classes), *([] if extra is None else [extra])]
    return np.concatenate(parts, 1)


def yolo5(classes: int = 80, extra: Table | None = None, count: int = 25200) -> Table:
    """Rows of YOLO v5."""
    sure = np.ones((count, 1))
    parts = [middles(count), sure, scores(count, classes), *([] if extra is None else [extra])]
    return np.concatenate(parts, 1)


def ended(extra: Table | None = None, count: int = 300) -> Table:
    """Suppressed rows, the best first."""
    best, label = scores(count, 2)[:, 1:], np.ones((count, 1))
    rows = np.concatenate([corners(count), best, label, *([] if extra is None else [extra])], 1)
    return rows[::-1]


def poses(count: int) -> Table:
    """Points of poses in pixels, with scores."""
    return np.random.default_rng(7).uniform(0, [600, 600, 1] * 17, (count, 51))


def coefficients(count: int) -> Table:
    """Coefficients of masks; the thing's fill the left half of the prototypes."""
    found = np.zeros((count, 32))
    found[:, 0] = 5
    return found


def prototypes() -> Table:
    """Prototypes of masks, the first of which is the half of the input left of column 200."""
    found = np.zeros((1, 32, 160, 160))
    found[0, 0] = np.where(np.arange(160) < 50, 1.0, -1.0)
    return found


def angles(count: int) -> Table:
    """Angles of oriented boxes: the thing lies on its side."""
    found = np.full((count, 1), -0.4)
    found[-1] = np.pi / 2
    return found


def yolox() -> Table:
    """Rows of YOLOX, to be decoded on its grids."""
    cells = [(x, y, s) for s in (8, 16, 32) for y in range(SIDE // s) for x in range(SIDE // s)]
    grid = np.array(cells, float)
    rows = yolo5(count=len(grid))
    boxes = rows[:, :4].copy()
    rows[:, :2] = np.random.default_rng(8).uniform(0, 1, (len(grid), 2))
    rows[:, 2:4] = 0
    stride = grid[-1, 2]
    rows[-1, :2] = boxes[-1, :2] / stride - grid[-1, :2]
    rows[-1, 2:4] = np.log(boxes[-1, 2:] / stride)
    return rows


def one(rows: Table) -> Table:
    """Rows for one image."""
    return rows[None].astype(np.float32)


def logits(values: Table) -> Table:
    """What a sigmoid makes these scores of."""
    clipped = values.clip(1e-4, 1 - 1e-4)
    return np.log(clipped / (1 - clipped))


def detr(classes: int) -> Outputs:
    """DETR's outputs: a class for nothing stands last."""
    found = np.full((100, classes + 1), -4.0)
    found[:, -1] = 6
    found[-1, [1, -1]] = 7, 0
    return {"logits": one(found), "pred_boxes": one(middles(100) / SIDE)}


def parts(scale: float = 1.0, rows_first: bool = False, kind: Any = np.int64) -> tuple[Table, Table, Table]:
    """Boxes, labels and scores, the best first."""
    boxes = corners(10)[::-1] / scale
    boxes = boxes[:, [1, 0, 3, 2]] if rows_first else boxes
    return boxes.astype(np.float32), np.ones(10, kind), scores(10, 2)[::-1, 1].astype(np.float32)


def torchvision() -> Outputs:
    """torchvision's outputs, whose names are numbers."""
    boxes, labels, best = parts()
    return {"3072": boxes, "3115": labels, "3114": best}


def tensorflow() -> Outputs:
    """Outputs of TensorFlow's detection API."""
    boxes, labels, best = parts(SIDE, rows_first=True, kind=np.float32)
    return {
        "detection_boxes:0": one(boxes), "detection_classes:0": one(labels),
        "detection_scores:0": one(best), "num_detections:0": np.array([10], np.float32),
        "detection_multiclass_scores:0": np.zeros((1, 10, 91), np.float32),
        "raw_detection_boxes:0": np.zeros((1, 99, 4), np.float32),
        "raw_detection_scores:0": np.zeros((1, 99, 91), np.float32),
    }  # fmt: skip


def efficient_nms() -> Outputs:
    """Outputs of suppression within the network."""
    boxes, labels, best = parts(kind=np.int32)
    return {
        "num_dets": np.array([[10]], np.int32), "det_boxes": one(boxes), "det_scores": one(best),
        "det_classes": labels[None],
    }  # fmt: skip


def mmdetection() -> Outputs:
    """Outputs of MMDetection, filled up with -1."""
    boxes, labels, best = parts()
    rows = np.concatenate([boxes, best[:, None]], 1)
    filling = np.array([[-1, -1, -1, -1, 0]] * 5, np.float32)
    return {"dets": one(np.concatenate([rows, filling])), "labels": np.append(labels, [-1] * 5)[None]}


def with_heads() -> Outputs:
    """A table of YOLO v5, and the heads from which it was made."""
    heads = {f"head{n}": np.full((1, 3, n, n, 85), 2, np.float32) for n in (80, 40, 20)}
    return {"output": one(yolo5()), **heads}


def rows_of_seven(normal: bool) -> Table:
    """Rows of Caffe's SSD, or of YOLO v7 with suppression."""
    boxes, labels, best = parts(SIDE if normal else 1, kind=np.float32)
    zero = np.zeros((10, 1), np.float32)
    listed = (
        [zero, labels[:, None], best[:, None], boxes]
        if normal
        else [zero, boxes, labels[:, None], best[:, None]]
    )
    return np.concatenate(listed, 1)


def broken(rows: Table) -> Table:
    """The same with one row that is no numbers."""
    rows = rows.copy()
    rows[7] = np.nan
    return rows


PERSONS = "{0: 'thing', 1: 'bicycle'}"


def _row(
    given: str,
    outputs: Callable[[], Outputs],
    adapter: str,
    said: str = "",
    *,
    happens: str = "read",
    label: str = "bicycle",
    box: tuple[int, int, int, int] = (50, 60, 100, 140),
    code: str = "",
    **more: Any,
) -> Situation:
    options = {"adapter": adapter, "label": label, "box": box, **more}
    return Situation(given, happens, said, code, outputs, options)


def _table(
    make: Callable[[], Table], name: str = "output0", **more: Callable[[], Table]
) -> Callable[[], Outputs]:
    return lambda: {name: one(make()), **{key: value().astype(np.float32) for key, value in more.items()}}


def _turned(make: Callable[[], Table]) -> Callable[[], Table]:
    return lambda: make().T


ROWS = [
    _row("YOLO v8, 11: [1, 84, 8400]", _table(_turned(yolo8)), "yolov8"),
    _row("YOLO v8, 11, transposed: [1, 8400, 84]", _table(yolo8), "yolov8"),
    _row(
        "YOLO v8 of two classes of its own: [1, 6, 8400]",
        _table(_turned(partial(yolo8, 2))),
        "yolov8",
        told={"names": PERSONS},
    ),
    _row(
        "[1, 6, 8400] without names", _table(_turned(partial(yolo8, 2))), "yolov8", UNNAMED, label="class 1"
    ),
    _row(
        "segments of YOLO v8: [1, 116, 8400] with prototypes",
        _table(_turned(lambda: yolo8(80, coefficients(8400))), output1=prototypes),
        "yolov8",
        box=(50, 60, 50, 140),
    ),
    _row(
        "poses of YOLO v8: [1, 56, 8400]",
        _table(_turned(lambda: yolo8(1, poses(8400)))),
        "yolov8",
        happens="boxes are read",
        label="person",
        told={"names": "{0: 'person'}", "task": "pose", "kpt_shape": "[17, 3]"},
    ),
    _row(
        "poses without metadata",
        _table(_turned(lambda: yolo8(1, poses(8400)))),
        "yolov8",
        UNNAMED,
        happens="boxes are read",
        label="class 0",
    ),
    _row(
        "oriented boxes of YOLO v8: [1, 20, 8400]",
        _table(_turned(lambda: yolo8(15, angles(8400)))),
        "yolov8",
        UNNAMED,
        happens="read, as upright boxes with outlines",
        label="class 1",
        box=(30, 80, 140, 100),
    ),
    _row("YOLO v5, v7: [1, 25200, 85]", _table(yolo5), "yolov5"),
    _row(
        "YOLO v5 of one class: [1, 25200, 6]",
        _table(partial(yolo5, 1)),
        "yolov5",
        label="bicycle",
        told={"names": "['bicycle']"},
    ),
    _row(
        "segments of YOLO v5: [1, 25200, 117] with prototypes",
        _table(lambda: yolo5(80, coefficients(25200)), output1=prototypes),
        "yolov5",
        box=(50, 60, 50, 140),
    ),
    _row("YOLOX: [1, 8400, 85]", _table(yolox), "yolox"),
    _row(
        "YOLO v10, 26: [1, 300, 6]", _table(ended), "end-to-end", told={"names": PERSONS, "end2end": "True"}
    ),
    _row("[1, 300, 6] without metadata", _table(ended), "end-to-end", UNNAMED, label="class 1"),
    _row(
        "segments of YOLO 26: [1, 300, 38] with prototypes",
        _table(lambda: ended(coefficients(300)), output1=prototypes),
        "end-to-end",
        UNNAMED,
        label="class 1",
        box=(50, 60, 50, 140),
    ),
    _row(
        "poses of YOLO 26: [1, 300, 57]",
        _table(lambda: ended(poses(300))),
        "end-to-end",
        happens="boxes are read",
        told={"names": PERSONS, "task": "pose"},
    ),
    _row(
        "RT-DETR of Ultralytics: [1, 300, 84]",
        _table(lambda: np.concatenate([middles(300) / SIDE, scores(300, 80)], 1)),
        "rtdetr",
    ),
    _row(
        "RT-DETR: logits [1, 300, 80], pred_boxes [1, 300, 4]",
        lambda: {"logits": one(logits(scores(300, 80))), "pred_boxes": one(middles(300) / SIDE)},
        "detr",
    ),
    _row("DETR: logits [1, 100, 92], pred_boxes [1, 100, 4]", lambda: detr(91), "detr", IDS, label="person"),
    _row(
        "RF-DETR: dets [1, 300, 4], labels [1, 300, 91]",
        lambda: {"dets": one(middles(300) / SIDE), "labels": one(logits(scores(300, 91)))},
        "detr",
        IDS,
        label="person",
    ),
    _row(
        "YOLO-NAS: boxes [1, 8400, 4], scores [1, 8400, 80]",
        lambda: {"boxes": one(corners(8400)), "scores": one(scores(8400, 80))},
        "detr",
    ),
    _row("torchvision: [n, 4], [n] and [n]", torchvision, "parts", IDS, label="person"),
    _row(
        "labels, boxes and scores: [1, n], [1, n, 4], [1, n]",
        lambda: dict(zip(("boxes", "labels", "scores"), (p[None] for p in parts()), strict=True)),
        "parts",
        told={"names": PERSONS},
    ),
    _row(
        "TensorFlow: detection_boxes, _classes, _scores, num_detections",
        tensorflow,
        "parts",
        IDS,
        label="person",
        entry=[1, "h", "w", 3],
        kind="UINT8",
    ),
    _row(
        "MMDetection: dets [1, n, 5], labels [1, n], with rows of -1 behind",
        mmdetection,
        "dets",
        told={"names": PERSONS},
    ),
    _row("YOLO v5 with its heads beside the table", with_heads, "yolov5"),
    _row(
        "YOLO v3 of old: scores [n, 80], boxes [n, 4] from 0 to 1",
        lambda: {
            "classes": scores(10647, 80).astype(np.float32),
            "boxes": (middles(10647) / SIDE).astype(np.float32),
        },
        "detr",
    ),
    _row("suppression within: num_dets, det_boxes, ...", efficient_nms, "parts", told={"names": PERSONS}),
    _row(
        "SSD of Caffe: [1, 1, n, 7]",
        lambda: {"out": one(one(rows_of_seven(True)))},
        "rows",
        IDS,
        label="person",
    ),
    _row(
        "YOLO v7 with suppression: [n, 7]",
        lambda: {"out": rows_of_seven(False)},
        "rows",
        told={"names": PERSONS},
    ),
    _row(
        "an input with channels last: [1, 640, 640, 3]",
        _table(_turned(yolo8)),
        "yolov8",
        entry=[1, SIDE, SIDE, 3],
    ),
    _row("an input of bytes", _table(_turned(yolo8)), "yolov8", kind="UINT8"),
    _row("weights in `model.onnx.data` beside the file", _table(_turned(yolo8)), "yolov8", outside=True),
    *(
        _row(
            f"`imgsz` {text}, and an input of open size",
            _table(_turned(yolo8)),
            "yolov8",
            said,
            entry=[1, 3, "h", "w"],
            told={"imgsz": text},
            happens=happens,
        )
        for text, happens, said in (
            ("640", "read", ""),
            ("'640'", "read", ""),
            ("[640, 640]", "read", ""),
            ("640000", "640 is taken", "its imgsz '640000' is no size of an input and is left out"),
            ("large", "640 is taken", "its imgsz 'large' is no size of an input and is left out"),
        )
    ),
    _row(
        "names as a list",
        _table(_turned(partial(yolo8, 2))),
        "yolov8",
        told={"names": "['thing', 'bicycle']"},
    ),
    _row(
        "names as JSON",
        _table(_turned(partial(yolo8, 2))),
        "yolov8",
        told={"names": '{"0": "thing", "1": "bicycle"}'},
    ),
    _row(
        "names of fewer classes than there are",
        _table(_turned(yolo8)),
        "yolov8",
        "the detector names 1 classes, and class 1 is none of them",
        told={"names": "['thing']"},
        label="class 1",
    ),
    _row(
        "one row of 8,400 that is no numbers",
        _table(_turned(lambda: broken(yolo8()))),
        "yolov8",
        "rows of the detector that are no numbers are left out: 1",
        happens="the others are read",
    ),
    *(
        _row(given, make, "", said, happens="refused with the shapes seen", code="E_USAGE")
        for given, make, said in (
            (
                "a classifier: [1, 1000]",
                lambda: {"logits": np.random.default_rng(9).normal(0, 2, (1, 1000)).astype(np.float32)},
                "no known layout of a detector… logits [1, 1000] float32; sdc analyze --detectors …",
            ),
            (
                "heads that are not decoded",
                lambda: {
                    k: np.zeros((1, 3, n, n, 85), np.float32) for k, n in (("a", 80), ("b", 40), ("c", 20))
                },
                "no known layout of a detector… a [1, 3, 80, 80, 85] float32; b …",
            ),
            (
                "scores that are no scores",
                _table(_turned(lambda: np.concatenate([middles(8400), 9 * scores(8400, 80)], 1))),
                "no known layout of a detector; yolov8 (80 classes, detect) would have scores …",
            ),
        )
    ),
]
