"""Layouts in which one output is a table of boxes: those of YOLO and what is near to it.

A form is what stands in a row.  Which axis holds the rows and which form they have is decided by what the
network says of itself, by counts that a form implies, and by values: scores must be from 0 to 1, sides not
negative, boxes within the input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

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
from .metadata import keypoint_values, task_of
from .network import Network

POSE, ORIENTED = 51, 1
"""Values of a pose of 17 points, and of an angle, which stand behind the classes."""

QUERIES = (100, 300, 900)
"""Rows of networks that give a fixed number of boxes without suppression."""

MOST_ENDED = 1000
"""Rows of a table that has been suppressed, at most."""

STRETCHED, CORNER = Preparation("stretch"), Preparation("corner", "bytes", bgr=True)


def grid(rows: int, cols: int, strides: Sequence[int] = (8, 16, 32)) -> Floats:
    """The grids of YOLO for an input: column, row and stride of each of their cells, ``float32 [n, 3]``."""
    parts = []
    for stride in strides:
        y, x = np.mgrid[: rows // stride, : cols // stride]
        parts.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    cells: Floats = np.concatenate(parts).astype(np.float32)
    return cells


def _cells(network: Network) -> set[int]:
    """How many cells the grids of YOLO have for the network's input."""
    return {
        sum((network.rows // s) * (network.cols // s) for s in strides)
        for strides in ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
    }


def _without_heads(outputs: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    """The outputs but for empty ones and heads before decoding, of five axes, which old exports give."""
    return [out for out in outputs if out.ndim < 5 and (out.ndim < 3 or len(out))]


def _prototypes(outputs: Sequence[npt.NDArray[Any]]) -> Floats | None:
    """The prototypes of a segmenter, channels first, or None."""
    outputs = _without_heads(outputs)
    found = [out for out in outputs if out.ndim == 4 and min(out.shape[2:]) > 1]
    if len(outputs) != 2 or len(found) != 1:
        return None
    prototypes: Floats = np.asarray(found[0][0], np.float32)
    return prototypes


def _table(outputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The output that is a table, without the axis of images: ``[a, b]``.

    Raises:
        ValueError: there is none.
    """
    outputs = _without_heads(outputs)
    tables = [out for out in outputs if out.ndim == 3 or (out.ndim == 2 and len(outputs) == 1)]
    if len(tables) != 1 or not np.issubdtype(tables[0].dtype, np.floating):
        raise ValueError("no output is a table of boxes")
    table = tables[0][0] if tables[0].ndim == 3 else tables[0]
    return np.asarray(table, np.float32)


def _only_table(outputs: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any] | None:
    """The table of a network that has a table and perhaps prototypes beside it; None for another network."""
    outputs = _without_heads(outputs)
    if len(outputs) > 2 or (len(outputs) == 2 and _prototypes(outputs) is None):
        return None
    try:
        return _table(outputs)
    except ValueError:
        return None


def _scored(
    table: Floats,
    first: int,
    classes: int,
    behind: int,
    least: float,
    to_corners: Callable[[Floats], Floats],
    *,
    objectness: bool,
    size: tuple[int, int],
    prototypes: Floats | None,
) -> Boxes:
    """Boxes of a table whose rows have a score for each class.

    Args:
        table: ``[n, first + classes + behind]``.
        first: where the scores of classes begin.
        behind: values behind them that are coefficients of masks, a pose, or an angle.
        to_corners: corners of the boxes, of whole rows.
        objectness: whether a factor of all scores stands before them.
        size: rows and columns of the input.
    """
    rows = whole_rows(table)
    whole = table[rows]
    each = whole[:, first : first + classes]
    check_scores(each)
    if objectness:
        check_scores(whole[:, first - 1])
    labels = each.argmax(1)
    scores = each[np.arange(len(each)), labels]
    scores = (scores * whole[:, first - 1] if objectness else scores).clip(0, 1)
    corners = to_corners(whole)
    check_corners(corners, *size)
    order = best_first(scores, least)
    # Coefficients are those behind the classes, where prototypes go with them.
    coefficients = whole[order, first + classes :] if prototypes is not None else np.zeros((len(order), 0))
    return Boxes(
        corners[order],
        labels[order],
        scores[order],
        classes,
        coefficients.astype(np.float32),
        prototypes,
        outlines=_outlines(whole[order]) if behind == ORIENTED and prototypes is None else None,
        broken=int((~rows).sum()),
    )


def _outlines(rows: Floats, angles: Floats | None = None) -> Floats:
    """Corners of oriented boxes ``[n, 4, 2]``: middle, sides, and an angle in radians, the last of a row."""
    angle = rows[:, -1] if angles is None else angles
    cos, sin = np.cos(angle), np.sin(angle)
    across = np.stack([cos, sin], 1) * rows[:, 2:3] / 2
    down = np.stack([-sin, cos], 1) * rows[:, 3:4] / 2
    middle = rows[:, :2]
    corners = [middle - across - down, middle + across - down, middle + across + down, middle - across + down]
    outlines: Floats = np.stack(corners, 1).astype(np.float32)
    return outlines


def _around(rows: Floats) -> Floats:
    """Upright corners around oriented boxes."""
    from_middles(rows)  # which refuses negative sides
    outlines = _outlines(rows)
    return np.concatenate([outlines.min(1), outlines.max(1)], 1)


def _tasks(network: Network, prototypes: Floats | None) -> list[tuple[str, int]]:
    """Tasks that the table may be for, with the values behind the classes."""
    if prototypes is not None:
        return [("segment", len(prototypes))]
    told = task_of(network.told)
    pose = keypoint_values(network.told) or POSE
    found = [("detect", 0), ("pose", pose), ("obb", ORIENTED)]
    return [(task, values) for task, values in found if told in ("", task, "segment")]


_USUAL = {"detect": 80, "segment": 80, "pose": 1, "obb": 15}
"""Classes of the networks that most others begin from."""


def _points(network: Network, task: str, classes: int, count: int, wide: int, expected: set[int]) -> int:
    """How much speaks for a form with so many classes, rows, and values in a row."""
    named = len(network.names)
    return (
        4 * (count in expected)
        + 4 * (classes == named)
        + 3 * (classes == _USUAL[task] and classes != named)
        + (count > wide)
        + (task == "detect" or task == task_of(network.told))
    )


class Yolo8:
    """YOLO v8, v9, 11 and 12: scores of classes without objectness, rows along either axis."""

    name = "yolov8"
    about = "YOLO v8, v9, 11, 12: [1, 4 + classes, n] or transposed; segments, poses, oriented boxes"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        outputs = [output.value for output in network.outputs]
        table = _only_table(outputs)
        if table is None:
            return
        for task, behind in _tasks(network, _prototypes(outputs)):
            for axis in (0, 1):
                classes, count = table.shape[axis] - 4 - behind, table.shape[1 - axis]
                if classes < 1:
                    continue
                points = _points(network, task, classes, count, table.shape[axis], _cells(network))
                points -= task == "obb" and task_of(network.told) != "obb"
                read = partial(_read_yolo8, axis=axis, behind=behind, oriented=task == "obb", network=network)
                yield Reading(points + (axis == 0), read, Preparation(), f"{classes} classes, {task}")


def _read_yolo8(
    outputs: Sequence[npt.NDArray[Any]],
    least: float,
    *,
    axis: int,
    behind: int,
    oriented: bool,
    network: Network,
) -> Boxes:
    table = _table(outputs)
    rows = table.T if axis == 0 else table
    wide = rows.shape[1]
    whole = rows[np.isfinite(rows).all(1)]
    if behind == POSE and whole.size and not oriented:
        _check_pose(whole[:, wide - behind :])
    if oriented and task_of(network.told) != "obb":
        _check_angles(whole[:, -1], wide - 4 - behind)
    if axis == 1 and whole.size and float(np.abs(whole[:, :4]).max()) <= 2:
        raise ValueError("boxes that are not in pixels")
    return _scored(
        rows,
        4,
        wide - 4 - behind,
        behind,
        least,
        _around if oriented else from_middles,
        objectness=False,
        size=(network.rows, network.cols),
        prototypes=_prototypes(outputs),
    )


def _check_angles(angles: Floats, classes: int) -> None:
    """Refuse angles that are more likely scores of one more class: from 0 to 1, of many boxes."""
    if angles.size and (float(angles.min()) < 0 or float(angles.max()) > 1):
        return
    if classes != _USUAL["obb"] or np.count_nonzero(angles) > len(angles) / 100:
        raise ValueError("angles that may be scores of a class")


def _check_pose(values: Floats) -> None:
    """Refuse values that are no points of poses: places in pixels, and scores."""
    check_scores(values[:, 2::3])
    if values.any() and float(np.abs(values).max()) <= 2:
        raise ValueError("points that are not in pixels")


class Yolo5:
    """YOLO v5 and v7, with three anchors for each cell and objectness."""

    name = "yolov5"
    about = "YOLO v5, v7: [1, n, 5 + classes] with objectness; segments, poses"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        outputs = [output.value for output in network.outputs]
        table = _only_table(outputs)
        if table is None:
            return
        expected = {3 * count for count in _cells(network)}
        for task, behind in _tasks(network, _prototypes(outputs)):
            classes, count = table.shape[1] - 5 - behind, len(table)
            if classes < 1 or task == "obb":
                continue
            points = _points(network, task, classes, count, table.shape[1], expected) + 1
            read = partial(_read_yolo5, behind=behind, network=network)
            yield Reading(points, read, Preparation(), f"{classes} classes, {task}")


def _read_yolo5(outputs: Sequence[npt.NDArray[Any]], least: float, *, behind: int, network: Network) -> Boxes:
    table = _table(outputs)
    whole = table[np.isfinite(table).all(1)]
    if whole.size and float(np.abs(whole[:, :4]).max()) <= 2:
        raise ValueError("boxes that are not in pixels")
    return _scored(
        table,
        5,
        table.shape[1] - 5 - behind,
        behind,
        least,
        from_middles,
        objectness=True,
        size=(network.rows, network.cols),
        prototypes=_prototypes(outputs),
    )


class YoloX:
    """YOLOX, whose boxes are to be decoded on grids, or have been."""

    name = "yolox"
    about = "YOLOX: [1, n, 5 + classes] on grids of 8, 16 and 32, BGR from 0 to 255"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        outputs = [output.value for output in network.outputs]
        table = _only_table(outputs)
        if table is None or len(outputs) > 1 or len(table) not in _cells(network):
            return
        classes = table.shape[1] - 5
        if classes >= 1 and task_of(network.told) in ("", "detect"):
            points = _points(network, "detect", classes, len(table), table.shape[1], {len(table)}) + 1
            yield Reading(points, partial(_read_yolox, network=network), CORNER, f"{classes} classes")


def _read_yolox(outputs: Sequence[npt.NDArray[Any]], least: float, *, network: Network) -> Boxes:
    table = _table(outputs)
    size = (network.rows, network.cols)
    whole = table[np.isfinite(table).all(1)]
    if whole.size and float(np.abs(whole[:, :2]).max()) > 64:  # decoded within the network
        to_corners: Callable[[Floats], Floats] = from_middles
    else:
        cells = next(
            grid(*size, strides)
            for strides in ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32), (16, 32))
            if len(grid(*size, strides)) == len(table)
        )[np.isfinite(table).all(1)]

        def to_corners(rows: Floats) -> Floats:
            middles = (rows[:, :2] + cells[:, :2]) * cells[:, 2:]
            sides = np.exp(rows[:, 2:4].clip(-20, 8)) * cells[:, 2:]
            return from_middles(np.concatenate([middles, sides], 1))

    return _scored(
        table, 5, table.shape[1] - 5, 0, least, to_corners, objectness=True, size=size, prototypes=None
    )


class RtDetrTable:
    """RT-DETR as Ultralytics exports it: boxes from 0 to 1, and scores of classes."""

    name = "rtdetr"
    about = "RT-DETR of Ultralytics: [1, 300, 4 + classes], boxes from 0 to 1"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        outputs = [output.value for output in network.outputs]
        table = _only_table(outputs)
        if table is None or len(outputs) > 1 or task_of(network.told) not in ("", "detect"):
            return
        classes = table.shape[1] - 4
        if classes >= 1:
            points = _points(network, "detect", classes, len(table), table.shape[1], set(QUERIES)) + 1
            yield Reading(points, partial(_read_rtdetr, network=network), STRETCHED, f"{classes} classes")


def _read_rtdetr(outputs: Sequence[npt.NDArray[Any]], least: float, *, network: Network) -> Boxes:
    table = _table(outputs)
    whole = table[np.isfinite(table).all(1), :4]
    if whole.size and not (-0.1 <= float(whole.min()) and float(whole.max()) <= 1.1):
        raise ValueError("boxes that are not from 0 to 1")
    size = (network.rows, network.cols)
    sides = np.array([network.cols, network.rows] * 2, np.float32)
    found = _scored(
        table,
        4,
        table.shape[1] - 4,
        0,
        least,
        lambda rows: from_middles(rows[:, :4] * sides),
        objectness=False,
        size=size,
        prototypes=None,
    )
    return replace(found, distinct=True)


class EndToEnd:
    """Tables that have been suppressed: corners, score, class, and what belongs to the task."""

    name = "end-to-end"
    about = "YOLO v10, 26, and exports with suppression: [1, n, 6 + ...] of corners, score, class"

    def readings(self, network: Network) -> Iterator[Reading]:
        """Ways to read a network's outputs."""
        outputs = [output.value for output in network.outputs]
        table = _only_table(outputs)
        if table is None or len(table) > MOST_ENDED:
            return
        prototypes = _prototypes(outputs)
        told = str(network.told.get("end2end", "")).lower() == "true"
        for task, behind in _tasks(network, prototypes):
            if table.shape[1] == 6 + behind:
                read = partial(_read_ended, oriented=task == "obb", network=network)
                points = 9 + 4 * told + (len(table) in QUERIES)
                yield Reading(points, read, Preparation(), f"suppressed, {task}")


def _read_ended(
    outputs: Sequence[npt.NDArray[Any]], least: float, *, oriented: bool, network: Network
) -> Boxes:
    table = _table(outputs)
    rows = whole_rows(table)
    whole = table[rows]
    check_scores(whole[:, 4])
    check_labels(whole[:, 5])
    corners = whole[:, :4]
    if oriented:
        turned = np.concatenate([corners, whole[:, -1:]], 1)
        corners = _around(turned)
    elif whole.size and float(np.abs(corners).max()) <= 1.01 and (corners % 1).any():
        corners = corners * np.array([network.cols, network.rows] * 2, np.float32)
    check_corners(corners, network.rows, network.cols)
    order = best_first(whole[:, 4], least)
    prototypes = _prototypes(outputs)
    return Boxes(
        corners[order],
        whole[order, 5].astype(np.int64),
        whole[order, 4].clip(0, 1),
        len(network.names),
        whole[order, 6:] if prototypes is not None else np.zeros((len(order), 0), np.float32),
        prototypes,
        outlines=_outlines(turned[order]) if oriented else None,
        distinct=True,
        broken=int((~rows).sum()),
    )


def read_outputs(outputs: Sequence[npt.NDArray[Any]], least: float) -> Boxes:
    """The boxes of a score from ``least`` of Ultralytics' usual layout, without suppression.

    Args:
        outputs: ``[1, 4 + classes + coefficients, n]``; of a segmenter, also ``[1, coefficients, h, w]``.
        least: score.

    Raises:
        ValueError: the outputs are not so.
    """
    first, *rest = (np.asarray(out, np.float32) for out in outputs)
    prototypes = rest[0][0] if rest and rest[0].ndim == 4 else None
    coefficients = 0 if prototypes is None else len(prototypes)
    classes = first.shape[1] - 4 - coefficients if first.ndim == 3 else 0
    if classes < 1 or not np.isfinite(first).all():
        raise ValueError("the outputs are not those of a detector in Ultralytics' format")
    rows = first[0].T
    labels = rows[:, 4 : 4 + classes].argmax(1)
    scores = rows[np.arange(len(rows)), 4 + labels].clip(0, 1)
    order = best_first(scores, least)
    return Boxes(
        from_middles(rows[order]),
        labels[order],
        scores[order],
        classes,
        rows[order, 4 + classes :],
        prototypes,
    )
