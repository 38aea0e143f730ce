"""Networks of transformers: Grounding DINO, SAM, SAM 2, and multimodal models of the InternVL family.

Each is named by a folder or by its name at the hub, from where transformers brings it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import SdcError
from ...objects.object import Object
from ..interfaces import Options, Scene
from ..masks import cut_to_mask
from ..optional import need
from .chat import Message, ModelRanking, ModelTags, shrunk
from .detector import one_line

DINO = "IDEA-Research/grounding-dino-tiny"
SAM = "facebook/sam-vit-base"
SAM2 = "facebook/sam2.1-hiera-small"

SCORE = 0.3
"""Boxes of Grounding DINO of a lower score are left out."""


WORDS = 0.25
"""Words of a lower score are left out of a label."""


AT_ONCE = 16
"""Words in one question to Grounding DINO, and boxes in one question to SAM."""


TOKENS = 2048


def _load(extra: str, options: Options, name: str, *classes: str) -> list[Any]:
    """Parts of a network, such as its processor and itself.

    Raises:
        SdcError: ``E_USAGE`` when transformers or torch is missing, ``E_INPUT`` when the network is.
    """
    need("torch", extra)
    import_module("sdc.analysis.providers._torchvision")
    transformers = need("transformers", extra)
    parts = []
    for wanted in classes:
        try:
            kind = getattr(transformers, wanted)
        except Exception as error:  # transformers is too old for it, or what it needs is not right
            raise SdcError("E_USAGE", f"this transformers has no {wanted}: {one_line(error)}", name) from None
        try:
            part = kind.from_pretrained(name)
        except Exception as error:  # from files, from the hub, from the configuration
            raise SdcError("E_INPUT", f"could not load the network: {one_line(error)}", name) from None
        parts.append(part.to(options.device).eval() if hasattr(part, "eval") else part)
    return parts


def _inputs(values: Any, model: Any) -> Any:
    """What a processor gives, on the model's device and of its number type where it is no integer."""
    return values.to(model.device, model.dtype)


class GroundingDino:
    """Boxes of what words name: an open vocabulary."""

    def __init__(self, options: Options):
        self.model = options.grounding_model or DINO
        self._processor, self._network = _load(
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
                result = self._network(**_inputs(values, self._network))
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


class _Segmenter:
    """Masks of boxes, by a network of the SAM family."""

    def __init__(self, options: Options, usual: str, processor: str, network: str):
        self.model = options.masks_model or usual
        self._processor, self._network = _load("grounding", options, self.model, processor, network)

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
                result = self._network(**_inputs(values, self._network))
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


class _InProcess:
    """A multimodal model of transformers as something that answers messages."""

    def __init__(self, options: Options):
        if not options.model:
            raise SdcError("E_USAGE", "needs a model: --chat-model NAME, such as OpenGVLab/InternVL3-1B-hf")
        self.name = options.model
        self._processor, self._network = _load(
            "lmm", options, self.name, "AutoProcessor", "AutoModelForImageTextToText"
        )

    def ask(
        self, messages: Sequence[Message], picture: npt.NDArray[np.uint8] | None, schema: dict[str, Any]
    ) -> str:
        """The text of its answer; the schema is told by the prompt alone."""
        import torch

        talk = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
        if picture is not None:
            first = next(m for m in talk if m["role"] == "user")
            first["content"].insert(0, {"type": "image", "image": shrunk(picture)})
        values = self._processor.apply_chat_template(
            talk, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        with torch.inference_mode():
            tokens = self._network.generate(
                **_inputs(values, self._network), max_new_tokens=TOKENS, do_sample=False
            )
        answer = tokens[0, values["input_ids"].shape[1] :]
        return str(self._processor.decode(answer, skip_special_tokens=True))


class InternRanking(ModelRanking):
    """Levels by a multimodal model in this process."""

    def __init__(self, options: Options):
        super().__init__(options, _InProcess(options))


class InternTags(ModelTags):
    """What to look for, by a multimodal model in this process."""

    def __init__(self, options: Options):
        super().__init__(options, _InProcess(options))
