"""ImageNet classifiers as ONNX."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.analysis.detectors.network import session_of
from sdc.types import Pixels

from .base import Answer

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
        self.session, self.version, told = session_of(str(path), "classifier", "--network", threads=1)
        self.mean = np.array(ast.literal_eval(told["mean"])) if "mean" in told else MEAN
        self.deviation = np.array(ast.literal_eval(told["std"])) if "std" in told else DEVIATION
        self.crop = float(told.get("crop", CROP))
        self.entry = self.session.get_inputs()[0]
        self.last = self.entry.shape[3] == 3
        self.side = int(self.entry.shape[1 if self.last else 2])

    def __call__(self, pixels: Pixels) -> Answer:
        """Five labels, best first."""
        height, width = pixels.shape[:2]
        part = min(height, width) * self.crop
        left, top = (width - part) / 2, (height - part) / 2
        box = (left, top, left + part, top + part)
        image = Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
        values = ((np.asarray(image) / 255 - self.mean) / self.deviation).astype(np.float32)
        values = values if self.last else values.transpose(2, 0, 1)
        out = self.session.run(None, {self.entry.name: np.ascontiguousarray(values[None])})[0].reshape(-1)
        return np.argsort(-out, kind="stable")[:BEST].tolist()
