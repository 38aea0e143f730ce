"""Multimodal models of the InternVL family, of transformers, in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import SdcError
from ...types import Pixels
from ..interfaces import Options
from ._transformers import inputs_of, load_parts
from .chat import ModelRanking, ModelTags
from .endpoint import Message, shrunk

TOKENS = 2048


class _InProcess:
    """A multimodal model of transformers as something that answers messages."""

    def __init__(self, options: Options):
        if not options.model:
            raise SdcError("E_USAGE", "needs a model: --chat-model NAME, such as OpenGVLab/InternVL3-1B-hf")
        self.name = options.model
        self._processor, self._network = load_parts(
            "lmm", options, self.name, "AutoProcessor", "AutoModelForImageTextToText"
        )

    def ask(self, messages: Sequence[Message], image: Pixels | None, schema: dict[str, Any]) -> str:
        """The text of its answer; the schema is told by the prompt alone."""
        import torch

        talk = [{**m, "content": [{"type": "text", "text": m["content"]}]} for m in messages]
        if image is not None:
            first = next(m for m in talk if m["role"] == "user")
            first["content"].insert(0, {"type": "image", "image": shrunk(image)})
        values = self._processor.apply_chat_template(
            talk, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        with torch.inference_mode():
            tokens = self._network.generate(
                **inputs_of(values, self._network), max_new_tokens=TOKENS, do_sample=False
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
