"""Captions of images, and answers to questions about them, by a chat model.

``--task captions`` or ``questions`` with ``--network http://localhost:8000/v1#MODEL``; without ``#MODEL``
that of ``SDC_CHAT_MODEL`` is asked, and ``SDC_CHAT_KEY`` is the key.
The client is that of the analysis (:mod:`sdc.analysis.providers.endpoint`), which sends a JPEG of at most 768
pixels a side, of the original as of what was decoded.
What is compared are the words, as in SQuAD (Rajpurkar et al., 2016): small letters, without punctuation and
articles.  A caption that is not given as asked is all that the model said; an answer to a question that is
not given as asked is empty.  Where it has no words for the original, or says of a question that it does not
know, there is nothing to compare, and the image or the question is left out of the scores.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sdc.analysis import Options
from sdc.analysis.providers.endpoint import QUALITY, SIDE, Endpoint
from sdc.analysis.providers.prompts import find_json
from sdc.types import Pixels

ROLE = "You look at images. You answer with one JSON object and nothing else."
CAPTION = 'Describe the image in one sentence. Answer as {"caption": "..."}.'
ASK = (
    "Answer questions about the image in their order, each in as few words as possible, and with unknown "
    'where it does not show. Answer as {"answers": ["...", "..."]}. The questions: '
)
QUESTIONS = (
    "What is the main thing in the image?",
    "How many people are there, as a number?",
    "What else is there, in one word?",
    "What happens, in one word?",
    "Is it indoors or outdoors?",
    "What is the main thing's colour?",
)
"""What is asked without ``--questions``."""
SECONDS = 120.0


def _schema(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}


def options_of(network: str) -> Options:
    """How the analysis asks the same model.

    Args:
        network: ``URL#MODEL``.

    Raises:
        ValueError: no model is named.
    """
    url, _, model = network.partition("#")
    model = model or os.environ.get("SDC_CHAT_MODEL", "")
    if not model:
        raise ValueError(f"{network} names no model: {network}#MODEL, or SDC_CHAT_MODEL")
    return Options(url=url, model=model, key=os.environ.get("SDC_CHAT_KEY", ""), timeout=SECONDS)


class Asker:
    """A chat model behind an endpoint that is asked about images.

    Args:
        task: ``captions`` or ``questions``.
        network: ``URL#MODEL``.
        questions: ``QUESTIONS`` where there are none.

    Raises:
        SdcError: ``E_USAGE`` when the address is none.
        ValueError: no model is named, or there is no such task for one.
    """

    def __init__(self, task: str, network: str, questions: Sequence[str] = ()):
        if task not in ("captions", "questions"):
            raise ValueError(f"a chat endpoint is asked for captions or questions, not for {task}")
        options = options_of(network)
        self.endpoint = Endpoint(options)
        self.questions = tuple(questions) or QUESTIONS
        self.text, self.schema = CAPTION, _schema("caption", {"type": "string"})
        if task == "questions":
            count = len(self.questions)
            self.text = ASK + json.dumps(self.questions, ensure_ascii=False)
            items = {"type": "array", "minItems": count, "maxItems": count, "items": {"type": "string"}}
            self.schema = _schema("answers", items)
        self.task = task
        prompts = hashlib.sha256(f"{ROLE}\n{self.text}".encode()).hexdigest()[:12]
        self.version = f"{options.model}, prompts {prompts}, images of {SIDE} pixels as JPEG of {QUALITY}"

    def __call__(self, pixels: Pixels) -> list[str]:
        """A caption alone, or an answer to each question; see the module for what is not as asked.

        Raises:
            OSError, ValueError: from the endpoint.
        """
        talk = [{"role": "system", "content": ROLE}, {"role": "user", "content": self.text}]
        said = self.endpoint.ask(talk, pixels, self.schema)
        if self.task == "captions":
            caption = (find_json(said, "caption") or {"caption": said})["caption"]
            return [caption if isinstance(caption, str) else ""]
        found = (find_json(said, "answers") or {}).get("answers")
        answers = [a if isinstance(a, str) else "" for a in found] if isinstance(found, list) else []
        return (answers + [""] * len(self.questions))[: len(self.questions)]


def words_of(text: str) -> list[str]:
    """The words of a text, without articles."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in ("a", "an", "the")]


def says_something(text: str, question: bool) -> bool:
    """Whether a text has words, and, where a question was asked, others than that nobody knows."""
    words = words_of(text)
    return bool(words) and not (question and words == ["unknown"])


def words_in_common(a: str, b: str) -> float:
    """How many words two texts share, 0 to 1: twice those in both, of those of both (F1)."""
    one, two = Counter(words_of(a)), Counter(words_of(b))
    count = one.total() + two.total()
    return 2 * (one & two).total() / count if count else 1.0
