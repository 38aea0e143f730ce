"""Detectors and segmenters in Ultralytics' ONNX format, through onnxruntime.

The network takes ``[1, 3, h, w]``, RGB from 0 to 1, the image scaled to fit and centred on grey.
Its first output is ``[1, 4 + classes + coefficients, boxes]``: x and y of the middle, width and height in
pixels of the input, a score per class, and for a segmenter the coefficients of its second output,
``[1, coefficients, mask rows, mask cols]``.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import SdcError
from ...objects.classes import COCO
from ...objects.object import Object
from ...types import MAX_LABEL, Pixels
from ..interfaces import Options, Scene
from ..masks import cut_to_mask
from ..optional import need

Floats = npt.NDArray[np.float32]

SCORE = 0.25
"""Boxes of a lower score are left out."""


OVERLAP = 0.5
"""Of two boxes of a class that have more than this intersection over union, the worse one is left out."""


MOST = 100
GREY = 114

SIDE = 640
"""Side of the input where the network leaves it open and does not say what it is used to."""


def session_of(path: str, what: str, option: str, threads: int = 0) -> tuple[Any, str, dict[str, str]]:
    """A network in an ONNX file.

    Args:
        path: of the file.
        what: it is, for messages.
        option: of the command line that names the file.
        threads: that it runs on; those that onnxruntime chooses where it is 0.

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
        raise SdcError("E_INPUT", f"could not read the {what} network: {error.strerror}", path) from None
    try:
        settings = runtime.SessionOptions()
        settings.log_severity_level = 4
        settings.intra_op_num_threads = settings.inter_op_num_threads = threads
        session = runtime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
        told = session.get_modelmeta().custom_metadata_map
    except Exception as error:  # onnxruntime has many, and no common class of them
        raise SdcError("E_USAGE", f"not an ONNX network: {one_line(error)}", path) from None
    return session, f"{Path(path).name} {hashlib.sha256(data).hexdigest()[:12]}", told


def fitted(pixels: Pixels, rows: int, cols: int) -> tuple[Floats, tuple[int, int, int, int]]:
    """An image scaled to fit into a network's input, and centred on grey.

    Args:
        pixels: ``uint8 [H, W, 3]``.
        rows, cols: of the input.

    Returns:
        ``(float32 [1, 3, rows, cols] from 0 to 1, (left, top, width, height) of the image in it)``.
    """
    height, width = pixels.shape[:2]
    scale = min(cols / width, rows / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (cols - w) // 2, (rows - h) // 2
    frame = Image.new("RGB", (cols, rows), (GREY, GREY, GREY))
    frame.paste(Image.fromarray(pixels).resize((w, h), Image.Resampling.BILINEAR), (left, top))
    values = np.ascontiguousarray(np.asarray(frame).transpose(2, 0, 1)[None], np.float32) / np.float32(255)
    return values, (left, top, w, h)


@dataclass(frozen=True, eq=False)
class Boxes:
    """What the outputs of a network say, best first.

    Attributes:
        corners: ``float32 [n, 4]``, left, top, right, bottom, in pixels of the input.
        labels: ``int64 [n]``, the best class of each.
        scores: ``float32 [n]``, 0 to 1.
        classes: how many classes the network knows.
        coefficients: ``float32 [n, k]`` of a segmenter; ``k`` is 0 for a detector.
        prototypes: ``float32 [k, mask rows, mask cols]`` of a segmenter, or None.
    """

    corners: Floats
    labels: npt.NDArray[np.int64]
    scores: Floats
    classes: int
    coefficients: Floats
    prototypes: Floats | None


def read_outputs(outputs: Sequence[npt.NDArray[Any]], least: float) -> Boxes:
    """The boxes of a score from ``least``, without suppression.

    Raises:
        ValueError: the outputs are not as the module describes.
    """
    first, *rest = (np.asarray(out, np.float32) for out in outputs)
    prototypes = rest[0][0] if rest and rest[0].ndim == 4 else None
    coefficients = 0 if prototypes is None else len(prototypes)
    classes = first.shape[1] - 4 - coefficients if first.ndim == 3 else 0
    if classes < 1 or not np.isfinite(first).all():
        raise ValueError("the outputs are not those of a detector in Ultralytics' format")
    table = first[0].T
    each = table[:, 4 : 4 + classes]
    labels = each.argmax(1)
    scores = each[np.arange(len(each)), labels].clip(0, 1)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= least]
    middle, sides = table[order, :2], table[order, 2:4]
    return Boxes(
        np.concatenate([middle - sides / 2, middle + sides / 2], 1),
        labels[order],
        scores[order],
        classes,
        table[order, 4 + classes :],
        prototypes,
    )


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
        found = read_outputs(self.session.run(None, {self.entry.name: values.astype(kind)}), SCORE)
        corners = found.corners - [left, top, left, top]
        corners[:, 0::2] *= width / size[0]
        corners[:, 1::2] *= height / size[1]
        wanted = np.arange(len(corners))
        if words:
            named = {word.casefold() for word in words}
            names = [self._name(k, found.classes).casefold() in named for k in range(found.classes)]
            wanted = np.flatnonzero(np.array(names)[found.labels])
        out = []
        for k in wanted[distinct(corners[wanted], found.labels[wanted], OVERLAP, MOST)].tolist():
            x0, y0 = np.floor(corners[k, :2] + 0.5).astype(int).clip(0, (width - 1, height - 1)).tolist()
            x1, y1 = np.floor(corners[k, 2:] + 0.5).astype(int).clip(0, (width, height)).tolist()
            box = (x0, y0, max(1, x1 - x0), max(1, y1 - y0))
            mask = None
            if found.prototypes is not None:
                # Logits of the input's size, of which the box is cut out and brought to the image's size.
                logits = np.tensordot(found.coefficients[k], found.prototypes, 1)
                across, down = logits.shape[1] / cols, logits.shape[0] / rows
                part = (
                    (left + box[0] * size[0] / width) * across,
                    (top + box[1] * size[1] / height) * down,
                    (left + (box[0] + box[2]) * size[0] / width) * across,
                    (top + (box[1] + box[3]) * size[1] / height) * down,
                )
                whole = Image.fromarray(logits.astype(np.float32))
                mask = np.asarray(whole.resize(box[2:], Image.Resampling.BILINEAR, box=part)) > 0
            name = self._name(int(found.labels[k]), found.classes)
            thing = Object(name, box, None, float(found.scores[k]))
            # An empty mask leaves the box.
            out.append(thing if mask is None or not mask.any() else cut_to_mask(replace(thing, mask=mask)))
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
    kept: list[int] = []
    while len(left) and len(kept) < most:
        first, left = int(left[0]), left[1:]
        kept.append(first)
        low = np.maximum(corners[left, :2], corners[first, :2])
        high = np.minimum(corners[left, 2:], corners[first, 2:])
        common = np.prod((high - low).clip(0), axis=1)
        union = area[left] + area[first] - common
        left = left[(classes[left] != classes[first]) | (common <= overlap * union)]
    return kept
