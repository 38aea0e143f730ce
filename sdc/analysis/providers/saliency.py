"""Networks that say how much each pixel stands out, as ONNX files, through onnxruntime.

U2-Net and its small form U2-Netp (Qin et al. 2020) are such networks, and others for salient objects keep to
the same signature: the input is ``[1, 3, h, w]``, the image scaled to it whatever its shape, divided by its
largest sample, less the mean and divided by the deviation of ImageNet; the first output is one map,
``[1, 1, h, w]`` or ``[1, h, w]``, higher for what stands out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ...errors import SdcError
from ...objects.object import Object
from ..detectors.network import session_of
from ..interfaces import Options, Scene
from ..regions import regions_of
from .salient import SalientRegions

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

SIDE = 320
"""Side of the input where the network leaves it open."""


SHARE = 0.7
"""Weight of the network's map; the rest is that of the built-in default, which orders what the network leaves
at 0."""


THRESHOLD = 0.127
"""Cells of this weighted mean are in a region; with U2-Netp these are as many as those of the default."""


class SaliencyNetwork(SalientRegions):
    """A network of salient objects in an ONNX file; its regions are made like those of the default.

    Raises:
        SdcError: ``E_USAGE`` when onnxruntime is not installed or the file is no such network, ``E_INPUT``
            when there is no such file.
    """

    def __init__(self, options: Options):
        self.session, self.model, _ = session_of(options.saliency, "saliency", "--saliency")
        self.entry = self.session.get_inputs()[0]
        shape = self.entry.shape
        if len(self.session.get_inputs()) != 1 or len(shape) != 4 or shape[1] != 3:
            raise SdcError(
                "E_USAGE",
                "the network does not take an image: its input is not [1, 3, height, width]",
                options.saliency,
            )
        self.size = tuple(n if isinstance(n, int) else SIDE for n in shape[2:])

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Regions that stand out, of whole cells; none where the network's map has one value.

        Raises:
            ValueError: the output is not one map.
        """
        height, width = scene.pixels.shape[:2]
        rows, cols = self.size
        image = Image.fromarray(scene.pixels).resize((cols, rows), Image.Resampling.BILINEAR)
        values = np.asarray(image, np.float32)
        values = (values / max(float(values.max()), 1.0) - np.array(MEAN, np.float32)) / np.array(
            DEVIATION, np.float32
        )
        kind = np.float16 if self.entry.type == "tensor(float16)" else np.float32
        first = self.session.get_outputs()[0].name
        out = self.session.run([first], {self.entry.name: values.transpose(2, 0, 1)[None].astype(kind)})[0]
        found = np.asarray(out, np.float32)
        if found.ndim < 2 or found.size != found.shape[-2] * found.shape[-1] or not np.isfinite(found).all():
            raise ValueError("the first output is not one map of how much each pixel stands out")
        found = found.reshape(found.shape[-2:])
        low, high = float(found.min()), float(found.max())
        if high - low < 1e-6:
            return []
        down, across = scene.saliency.cells.shape
        cells = Image.fromarray((found - low) / (high - low)).resize((across, down), Image.Resampling.BOX)
        mixed = SHARE * np.asarray(cells) + (1 - SHARE) * scene.saliency.cells
        mixed_map = replace(scene.saliency, cells=mixed.astype(np.float32), flat=False)
        return regions_of(mixed_map, width, height, THRESHOLD)
