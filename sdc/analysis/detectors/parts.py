"""Layouts in which boxes, classes and scores are outputs of their own, or rows of a single short table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .boxes import (
    Boxes,
    Floats,
    Preparation,
    Reading,
    best_first,
    check_corners,
    check_labels,
    check_scores,
    from_middles,
    whole_rows,
)
from .network import Network, Output

Arrays = Sequence[npt.NDArray[Any]]

COCO_IDS = (90, 91, 92)
"""Counts of classes that are ids of COCO: perhaps with one for nothing, before, behind or both."""


def _scaled(corners: Floats, network: Network) -> Floats:
    """Corners in pixels of the input; those from 0 to 1 are shares of it."""
    if corners.size and float(np.abs(corners).max()) <= 1.5:
        return corners * np.array([network.cols, network.rows] * 2, np.float32)
    return corners


def _squeezed(value: npt.NDArray[Any], axes: int) -> npt.NDArray[Any]:
    """The part of an output that is about the first image, with so many axes."""
    while value.ndim > axes and value.shape[0] >= 1:
        value = value[0]
    return value


class Detr:
    """DETR and RT-DETR as transformers exports them, RF-DETR, and others with classes for each of n boxes."""

    name = "detr"
    about = "DETR, RT-DETR, RF-DETR, YOLO-NAS, YOLOv4: [1, n, 4] boxes and [1, n, classes]"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        found = _boxes_and_classes(network.outputs)
        if found is None:
            return
        classes = network.outputs[found[1]].value.shape[-1]
        names = {output.name for output in network.outputs}
        normal = classes >= 90 or "dets" in names
        how = Preparation("stretch", "imagenet" if normal else "unit")
        if network.outputs[found[0]].value.ndim == 4:
            how = Preparation()
        read = partial(_read_detr, places=found, network=network)
        yield Reading(10, read, how, f"{classes} classes")


def _boxes_and_classes(outputs: Sequence[Output]) -> tuple[int, int] | None:
    """Places of an output of boxes and of one of scores of classes; None where there are none."""
    tables = [
        (place, out.value.shape)
        for place, out in enumerate(outputs)
        if (out.value.ndim in (2, 3) or (out.value.ndim == 4 and out.value.shape[2] == 1))
        and np.issubdtype(out.value.dtype, np.floating)
        and not out.name.startswith("raw_")  # TensorFlow's, before suppression
    ]
    # Without an axis of images, the rows come first.
    tables = [(place, (1, *shape) if len(shape) == 2 else shape) for place, shape in tables]
    boxes = [(place, shape[1]) for place, shape in tables if shape[-1] == 4]
    named = [(p, n) for p, n in boxes if "box" in outputs[p].name or "dets" in outputs[p].name]
    for place, count in named or boxes:
        rest = [
            p for p, shape in tables if p != place and shape[1] == count and len(shape) == 3 and shape[2] > 1
        ]
        best = [
            p for p in rest if any(w in outputs[p].name for w in ("logit", "score", "label", "conf", "class"))
        ]
        if best or (len(rest) == 1 and len(outputs) == 2):
            return place, (best or rest)[0]
    return None


def _read_detr(outputs: Arrays, least: float, *, places: tuple[int, int], network: Network) -> Boxes:
    raw = np.asarray(outputs[places[0]], np.float32)
    flat = raw.ndim == 4  # [1, n, 1, 4], corners
    boxes = _squeezed(raw, 3 if flat else 2).reshape(-1, 4)
    logits = np.asarray(_squeezed(outputs[places[1]], 2), np.float32)
    rows = whole_rows(boxes, logits)
    boxes, logits = boxes[rows], logits[rows]
    nothing = False
    if logits.size and not (0 <= float(logits.min()) and float(logits.max()) <= 1):
        last = logits.argmax(1) == logits.shape[1] - 1
        # DETR's last class is nothing, and most of its boxes are that.
        nothing = bool(logits.shape[1] == 92 or last.mean() > 0.5)
        if nothing:
            shifted = np.exp(logits - logits.max(1, keepdims=True))
            probabilities = (shifted / shifted.sum(1, keepdims=True))[:, :-1]
        else:
            probabilities = 1 / (1 + np.exp(-logits.clip(-80, 80)))
        corners = from_middles(boxes)
    else:
        probabilities = logits
        ordered = bool((boxes[:, 2:] >= boxes[:, :2]).all())
        corners = boxes if flat or ordered else from_middles(boxes)
    corners = _scaled(corners, network)
    check_corners(corners, network.rows, network.cols)
    labels = probabilities.argmax(1) if len(probabilities) else np.zeros(0, np.int64)
    scores = probabilities[np.arange(len(labels)), labels]
    order = best_first(scores, least)
    classes = logits.shape[1] - nothing
    if classes == COCO_IDS[0] and not network.names:
        labels = labels + 1  # without a class for nothing before them
    return Boxes(
        corners[order],
        labels[order],
        scores[order],
        classes,
        of_ids=classes in COCO_IDS,
        distinct=len(boxes) <= 1000,
        broken=int((~rows).sum()),
    )


class _Places(NamedTuple):
    """Places of outputs: boxes, scores, labels, how many boxes, and masks; None for what is not there."""

    boxes: int
    scores: int
    labels: int
    number: int | None
    masks: int | None


class Parts:
    """Boxes, classes and scores in outputs of their own: torchvision, SSD, TensorFlow, suppression within."""

    name = "parts"
    about = "torchvision, SSD, TensorFlow, EfficientNMS, RT-DETR: boxes [n, 4], labels [n], scores [n]"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        places = _places(network.outputs)
        if places is None:
            return
        name = network.outputs[places.boxes].name
        tensorflow = "detection" in name
        # The SSD of the model zoo takes ImageNet's normal values, TensorFlow's take bytes.
        values = "imagenet" if name == "bboxes" else "bytes" if tensorflow else "unit"
        how = Preparation("stretch" if tensorflow or "target" in _other_input(network) else "middle", values)
        read = partial(_read_parts, places=places, rows_first=tensorflow, network=network)
        # TensorFlow gives scores of all classes besides, which may look like another layout.
        yield Reading(12 if tensorflow else 10, read, how, "rows first" if tensorflow else "columns first")


def _other_input(network: Network) -> str:
    return " ".join(str(entry.name).lower() for entry in network.session.get_inputs())


def _is_whole(value: npt.NDArray[Any]) -> bool:
    with np.errstate(invalid="ignore"):
        return bool(np.issubdtype(value.dtype, np.integer) or (value.size and not (value % 1).any()))


def _places(outputs: Sequence[Output]) -> _Places | None:
    """Which outputs are boxes, scores, labels and more; None where these three are not there."""
    boxes = [p for p, out in enumerate(outputs) if out.value.ndim in (2, 3) and out.value.shape[-1] == 4]
    boxes = [p for p in boxes if "box" in outputs[p].name] or boxes
    if not boxes:
        return None
    count = outputs[boxes[0]].value.shape[-2]
    lists = [p for p, out in enumerate(outputs) if out.value.ndim in (1, 2) and out.value.shape[-1] == count]
    lists = [p for p in lists if p not in boxes]
    numbers = [
        p for p, out in enumerate(outputs) if out.value.size == 1 and (p not in lists or "num" in out.name)
    ]
    lists = [p for p in lists if p not in numbers]
    masks = [p for p, out in enumerate(outputs) if out.value.ndim == 4 and out.value.shape[:2] == (count, 1)]

    def named(*words: str) -> list[int]:
        return [p for p in lists if any(word in outputs[p].name for word in words)]

    scores, labels = named("score", "conf"), named("label", "class", "cls")
    if not (scores and labels):
        whole = [p for p in lists if np.issubdtype(outputs[p].value.dtype, np.integer)]
        whole = whole or [p for p in lists if _is_whole(outputs[p].value)]
        labels = labels or [p for p in whole if p not in scores]
        scores = scores or [p for p in lists if p not in labels[:1]]
        if "detection_postprocess" in outputs[boxes[0]].name and len(lists) == 2:
            labels, scores = lists[:1], lists[1:]
    if not scores or not labels or scores[0] == labels[0]:
        return None
    return _Places(boxes[0], scores[0], labels[0], next(iter(numbers), None), next(iter(masks), None))


def _read_parts(
    outputs: Arrays, least: float, *, places: _Places, rows_first: bool, network: Network
) -> Boxes:
    boxes = np.asarray(_squeezed(outputs[places.boxes], 2), np.float32)
    scores = np.asarray(_squeezed(outputs[places.scores], 1), np.float32)
    labels = np.asarray(_squeezed(outputs[places.labels], 1), np.float64)
    count = len(boxes)
    if places.number is not None:
        count = min(count, max(0, int(np.asarray(outputs[places.number]).ravel()[0])))
    boxes, scores, labels = boxes[:count], scores[:count], labels[:count]
    rows = whole_rows(boxes, scores, labels)
    check_scores(scores[rows])
    check_labels(labels[rows][scores[rows] >= least])
    corners = boxes[rows][:, [1, 0, 3, 2]] if rows_first else boxes[rows]
    corners = _scaled(corners, network)
    check_corners(corners, network.rows, network.cols)
    order = best_first(scores[rows], least)
    masks = None
    if places.masks is not None:
        masks = np.asarray(outputs[places.masks], np.float32)[:count][rows][order, 0]
    name = network.outputs[places.boxes].name
    # TensorFlow Lite counts from 0 what TensorFlow counts from 1.
    first = 1 if "postprocess" in name and not network.names else 0
    return Boxes(
        corners[order],
        labels[rows][order].astype(np.int64) + first,
        scores[rows][order].clip(0, 1),
        len(network.names),
        masks=masks,
        of_ids="detection" in name or outputs[places.boxes].ndim == 2,  # TensorFlow's, torchvision's
        distinct=True,
        broken=int((~rows).sum()),
    )


class Scored:
    """Boxes with their scores in one output, and classes in another."""

    name = "dets"
    about = "MMDetection: dets [1, n, 5] of corners and score, labels [1, n]"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        shapes = [output.value.shape for output in network.outputs]
        boxes = [p for p, shape in enumerate(shapes) if len(shape) in (2, 3) and shape[-1] == 5]
        if not boxes:
            return
        count = shapes[boxes[0]][-2]
        labels = [
            p
            for p, shape in enumerate(shapes)
            if p != boxes[0] and len(shape) in (1, 2) and shape[-1] == count
        ]
        if labels:
            read = partial(_read_scored, places=(boxes[0], labels[0]), network=network)
            yield Reading(10, read, Preparation("corner", "imagenet"), "corners and score, classes apart")


def _read_scored(outputs: Arrays, least: float, *, places: tuple[int, int], network: Network) -> Boxes:
    table = np.asarray(_squeezed(outputs[places[0]], 2), np.float32)
    labels = np.asarray(_squeezed(outputs[places[1]], 1), np.float64)
    rows = whole_rows(table, labels)
    table, labels = table[rows], labels[rows]
    check_scores(table[:, 4])
    check_labels(labels[table[:, 4] >= least])
    corners = _scaled(table[:, :4], network)
    check_corners(corners, network.rows, network.cols)
    order = best_first(table[:, 4], least)
    return Boxes(
        corners[order],
        labels[order].astype(np.int64),
        table[order, 4].clip(0, 1),
        len(network.names),
        distinct=True,
        broken=int((~rows).sum()),
    )


class Rows:
    """Short tables of one output whose rows say which image and class they are of."""

    name = "rows"
    about = "SSD of Caffe and OpenCV: [1, 1, n, 7]; YOLO v7 with suppression: [n, 7]; Paddle: [n, 6]"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        first = network.outputs[0].value
        if not np.issubdtype(first.dtype, np.floating):
            return
        alone = len(network.outputs) == 1
        if first.ndim == 4 and first.shape[:2] == (1, 1) and first.shape[3] == 7 and alone:
            how = Preparation("stretch", "bytes", bgr=True)
            read = partial(_read_rows, columns=(1, 2, 3), of_ids=True, network=network)
            yield Reading(10, read, how, "image, class, score, corners")
        elif first.ndim == 2 and first.shape[1] == 7 and alone:
            read = partial(_read_rows, columns=(5, 6, 1), of_ids=False, network=network)
            yield Reading(10, read, Preparation(), "image, corners, class, score")
        elif first.ndim == 2 and first.shape[1] == 6:
            # The number of boxes may stand beside it.
            read = partial(_read_rows, columns=(0, 1, 2), of_ids=False, network=network)
            yield Reading(8, read, Preparation("stretch", "imagenet"), "class, score, corners")


def _read_rows(
    outputs: Arrays, least: float, *, columns: tuple[int, int, int], of_ids: bool, network: Network
) -> Boxes:
    table = np.asarray(outputs[0], np.float32)
    table = table.reshape(-1, table.shape[-1])
    rows = whole_rows(table)
    whole = table[rows]
    label, score, first = columns
    if table.shape[1] == 7:
        whole = whole[whole[:, 0] == 0]  # of the first image; a negative number ends a list
    check_scores(whole[:, score])
    check_labels(whole[whole[:, score] >= least][:, label])
    corners = _scaled(whole[:, first : first + 4], network)
    check_corners(corners, network.rows, network.cols)
    order = best_first(whole[:, score], least)
    return Boxes(
        corners[order],
        whole[order, label].astype(np.int64),
        whole[order, score].clip(0, 1),
        len(network.names),
        of_ids=of_ids,
        distinct=True,
        broken=int((~rows).sum()),
    )
