"""Average precision as COCO has it, for many weightings of the images at once.

pycocotools matches detections to objects, image by image; the curves of precision are then drawn here,
where every image has a weight.  With all weights 1 the result is that of ``COCOeval``, which a test holds.
Means are over 10 thresholds of intersection over union, 0.5 to 0.95, and over the classes of which the
weighted images hold an object; objects of all sizes count, and at most 100 detections of an image.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Weights = npt.NDArray[np.floating[Any]]
"""How often each image counts, ``[n, images]``."""
SURE = 0.25
"""Detections on the original of this score are what an answer is to agree with."""


@dataclass(frozen=True, eq=False)
class _Class:
    """Detections of a class, best first.

    Attributes:
        image: ``int [d]``, the image of each.
        right, wrong: ``bool [thresholds, d]``; those that match an object that is ignored are neither.
        objects: ``int [images]``.
    """

    image: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    wrong: npt.NDArray[np.bool_]
    objects: npt.NDArray[np.int64]


def true_objects(instances: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """What ``instances.json`` says of an image, as COCO's annotations with ``label`` for their category."""
    labels = {row["id"]: row["name"] for row in instances["categories"]}
    number = next(row["id"] for row in instances["images"] if row["file_name"] == name)
    return [
        {**note, "label": labels[note["category_id"]]}
        for note in instances["annotations"]
        if note["image_id"] == number
    ]


def sure_answers(answer: Sequence[Mapping[str, Any]], width: int, height: int) -> list[dict[str, Any]]:
    """Detections as annotations, to agree with."""
    return [
        {
            "label": thing["label"],
            "bbox": thing["box"],
            "area": thing["box"][2] * thing["box"][3],
            "iscrowd": 0,
            **({"segmentation": _rle(thing, width, height)} if "rle" in thing else {}),
        }
        for thing in answer
        if thing["score"] >= SURE
    ]


def _rle(thing: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    return {"size": [height, width], "counts": thing["rle"]}


def average_precision(
    kind: str,
    truth: Sequence[Sequence[Mapping[str, Any]]],
    answers: Sequence[Sequence[Mapping[str, Any]]],
    sizes: Sequence[tuple[int, int]],
) -> Callable[[Weights], Floats]:
    """Average precision of some images' answers.

    Args:
        kind: ``bbox`` or ``segm``.
        truth: annotations of every image.
        answers: of the evaluator, for every image.
        sizes: width and height of every image.

    Returns:
        Weights ``[n, images]`` to average precision ``[n]``, 0 to 1; NaN where no object has weight.
    """
    evaluation = _evaluate(kind, truth, answers, sizes)
    if evaluation is None:
        return lambda weights: np.full(len(weights), np.nan)
    classes = _classes(evaluation, len(truth))
    grid = evaluation.params.recThrs

    def score(weights: Weights) -> Floats:
        columns = np.stack([_one_class(c, np.asarray(weights, np.float64), grid) for c in classes], 1)
        present = ~np.isnan(columns)
        with np.errstate(invalid="ignore"):
            return np.where(present, columns, 0).sum(1) / present.sum(1)

    return score


def _evaluate(
    kind: str,
    truth: Sequence[Sequence[Mapping[str, Any]]],
    answers: Sequence[Sequence[Mapping[str, Any]]],
    sizes: Sequence[tuple[int, int]],
) -> Any:
    """``COCOeval`` after its matching; None when there is no object."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = sorted({note["label"] for notes in truth for note in notes})
    if not labels:
        return None
    numbers = {label: k for k, label in enumerate(labels, 1)}
    images = [{"id": i, "width": w, "height": h} for i, (w, h) in enumerate(sizes, 1)]
    notes = [
        {**note, "id": k, "image_id": i, "category_id": numbers[note["label"]]}
        for k, (i, note) in enumerate(((i, note) for i, notes in enumerate(truth, 1) for note in notes), 1)
    ]
    found = [
        {
            "image_id": i,
            "category_id": numbers[thing["label"]],
            "score": thing["score"],
            "bbox": thing["box"],
            **({"segmentation": _rle(thing, *sizes[i - 1])} if kind == "segm" else {}),
        }
        for i, answer in enumerate(answers, 1)
        for thing in answer
        if thing["label"] in numbers
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        objects = COCO()
        objects.dataset = {
            "images": images,
            "annotations": notes,
            "categories": [{"id": number, "name": label} for label, number in numbers.items()],
        }
        objects.createIndex()
        detections = objects.loadRes(found) if found else COCO()
        evaluation = COCOeval(objects, detections, kind)
        evaluation.params.areaRng = evaluation.params.areaRng[:1]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.params.maxDets = [100]
        evaluation.evaluate()
    return evaluation


def _classes(evaluation: Any, images: int) -> list[_Class]:
    """What ``COCOeval`` matched, class by class."""
    out = []
    thresholds = len(evaluation.params.iouThrs)
    for k in range(len(evaluation.params.catIds)):
        rows = evaluation.evalImgs[k * images : (k + 1) * images]
        objects = np.zeros(images, np.int64)
        scores, image = [np.zeros(0)], [np.zeros(0, np.int64)]
        matched, ignored = ([np.zeros((thresholds, 0), bool)] for _ in range(2))
        for i, row in enumerate(rows):
            if row is None:
                continue
            objects[i] = np.count_nonzero(np.asarray(row["gtIgnore"]) == 0)
            scores.append(np.asarray(row["dtScores"], np.float64))
            image.append(np.full(len(row["dtScores"]), i))
            matched.append(np.asarray(row["dtMatches"], bool).reshape(thresholds, -1))
            ignored.append(np.asarray(row["dtIgnore"], bool).reshape(thresholds, -1))
        order = np.argsort(-np.concatenate(scores), kind="mergesort")
        hit = np.concatenate(matched, 1)[:, order]
        counts = ~np.concatenate(ignored, 1)[:, order]
        out.append(_Class(np.concatenate(image)[order], hit & counts, ~hit & counts, objects))
    return out


def _one_class(found: _Class, weights: Floats, grid: Floats) -> Floats:
    """Average precision of a class, ``[n]``; NaN where no object has weight."""
    objects = weights @ found.objects
    if not len(found.image):
        return np.where(objects > 0, 0.0, np.nan)
    each = weights[:, found.image]
    out = np.empty((len(found.right), len(weights)))
    with np.errstate(invalid="ignore", divide="ignore"):
        for row, (right, wrong) in enumerate(zip(found.right, found.wrong, strict=True)):
            hits = np.cumsum(each * right, 1)
            recall = hits / objects[:, None]
            precision = hits / (hits + np.cumsum(each * wrong, 1) + np.spacing(1))
            best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
            # How many points of the grid each detection is the first to reach.
            reached = np.searchsorted(grid, recall, "right")
            out[row] = (best * np.diff(reached, axis=1, prepend=0)).sum(1) / len(grid)
    return np.where(objects > 0, out.mean(0), np.nan)
