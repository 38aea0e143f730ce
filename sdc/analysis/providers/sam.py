"""SAM and SAM 2 of transformers: masks of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...objects.object import Object
from ..interfaces import Options, Scene
from ..masks import cut_to_mask
from ._transformers import inputs_of, load_parts

SAM = "facebook/sam-vit-base"

SAM2 = "facebook/sam2.1-hiera-small"

AT_ONCE = 16
"""Boxes in one question."""


class _Segmenter:
    """Masks of boxes, by a network of the SAM family."""

    def __init__(self, options: Options, usual: str, processor: str, network: str):
        self.model = options.masks_model or usual
        self._processor, self._network = load_parts("grounding", options, self.model, processor, network)

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        """The objects that have no mask with the best of those that the network gives for their boxes.

        Masks are cut to their boxes; an empty one leaves the box.
        """
        import torch

        bare = [k for k, thing in enumerate(objects) if thing.mask is None]
        out = list(objects)
        for first in range(0, len(bare), AT_ONCE):
            some = bare[first : first + AT_ONCE]
            corners = [_corners(objects[k]) for k in some]
            values = self._processor(scene.pixels, input_boxes=[corners], return_tensors="pt")
            with torch.inference_mode():
                result = self._network(**inputs_of(values, self._network))
            masks = self._masks(result, values)[0]
            scores = result.iou_scores[0].float().cpu().numpy()
            for k, several, score in zip(some, masks, scores, strict=True):
                x, y, w, h = objects[k].box
                best = np.asarray(several[int(score.argmax())]).astype(bool)[y : y + h, x : x + w]
                if best.any():
                    out[k] = cut_to_mask(replace(objects[k], mask=best))
        return out

    def _masks(self, result: Any, values: Any) -> Any:
        return self._processor.post_process_masks(result.pred_masks.cpu(), values["original_sizes"])


def _corners(thing: Object) -> list[float]:
    x, y, w, h = thing.box
    return [float(x), float(y), float(x + w), float(y + h)]


class Sam(_Segmenter):
    """SAM (Kirillov et al. 2023)."""

    def __init__(self, options: Options):
        super().__init__(options, SAM, "SamProcessor", "SamModel")

    def _masks(self, result: Any, values: Any) -> Any:
        return self._processor.image_processor.post_process_masks(
            result.pred_masks.cpu(), values["original_sizes"], values["reshaped_input_sizes"]
        )


class Sam2(_Segmenter):
    """SAM 2 (Ravi et al. 2024)."""

    def __init__(self, options: Options):
        super().__init__(options, SAM2, "Sam2Processor", "Sam2Model")
