"""Grounding DINO of transformers: boxes of what words name."""

from __future__ import annotations

from collections.abc import Sequence

from ...objects.object import Object
from ..interfaces import Options, Scene
from ._transformers import inputs_of, load_parts
from .endpoint import shrunk

DINO = "IDEA-Research/grounding-dino-tiny"

SCORE = 0.3
"""Boxes of Grounding DINO of a lower score are left out."""

WORDS = 0.25
"""Words of a lower score are left out of a label."""

AT_ONCE = 16
"""Words in one question."""


class GroundingDino:
    """Boxes of what words name: an open vocabulary."""

    def __init__(self, options: Options):
        self.model = options.grounding_model or DINO
        self._processor, self._network = load_parts(
            "grounding", options, self.model, "AutoProcessor", "AutoModelForZeroShotObjectDetection"
        )

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        """Objects that the words name, by score.

        Raises:
            ValueError: there are no words.
        """
        import torch

        if not words:
            raise ValueError("an open vocabulary needs words: --find, --vocabulary or --tags")
        height, width = scene.pixels.shape[:2]
        out = []
        for first in range(0, len(words), AT_ONCE):
            named = [word.strip().lower().rstrip(".") for word in words[first : first + AT_ONCE]]
            text = ". ".join(named) + "."
            values = self._processor(images=shrunk(scene.pixels), text=text, return_tensors="pt")
            with torch.inference_mode():
                result = self._network(**inputs_of(values, self._network))
            # The scores are read from the logits: the processors' own functions differ between versions.
            logits = result.logits[0].float().sigmoid().cpu().numpy()
            boxes = result.pred_boxes[0].float().cpu().numpy()
            tokens = values["input_ids"][0].tolist()
            for row, (x, y, w, h) in zip(logits, boxes, strict=True):
                score = float(row[: len(tokens)].max())
                if score < SCORE:
                    continue
                kept = [t for t, s in zip(tokens, row, strict=False) if s >= WORDS]
                label = self._label(kept, named)
                left, top = max(0, round((x - w / 2) * width)), max(0, round((y - h / 2) * height))
                right, bottom = (
                    min(width, round((x + w / 2) * width)),
                    min(height, round((y + h / 2) * height)),
                )
                if left < right and top < bottom:
                    out.append(Object(label, (left, top, right - left, bottom - top), None, min(score, 1.0)))
        return sorted(out, key=lambda thing: -thing.score)

    def _label(self, tokens: list[int], words: Sequence[str]) -> str:
        """The word that the tokens are of, or what they spell."""
        text = str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True)).strip(" .")
        for word in words:
            if text and (text in word or word in text):
                return word
        return text or "object"
