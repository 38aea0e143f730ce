"""Detectors and segmenters in ONNX files, through onnxruntime, in the layouts of :mod:`..detectors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import SdcError
from ...objects.classes import COCO, COCO_IDS
from ...objects.object import Object
from ...objects.raster import polygon_shape
from ...objects.values import Bools, Box, Frame
from ...types import MAX_LABEL
from ..detectors.adapters import Adapter, chosen
from ..detectors.boxes import Boxes, Floats, NoNumbers, Preparation, Reading
from ..detectors.network import Network, Placed, session_of
from ..interfaces import Options, Scene, Unusable
from ..masks import cut_to_mask

SCORE = 0.25
"""Boxes of a lower score are left out."""


OVERLAP = 0.5
"""Of two boxes of a class that have more than this intersection over union, the worse one is left out."""


MOST = 100

_NAMES_BY_ID = {number: name for name, number in COCO_IDS.items()}


class Detector:
    """A network in an ONNX file.

    Attributes:
        notes: what was assumed or left out of the outputs for the last image, in words.

    Raises:
        SdcError: ``E_USAGE`` when onnxruntime is not installed or the file is no network with a known layout
            of outputs, ``E_INPUT`` when there is no such file.
    """

    def __init__(self, options: Options):
        self.path = options.detector
        session, self.model, told = session_of(self.path, "detector", "--detector")
        self.network = Network.of(session, told, self.path)
        self.adapter: Adapter | None = None
        self.reading: Reading | None = None
        if self.network.outputs:
            self.adapter, self.reading = chosen(self.network, self.path)
        self.notes: list[str] = []

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Objects with boxes, those of a segmenter with masks; of the words only, if there are any.

        Raises:
            ValueError: the outputs hold no numbers.
            Unusable: they are not in the layout that they had.
        """
        adapter, reading = self._layout(scene)
        placed = self.network.placed(scene.pixels, reading.preparation)
        outputs = [output.value for output in self.network.run(placed.array)]
        try:
            with np.errstate(all="ignore"):
                found = reading.read(outputs, SCORE)
        except NoNumbers:
            raise
        except ValueError as error:
            message = f"its outputs are not those of {adapter.name} for this image: {error}"
            raise Unusable(SdcError("E_USAGE", message, self.path)) from None
        self.notes = [*self.network.notes]
        if found.broken:
            self.notes.append(f"rows of the detector that are no numbers are left out: {found.broken}")
        corners = _in_image(found.corners, placed, scene.pixels.shape)
        labels = found.labels.tolist()
        wanted = np.arange(len(corners))
        if words:
            named = {word.casefold() for word in words}
            right = [self._name(label, found).casefold() in named for label in labels]
            wanted = np.flatnonzero(np.array(right, bool))
            self._note_words(words, found)
        if found.distinct:
            kept = wanted[:MOST]
        else:
            kept = wanted[distinct(corners[wanted], found.labels[wanted], OVERLAP, MOST)]
        self._note_names(found, found.labels[kept].tolist())
        return [self._object(k, found, corners[k], placed, scene) for k in kept.tolist()]

    def _layout(self, scene: Scene) -> tuple[Adapter, Reading]:
        """The layout of the outputs, for which a network that failed with a drawn image is tried with this.

        Raises:
            Unusable: no layout is known.
        """
        if self.adapter is None or self.reading is None:
            self.network.outputs = self.network.run(self.network.placed(scene.pixels, Preparation()).array)
            try:
                self.adapter, self.reading = chosen(self.network, self.path)
            except SdcError as error:
                raise Unusable(error) from None
        return self.adapter, self.reading

    def _object(self, k: int, found: Boxes, corners: Floats, placed: Placed, scene: Scene) -> Object:
        height, width = scene.pixels.shape[:2]
        x0, y0 = np.floor(corners[:2] + 0.5).astype(int).clip(0, (width - 1, height - 1)).tolist()
        x1, y1 = np.floor(corners[2:] + 0.5).astype(int).clip(0, (width, height)).tolist()
        box = (x0, y0, max(1, x1 - x0), max(1, y1 - y0))
        name = self._name(int(found.labels[k]), found)
        thing = Object(name, box, None, float(np.clip(found.scores[k], 0, 1)))
        if found.outlines is not None:
            outline = _in_image(np.tile(found.outlines[k], 2), placed, scene.pixels.shape)[:, :2]
            shape = polygon_shape([outline.ravel().tolist()], "", Frame(width, height))
            return thing if shape is None else replace(thing, box=shape[0], mask=shape[1])
        mask = self._mask(k, found, box, placed, scene)
        # An empty mask leaves the box.
        return thing if mask is None or not mask.any() else cut_to_mask(replace(thing, mask=mask))

    def _mask(self, k: int, found: Boxes, box: Box, placed: Placed, scene: Scene) -> Bools | None:
        """Pixels of an object in its box, of a segmenter."""
        if found.prototypes is not None:
            # Logits of the input's size, of which the box is cut out and brought to the image's size.
            values, least = np.tensordot(found.coefficients[k], found.prototypes, 1), 0.0
        elif found.masks is not None:
            values, least = found.masks[k], 0.5
        else:
            return None
        height, width = scene.pixels.shape[:2]
        across, down = values.shape[1] / self.network.cols, values.shape[0] / self.network.rows
        part = (
            (placed.left + box[0] * placed.width / width) * across,
            (placed.top + box[1] * placed.height / height) * down,
            (placed.left + (box[0] + box[2]) * placed.width / width) * across,
            (placed.top + (box[1] + box[3]) * placed.height / height) * down,
        )
        whole = Image.fromarray(values.astype(np.float32))
        mask: Bools = np.asarray(whole.resize(box[2:], Image.Resampling.BILINEAR, box=part)) > least
        return mask

    def _name(self, number: int, found: Boxes) -> str:
        names = self.network.names
        if number in names:
            return names[number].encode()[:MAX_LABEL].decode("utf-8", "ignore")
        if not names and found.classes == len(COCO):
            return COCO[number]
        if not names and found.of_ids and number in _NAMES_BY_ID:
            return _NAMES_BY_ID[number]
        return f"class {number}"

    def _note_words(self, words: Sequence[str], found: Boxes) -> None:
        """Say which words are the name of no class, where all classes have names."""
        names = self.network.names
        coco = not names and found.classes == len(COCO)
        if not coco and not 0 < found.classes <= len(names):
            return
        known = {name.casefold() for name in (COCO if coco else names.values())}
        unknown = [word for word in words if word.casefold() not in known]
        if unknown:
            self.notes.append(f"the detector has no class {', '.join(unknown[:3])}, so it finds none")

    def _note_names(self, found: Boxes, labels: Sequence[int]) -> None:
        """Say what is assumed of the names of some classes."""
        names = self.network.names
        if not labels or (not names and found.classes == len(COCO)):
            return
        if names:
            lacking = sorted({label for label in labels if label not in names})
            if lacking:
                shown = ", ".join(map(str, lacking[:3]))
                self.notes.append(
                    f"the detector names {len(names)} classes, and class {shown} is none of them"
                )
            elif found.classes > len(names):
                self.notes.append(f"the detector names {len(names)} of its {found.classes} classes")
        elif found.of_ids:
            self.notes.append("the detector names no classes; they are taken as COCO's category ids")
        else:
            self.notes.append("the detector names no classes, so that objects have their numbers")


def _in_image(corners: Floats, placed: Placed, shape: Sequence[int]) -> Floats:
    """Corners ``[n, 4]`` in pixels of the image, of ones in pixels of the input."""
    moved = corners.astype(np.float32) - np.array([placed.left, placed.top] * 2, np.float32)
    moved[:, 0::2] *= shape[1] / placed.width
    moved[:, 1::2] *= shape[0] / placed.height
    return moved


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
