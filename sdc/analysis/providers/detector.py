"""Detectors and segmenters in Ultralytics' ONNX format, through onnxruntime.

The network takes ``[1, 3, h, w]``, RGB from 0 to 1, the picture scaled to fit and centred on grey.
Its first output is ``[1, 4 + classes + coefficients, boxes]``: x and y of the middle, width and height in
pixels of the input, a score per class, and for a segmenter the coefficients of its second output,
``[1, coefficients, mask rows, mask cols]``.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import SdcError
from ...objects.classes import COCO
from ...objects.object import Object
from ...types import MAX_LABEL, Pixels
from ..steps import Options, Scene, need

Floats = npt.NDArray[np.float32]

SCORE = 0.25
"""Boxes of a lower score are left out."""


OVERLAP = 0.5
"""Of two boxes of a class that have more than this intersection over union, the worse one is left out."""


MOST = 100
GREY = 114

SIDE = 640
"""Side of the input where the network leaves it open and does not say what it is used to."""


def session_of(path: str, what: str, option: str) -> tuple[Any, str, dict[str, str]]:
    """A network in an ONNX file.

    Args:
        path: of the file.
        what: it is, for messages.
        option: of the command line that names the file.

    Returns:
        ``(onnxruntime's session on the processor, the file's name and the start of its SHA-256, metadata)``.

    Raises:
        SdcError: ``E_USAGE`` when onnxruntime is not installed or the file is no network, ``E_INPUT`` when
            there is no such file.
    """
    if not path:
        raise SdcError("E_USAGE", f"needs a file: {option} FILE", what)
    runtime = need("onnxruntime", "onnx")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise SdcError("E_INPUT", f"no {what}: {error.strerror}", path) from None
    try:
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4
        session = runtime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime has many, and no common class of them
        raise SdcError("E_USAGE", f"not an ONNX network: {one_line(error)}", path) from None
    return session, f"{Path(path).name} {hashlib.sha256(data).hexdigest()[:12]}", told


def fitted(pixels: Pixels, rows: int, cols: int) -> tuple[Floats, tuple[int, int, int, int]]:
    """A picture scaled to fit into a network's input, and centred on grey.

    Args:
        pixels: ``uint8 [H, W, 3]``.
        rows, cols: of the input.

    Returns:
        ``(float32 [1, 3, rows, cols] from 0 to 1, (left, top, width, height) of the picture in it)``.
    """
    height, width = pixels.shape[:2]
    scale = min(cols / width, rows / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (cols - w) // 2, (rows - h) // 2
    frame = Image.new("RGB", (cols, rows), (GREY, GREY, GREY))
    frame.paste(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR), (left, top))
    values = np.ascontiguousarray(np.asarray(frame).transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return values, (left, top, w, h)


class Detector:
    """A network in an ONNX file.

    Raises:
        SdcError: ``E_USAGE`` when onnxruntime is not installed or the file is no such network, ``E_INPUT``
            when there is no such file.
    """

    def __init__(self, options: Options):
        path = options.detector
        self.session, self.model, told = session_of(path, "detector", "--detector")
        self.names = _literal(told.get("names", ""), dict)
        self.entry = self.session.get_inputs()[0]
        shape, outputs = self.entry.shape, self.session.get_outputs()
        if len(shape) != 4 or shape[1] not in (3, None) or len(outputs[0].shape) != 3:
            raise SdcError("E_USAGE", "not a detector in Ultralytics' format", path)
        usual = _literal(told.get("imgsz", ""), list) or [SIDE, SIDE]
        self.size = tuple(n if isinstance(n, int) else usual[k] for k, n in enumerate(shape[2:]))

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Objects with boxes, those of a segmenter with masks; of the words only, if there are any.

        Raises:
            ValueError: the outputs are not as the format says.
        """
        height, width = scene.pixels.shape[:2]
        rows, cols = self.size
        values, (left, top, *size) = fitted(scene.pixels, rows, cols)
        kind = np.float16 if self.entry.type == "tensor(float16)" else np.float32
        outputs = [
            np.asarray(out, np.float32)
            for out in self.session.run(None, {self.entry.name: values.astype(kind)})
        ]
        prototypes = outputs[1][0] if len(outputs) > 1 and outputs[1].ndim == 4 else None
        boxes = outputs[0][0].T
        classes = boxes.shape[1] - 4 - (0 if prototypes is None else len(prototypes))
        if classes < 1 or not np.isfinite(boxes).all():
            raise ValueError("the outputs are not those of a detector in Ultralytics' format")
        scores = boxes[:, 4 : 4 + classes]
        best = scores.argmax(1)
        score = scores[np.arange(len(scores)), best].clip(0, 1)
        wanted = score >= SCORE
        if words:
            named = {word.casefold() for word in words}
            wanted &= np.array([self._name(k, classes).casefold() in named for k in range(classes)])[best]
        rows_kept = np.flatnonzero(wanted)[np.argsort(-score[wanted], kind="stable")]
        middle, sides = boxes[rows_kept, :2], boxes[rows_kept, 2:4]
        corners = np.concatenate([middle - sides / 2, middle + sides / 2], 1) - [left, top, left, top]
        corners[:, 0::2] *= width / size[0]
        corners[:, 1::2] *= height / size[1]
        out = []
        for k in distinct(corners, best[rows_kept], OVERLAP, MOST):
            row = boxes[rows_kept[k]]
            x0, y0 = np.floor(corners[k, :2] + 0.5).astype(int).clip(0, (width - 1, height - 1)).tolist()
            x1, y1 = np.floor(corners[k, 2:] + 0.5).astype(int).clip(0, (width, height)).tolist()
            box = (x0, y0, max(1, x1 - x0), max(1, y1 - y0))
            mask = None
            if prototypes is not None:
                # Logits of the input's size, of which the box is cut out and brought to the picture's size.
                logits = np.tensordot(row[4 + classes :], prototypes, 1)
                across, down = logits.shape[1] / cols, logits.shape[0] / rows
                part = (
                    (left + box[0] * size[0] / width) * across,
                    (top + box[1] * size[1] / height) * down,
                    (left + (box[0] + box[2]) * size[0] / width) * across,
                    (top + (box[1] + box[3]) * size[1] / height) * down,
                )
                whole = Image.fromarray(logits.astype(np.float32))
                mask = np.asarray(whole.resize(box[2:], Image.Resampling.BILINEAR, box=part)) > 0
            name = self._name(int(best[rows_kept[k]]), classes)
            out.append(tight(Object(name, box, None, float(score[rows_kept[k]])), mask))
        return out

    def _name(self, number: int, classes: int) -> str:
        if number in self.names:
            return str(self.names[number]).encode()[:MAX_LABEL].decode("utf-8", "ignore")
        return COCO[number] if classes == len(COCO) else f"class {number}"


def one_line(error: BaseException) -> str:
    """An error as one line."""
    return " ".join(str(error).split())[:200]


def _literal(text: str, kind: type) -> Any:
    """What a text of the metadata says in Python's notation, if it is of a kind; else an empty one."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return kind()
    return value if isinstance(value, kind) else kind()


def distinct(corners: npt.NDArray[Any], classes: npt.NDArray[Any], overlap: float, most: int) -> list[int]:
    """Boxes, best first, that do not overlap a better one of their class too much: greedy suppression.

    Args:
        corners: ``[n, 4]``, left, top, right, bottom, best first.
        classes: ``int [n]``.
        overlap: intersection over union above which the worse of two boxes is left out.
        most: boxes that are wanted at most.

    Returns:
        Places of the boxes that stay, best first.
    """
    area = np.prod((corners[:, 2:] - corners[:, :2]).clip(0), axis=1)
    left = np.arange(len(corners))
    kept = []
    while len(left) and len(kept) < most:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        low = np.maximum(corners[left, :2], corners[first, :2])
        high = np.minimum(corners[left, 2:], corners[first, 2:])
        common = np.prod((high - low).clip(0), axis=1)
        union = area[left] + area[first] - common
        left = left[(classes[left] != classes[first]) | (common <= overlap * union)]
    return kept


def tight(thing: Object, mask: npt.NDArray[np.bool_] | None) -> Object:
    """An object with a mask of its box, cut to the mask; without one where the mask is empty."""
    if mask is None or not mask.any():
        return thing
    rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
    x, y, _, _ = thing.box
    own = np.ascontiguousarray(mask[top:bottom, left:right])
    return Object(thing.label, (x + left, y + top, right - left, bottom - top), None, thing.score, mask=own)
