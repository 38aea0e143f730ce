"""Evaluators: networks that look at a coded image and answer, in the form of :mod:`.base`.

``--network`` is an ONNX file, for text ``rapidocr``, for captions and questions the address of a chat
endpoint (:mod:`.chat`), or, but for restoration, ``module:name`` of a Python callable that answers so.
Answers are kept under its attribute ``version`` if it has one, else under the hash of its module's file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from sdc.types import Pixels

from .base import NOBODY, Answer, Evaluator
from .chat import Asker
from .classifier import Classifier
from .restoration import Denoiser, noisy
from .text import Reader
from .yolo import Yolo

__all__ = ["NOBODY", "Answer", "Evaluator", "evaluator_of"]


def evaluator_of(task: str, network: str, questions: Sequence[str] = ()) -> Evaluator:
    """The evaluator of a task by what ``--network`` says.

    Args:
        questions: what is asked of images; those of :mod:`.chat` by default.

    Raises:
        ImportError: torch or the module that is named is not installed.
        FileNotFoundError: there is no such file of weights.
        ValueError: it is no such network.
        SdcError: ``E_USAGE`` where onnxruntime is not installed, and for a file or an address that is none,
            ``E_INPUT`` where there is no such file.
    """
    if task == "restoration":
        denoiser = Denoiser(Path(network))
        return Evaluator(f"{task} by {denoiser.version}", denoiser, noisy)
    if network.startswith(("http://", "https://")):
        asker = Asker(task, network, questions)
        return Evaluator(f"{task} by {asker.version}", lambda shown, _: asker(shown))
    if ":" in network and not Path(network).is_file():
        python, version = _python(network)
        return Evaluator(f"{task} by {network} {version}", lambda shown, _: _with_masks(task, python(shown)))
    if task == "text" and network == "rapidocr":
        reader = Reader()
        return Evaluator(f"{task} by {reader.version}", lambda shown, _: reader(shown))
    if task == "classification":
        classifier = Classifier(Path(network))
        return Evaluator(f"{task} by {classifier.version}", lambda shown, _: classifier(shown))
    if task not in ("detection", "segmentation"):
        raise ValueError(f"{network!r} is no network for {task}")
    yolo = Yolo(Path(network))
    if task == "segmentation" and not yolo.segments:
        raise ValueError(f"{network} has no masks")
    return Evaluator(f"{task} by {yolo.version}", lambda shown, _: yolo(shown))


def _with_masks(task: str, answer: Answer) -> Answer:
    if task == "segmentation" and any("rle" not in thing for thing in answer):
        raise ValueError("an answer has no 'rle', the mask of what was found")
    return answer


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
