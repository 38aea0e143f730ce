"""Networks that look at a picture and answer.

A judge is called with pixels ``uint8 [H, W, 3]`` and gives what JSON can hold:

- of detection, a list of ``{"label": name, "score": 0..1, "box": [x, y, w, h]}`` in pixels of the picture,
  best first; of segmentation with ``"rle"`` too, the compressed counts of COCO's mask of the picture;
- of classification, a list of five labels, best first;
- of text, the lines that it reads; of captions one text; of questions an answer to each;
- of restoration, PSNR and MS-SSIM (:mod:`.restoration`).

``--network`` is an ONNX file, for text ``rapidocr``, for captions and questions the address of a chat
endpoint (:mod:`.asking`), or, but for restoration, ``module:name`` of a Python callable that answers so.
Answers are kept under its attribute ``version`` if it has one, else under the hash of its module's file.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sdc.analysis.providers.detector import distinct, fitted

from .areas import Pixels
from .asking import Asker
from .reading import Reader
from .restoration import Denoiser, noisy

Answer = list[Any]
Floats = npt.NDArray[np.float32]

LEAST = 0.01
"""Detections of a lower score are left out; COCO's own are usually cut at 0.001."""
OVERLAP = 0.7
"""Of two boxes of a class with more intersection over union than this, the worse is left out."""
MOST = 100
STRIDE = 32


@dataclass(frozen=True)
class Judge:
    """A network that answers.

    Attributes:
        version: what its answers depend on but the picture.
        answer: of the picture that is shown, and of the one in the data set that it was made from.
        prepare: makes what is coded of a picture of the data set.
    """

    version: str
    answer: Callable[[Pixels, Pixels], Answer]
    prepare: Callable[[Pixels], Pixels] = lambda pixels: pixels


def _session(path: Path) -> tuple[Any, str]:
    """A session of one thread, and the start of the SHA-256 of the file."""
    import onnxruntime

    data = path.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no kind in common
        raise ValueError(f"{path}: {error}") from error
    return session, hashlib.sha256(data).hexdigest()[:12]


def _python(name: str) -> tuple[Callable[[Pixels], Answer], str]:
    """A callable, and its attribute ``version`` or the start of the SHA-256 of its module's file."""
    module, _, attribute = name.partition(":")
    home = import_module(module)
    found: Callable[[Pixels], Answer] | None = getattr(home, attribute, None)
    if not callable(found):
        raise ValueError(f"{module} has no {attribute!r} that can be called")
    version = getattr(found, "version", None)
    if version is None:
        file = getattr(home, "__file__", None)
        version = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:12] if file else ""
    return found, f"{version}"


class Yolo:
    """A detector or segmenter of Ultralytics' ONNX export, on one thread.

    The picture is fitted into the input and centred on grey; a network of open size gets the smallest
    rectangle of multiples of 32 with its usual long side.
    """

    def __init__(self, path: Path):
        self.session, digest = _session(path)
        told = self.session.get_modelmeta().custom_metadata_map
        if "names" not in told:
            raise ValueError(f"{path}: its metadata has no 'names' of classes, as Ultralytics' exports have")
        self.names: dict[int, str] = ast.literal_eval(told["names"])
        self.entry = self.session.get_inputs()[0]
        rows, cols = self.entry.shape[2:]
        self.segments = len(self.session.get_outputs()) > 1
        self.size = (rows, cols) if isinstance(rows, int) and isinstance(cols, int) else None
        self.side = max(ast.literal_eval(told.get("imgsz", "[640]")))
        self.version = f"{path.name} {digest}, score {LEAST}, overlap {OVERLAP}, at most {MOST}"

    def __call__(self, pixels: Pixels) -> Answer:
        """Boxes, and masks of a segmenter."""
        height, width = pixels.shape[:2]
        if self.size:
            rows, cols = self.size
        else:
            scale = self.side / max(height, width)
            rows, cols = (-(-round(n * scale) // STRIDE) * STRIDE for n in (height, width))
        values, (left, top, w, h) = fitted(pixels, rows, cols)
        outputs = self.session.run(None, {self.entry.name: values})
        classes = len(self.names)
        wanted = 4 + classes + (outputs[1].shape[1] if self.segments else 0)
        if outputs[0].ndim != 3 or outputs[0].shape[1] != wanted:
            raise ValueError(
                f"the network's output is {list(outputs[0].shape)}, not [1, {wanted}, n] for {classes} "
                "classes: exports with suppression built in are not for this"
            )
        table = outputs[0][0].T
        scores = table[:, 4 : 4 + classes]
        best = scores.argmax(1)
        score = scores.max(1)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] >= LEAST]
        middle, sides = table[order, :2], table[order, 2:4]
        corners = np.concatenate([middle - sides / 2, middle + sides / 2], 1)
        kept = distinct(corners, best[order], OVERLAP, MOST)
        shift, factor = np.array([left, top] * 2), np.array([width / w, height / h] * 2)
        limits = np.array([width, height] * 2)
        boxes = ((corners[kept] - shift) * factor).clip(0, limits)
        answer: Answer = []
        for box, k in zip(boxes.tolist(), order[kept].tolist(), strict=True):
            x, y, past_x, past_y = box
            answer.append(
                {
                    "label": self.names[int(best[k])],
                    "score": round(float(score[k]), 5),
                    "box": [round(v, 2) for v in (x, y, past_x - x, past_y - y)],
                }
            )
        if self.segments and answer:
            inner = (left / cols, top / rows, (left + w) / cols, (top + h) / rows)
            masks = _masks(table[order[kept], 4 + classes :], outputs[1][0], boxes, (height, width), inner)
            for thing, rle in zip(answer, masks, strict=True):
                thing["rle"] = rle
        return answer


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
        boxes: ``[n, 4]``, corners in pixels of the picture.
        shape: height and width of the picture.
        inner: the part of the prototypes that is the picture: left, top, right, bottom, 0 to 1.
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


MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
CROP = 0.875
BEST = 5


class Classifier:
    """An ImageNet classifier as ONNX, ``[1, 3, h, w]`` or ``[1, h, w, 3]``, on one thread.

    The shorter side is made 8/7 of the input's, the middle is cut out, and the usual mean and deviation
    are taken; labels are the places of the output.  The metadata of the file may hold other ``mean`` and
    ``std`` of values of 0 to 1, and ``crop``, the share of the shorter side.
    """

    def __init__(self, path: Path):
        self.session, digest = _session(path)
        told = self.session.get_modelmeta().custom_metadata_map
        self.mean = np.array(ast.literal_eval(told["mean"])) if "mean" in told else MEAN
        self.deviation = np.array(ast.literal_eval(told["std"])) if "std" in told else DEVIATION
        self.crop = float(told.get("crop", CROP))
        self.entry = self.session.get_inputs()[0]
        self.last = self.entry.shape[3] == 3
        self.side = int(self.entry.shape[1 if self.last else 2])
        self.version = f"{path.name} {digest}"

    def __call__(self, pixels: Pixels) -> Answer:
        """Five labels, best first."""
        height, width = pixels.shape[:2]
        part = min(height, width) * self.crop
        left, top = (width - part) / 2, (height - part) / 2
        box = (left, top, left + part, top + part)
        picture = Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
        values = ((np.asarray(picture) / 255 - self.mean) / self.deviation).astype(np.float32)
        values = values if self.last else values.transpose(2, 0, 1)
        out = self.session.run(None, {self.entry.name: np.ascontiguousarray(values[None])})[0].reshape(-1)
        return np.argsort(-out, kind="stable")[:BEST].tolist()


def judge_of(task: str, network: str, questions: Sequence[str] = ()) -> Judge:
    """The judge of a task by what ``--network`` says.

    Args:
        questions: what is asked of pictures; those of :mod:`.asking` by default.

    Raises:
        ImportError: onnxruntime, torch or the module that is named is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is no such network.
        SdcError: ``E_USAGE`` for an address that is none.
    """
    if task == "restoration":
        denoiser = Denoiser(Path(network))
        return Judge(f"{task} by {denoiser.version}", denoiser, noisy)
    if network.startswith(("http://", "https://")):
        asker = Asker(task, network, questions)
        return Judge(f"{task} by {asker.version}", lambda shown, _: asker(shown))
    if ":" in network and not Path(network).is_file():
        python, version = _python(network)
        return Judge(f"{task} by {network} {version}", lambda shown, _: _with_masks(task, python(shown)))
    if task == "text" and network == "rapidocr":
        reader = Reader()
        return Judge(f"{task} by {reader.version}", lambda shown, _: reader(shown))
    if task == "classification":
        classifier = Classifier(Path(network))
        return Judge(f"{task} by {classifier.version}", lambda shown, _: classifier(shown))
    if task not in ("detection", "segmentation"):
        raise ValueError(f"{network!r} is no network for {task}")
    yolo = Yolo(Path(network))
    if task == "segmentation" and not yolo.segments:
        raise ValueError(f"{network} has no masks")
    return Judge(f"{task} by {yolo.version}", lambda shown, _: yolo(shown))


def _with_masks(task: str, answer: Answer) -> Answer:
    if task == "segmentation" and any("rle" not in thing for thing in answer):
        raise ValueError("an answer has no 'rle', the mask of what was found")
    return answer
