"""What the outputs of a detector say, and checks of their values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SLACK = 1e-3
"""How far a score may be beyond 0 or 1."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """What the outputs of a network say, best first.

    Attributes:
        corners: ``float32 [n, 4]``, left, top, right, bottom, in pixels of the input.
        labels: ``int64 [n]``, the class of each.
        scores: ``float32 [n]``, 0 to 1.
        classes: how many classes the network knows; 0 where nothing says so.
        coefficients: ``float32 [n, k]`` of a segmenter with prototypes, else ``k`` is 0.
        prototypes: ``float32 [k, mask rows, mask cols]`` of such a segmenter, or None.
        masks: ``float32 [n, rows, cols]`` of the input, from 0 to 1, or None.
        outlines: ``float32 [n, 4, 2]``, corners of oriented boxes in pixels of the input, or None.
        of_ids: whether classes are ids of categories of COCO, 1 to 90, where the network names none.
        distinct: whether the network leaves no two boxes of one thing.
        broken: rows that hold what is no number, and were left out.
    """

    corners: Floats
    labels: Ints
    scores: Floats
    classes: int
    coefficients: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    prototypes: Floats | None = None
    masks: Floats | None = None
    outlines: Floats | None = None
    of_ids: bool = False
    distinct: bool = False
    broken: int = 0


@dataclass(frozen=True)
class Preparation:
    """How an image becomes the input of a network.

    Attributes:
        place: ``middle`` or ``corner`` of a grey frame, scaled to fit; or ``stretch``.
        values: ``unit`` for samples from 0 to 1, ``bytes`` for 0 to 255, ``imagenet`` for those from 0 to 1
            less the mean and divided by the deviation of ImageNet.
        bgr: whether blue comes first.
    """

    place: str = "middle"
    values: str = "unit"
    bgr: bool = False


class Reading(NamedTuple):
    """One way to read a network's outputs.

    Attributes:
        points: how much names, shapes and metadata speak for it; of several whose values fit, most count.
        read: gives the boxes of a score from the least on; ValueError where the values do not fit.
        what: the layout in words, for people.
    """

    points: int
    read: Callable[[Sequence[npt.NDArray[Any]], float], Boxes]
    preparation: Preparation
    what: str


class NoNumbers(ValueError):
    """The outputs for an image hold no numbers."""


def whole_rows(*tables: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which rows of some tables ``[n, ...]`` are all numbers.

    Raises:
        NoNumbers: none is, of some.
    """
    rows = np.ones(len(tables[0]), bool)
    for table in tables:
        rows &= np.isfinite(table.reshape(len(table), -1)).all(1)
    if len(rows) and not rows.any():
        raise NoNumbers("its outputs hold no numbers")
    return rows


def check_scores(scores: npt.NDArray[Any]) -> None:
    """Refuse scores beyond 0 and 1.

    Raises:
        ValueError: there are some.
    """
    if scores.size and (float(scores.min()) < -SLACK or float(scores.max()) > 1 + SLACK):
        raise ValueError(f"scores from {float(scores.min()):.4g} to {float(scores.max()):.4g}, not 0 to 1")


def check_labels(labels: npt.NDArray[Any]) -> None:
    """Refuse classes that are no whole numbers from 0 on.

    Raises:
        ValueError: there are some.
    """
    if not labels.size:
        return
    if float(labels.min()) < 0 or (np.asarray(labels, np.float64) % 1 != 0).any():
        raise ValueError("classes that are no whole numbers")
    if float(labels.max()) > 10**5:
        raise ValueError(f"a class {float(labels.max()):g}")


def check_corners(corners: npt.NDArray[Any], rows: int, cols: int) -> None:
    """Refuse boxes whose corners are the wrong way round, or that lie far outside of an input.

    Raises:
        ValueError: there are some.
    """
    if not corners.size:
        return
    sides = corners[:, 2:] - corners[:, :2]
    if float(sides.min()) < -1:
        raise ValueError("boxes whose right lower corner comes first")
    middles = (corners[:, 2:] + corners[:, :2]) / 2
    slack = 0.5 * max(rows, cols)
    beyond = (middles < -slack) | (middles > np.array([cols, rows]) + slack)
    if beyond.any():
        raise ValueError("boxes outside of the input")


def from_middles(boxes: npt.NDArray[Any]) -> Floats:
    """Corners of boxes ``[n, 4]`` that are given by the x and y of their middles, width and height.

    Raises:
        ValueError: a side is negative.
    """
    if boxes.size and float(boxes[:, 2:4].min()) < -SLACK:
        raise ValueError("boxes of negative sides")
    half = boxes[:, 2:4] / 2
    corners: Floats = np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], 1).astype(np.float32)
    return corners


def best_first(scores: npt.NDArray[Any], least: float) -> npt.NDArray[np.int64]:
    """Places of the scores from the least on, the best first."""
    order = np.argsort(-scores, kind="stable")
    return order[scores[order] >= least]
