"""Detectors and segmenters of Ultralytics' ONNX export, read by :mod:`sdc.analysis.detectors`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.analysis.detectors.network import fitted, session_of
from sdc.analysis.detectors.tables import read_outputs
from sdc.analysis.providers.detector import distinct
from sdc.types import Pixels

from .base import Answer

Floats = npt.NDArray[np.float32]

LEAST = 0.01
"""Detections of a lower score are left out; COCO's own are usually cut at 0.001."""
OVERLAP = 0.7
"""Of two boxes of a class with more intersection over union than this, the worse is left out."""
MOST = 100
STRIDE = 32


class Yolo:
    """A detector or segmenter, on one thread.

    The image is fitted into the input and centred on grey; a network of open size gets the smallest
    rectangle of multiples of 32 with its usual long side.

    Raises:
        SdcError: from :func:`sdc.analysis.detectors.network.session_of`.
        ValueError: the file is another network.
    """

    def __init__(self, path: Path):
        self.session, model, told = session_of(str(path), "detector", "--network", threads=1)
        if "names" not in told:
            raise ValueError(f"{path}: its metadata has no 'names' of classes, as Ultralytics' exports have")
        self.names: dict[int, str] = ast.literal_eval(told["names"])
        self.entry = self.session.get_inputs()[0]
        rows, cols = self.entry.shape[2:]
        self.segments = len(self.session.get_outputs()) > 1
        self.size = (rows, cols) if isinstance(rows, int) and isinstance(cols, int) else None
        self.side = max(ast.literal_eval(told.get("imgsz", "[640]")))
        self.version = f"{model}, score {LEAST}, overlap {OVERLAP}, at most {MOST}"

    def __call__(self, pixels: Pixels) -> Answer:
        """Boxes, and masks of a segmenter.

        Raises:
            ValueError: the outputs are not those of these classes.
        """
        height, width = pixels.shape[:2]
        rows, cols = self.size or self._fitting(height, width)
        values, (left, top, w, h) = fitted(pixels, rows, cols)
        outputs = self.session.run(None, {self.entry.name: values})
        found = read_outputs(outputs, LEAST)
        if found.classes != len(self.names):
            wanted = outputs[0].shape[1] - found.classes + len(self.names)
            raise ValueError(
                f"the network's output is {list(outputs[0].shape)}, not [1, {wanted}, n] for "
                f"{len(self.names)} classes: exports with suppression built in are not for this"
            )
        kept = distinct(found.corners, found.labels, OVERLAP, MOST)
        shift, factor = np.array([left, top] * 2), np.array([width / w, height / h] * 2)
        boxes = ((found.corners[kept] - shift) * factor).clip(0, np.array([width, height] * 2))
        answer: Answer = [
            {
                "label": self.names[int(found.labels[k])],
                "score": round(float(found.scores[k]), 5),
                "box": [round(v, 2) for v in (x, y, past_x - x, past_y - y)],
            }
            for k, (x, y, past_x, past_y) in zip(kept, boxes.tolist(), strict=True)
        ]
        if found.prototypes is not None:
            inner = (left / cols, top / rows, (left + w) / cols, (top + h) / rows)
            masks = _masks(found.coefficients[kept], found.prototypes, boxes, (height, width), inner)
            answer = [{**thing, "rle": rle} for thing, rle in zip(answer, masks, strict=True)]
        return answer

    def _fitting(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the input for an image, of a network of open size."""
        scale = self.side / max(height, width)
        rows, cols = (-(-round(n * scale) // STRIDE) * STRIDE for n in (height, width))
        return rows, cols


def _masks(
    coefficients: Floats,
    prototypes: Floats,
    boxes: npt.NDArray[np.floating[Any]],
    shape: tuple[int, int],
    inner: tuple[float, float, float, float],
) -> list[str]:
    """Compressed counts of the masks of some boxes.

    Args:
        coefficients: ``[n, k]``.
        prototypes: ``[k, rows, cols]``.
        boxes: ``[n, 4]``, corners in pixels of the image.
        shape: height and width of the image.
        inner: the part of the prototypes that is the image: left, top, right, bottom, 0 to 1.
    """
    from pycocotools import mask

    height, width = shape
    rows, cols = prototypes.shape[1:]
    part = (inner[0] * cols, inner[1] * rows, inner[2] * cols, inner[3] * rows)
    out = []
    for row, box in zip(coefficients, boxes, strict=True):
        logits = np.tensordot(row, prototypes, 1).astype(np.float32)
        whole = Image.fromarray(logits).resize((width, height), Image.Resampling.BILINEAR, box=part)
        inside = np.zeros(shape, np.uint8, order="F")
        x, y, past_x, past_y = np.rint(box).astype(int).tolist()
        inside[y:past_y, x:past_x] = np.asarray(whole)[y:past_y, x:past_x] > 0
        out.append(mask.encode(inside)["counts"].decode())
    return out
