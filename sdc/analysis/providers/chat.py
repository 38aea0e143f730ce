"""Ranking and tags by a chat model, whatever it runs on, and by one behind a chat endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException
from typing import Any

from ...errors import SdcError
from ...notes import Passing
from ...objects.object import Object
from ...types import Level, Pixels
from ..interfaces import Options, Ranked, Scene
from . import prompts
from .endpoint import ChatModel, Endpoint, Message
from .ranking import DefaultRanking
from .replies import CutOff

MOST = 100
"""Objects that a model is asked about; the default ranks the others."""


def _shown(name: str) -> str:
    """Name of a model for the record; that of a file, as llama.cpp gives it, without its folders."""
    is_file = name.startswith(("/", "\\\\", "~")) or name[1:3] in (":/", ":\\")
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_file else name


class ModelRanking:
    """Levels by a model's two answers, whatever the model runs on."""

    def __init__(self, options: Options, model: ChatModel):
        self._options = options
        self._model = model
        self._default = DefaultRanking(options)
        self.prompts = prompts.HASH
        self.exchanges: list[tuple[float, str]] = []
        """Seconds and answer, empty where there was none, of each question about the last image."""

    @property
    def model(self) -> str:
        """Name of the model, once it is known."""
        return _shown(self._model.name)

    def _ask(self, talk: Sequence[Message], image: Pixels | None, schema: dict[str, Any]) -> str:
        """Ask the model, and note how long it took."""
        began, answer = time.perf_counter(), ""
        try:
            answer = self._model.ask(talk, image, schema)
        finally:
            self.exchanges.append((time.perf_counter() - began, answer))
        return answer

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        """Ask for captions, then for levels; once more if the answer cannot be used as it is.

        What is still missing gets its level from the default, and a warning says so.

        Raises:
            OSError, ValueError: from the model.
        """
        self.exchanges = []
        height, width = scene.pixels.shape[:2]
        default = self._default.rank(scene, objects)
        by_level = sorted(range(len(objects)), key=lambda k: (default.objects[k].level or Level.L1, k))
        asked = sorted(by_level[:MOST])
        found = prompts.table([objects[k] for k in asked], width, height)
        blind = self._options.text_only
        image = None if blind else scene.pixels
        describe = (f"{prompts.BLIND}{found}\n" if blind else "") + prompts.DESCRIBE
        talk: list[Message] = [
            {"role": "system", "content": prompts.ROLE},
            {"role": "user", "content": describe},
        ]
        try:
            captions = prompts.read_captions(self._ask(talk, image, prompts.CAPTIONS_SCHEMA))
            warnings = [] if captions else ["the answer to the first question has no caption"]
        except CutOff as error:
            captions, warnings = {}, [f"there are no captions: {error}"]
        warnings += getattr(self._model, "notes", [])
        purpose = f"{prompts.SERVE}{self._options.purpose}\n" if self._options.purpose else ""
        # What was understood of the first answer goes back, not whatever else it held.
        talk += [
            {"role": "assistant", "content": json.dumps(captions, ensure_ascii=False)},
            {"role": "user", "content": f"{prompts.RANK}\n{purpose}{found}"},
        ]
        levels, wrong = self._levels(talk, image, len(asked))
        if wrong:
            warnings.append(type(wrong)(f"of the answer to the second question, {wrong}"))
        ranked = list(default.objects)
        for k, (level, reason) in levels.items():
            ranked[asked[k]] = replace(objects[asked[k]], level=level, reason=reason)
        if len(levels) < len(objects):
            missing = len(objects) - len(levels)
            warnings.append(f"{missing} of {len(objects)} objects have their levels from the default")
        return Ranked(ranked, captions, tuple(warnings))

    def _levels(
        self, talk: Sequence[Message], image: Pixels | None, count: int
    ) -> tuple[dict[int, tuple[Level, str]], str]:
        """Levels of so many objects; the model is asked again for those that its first answer lacks.

        Returns:
            ``({id: (level, reason)}, what is still wrong)``, as :func:`.prompts.read_levels`.
        """
        schema = prompts.levels_schema(count)
        answer = self._ask(talk, image, schema)
        levels, wrong = prompts.read_levels(answer, count)
        if not wrong:
            return levels, ""
        talk = [
            *talk,
            {"role": "assistant", "content": answer[: 4 * prompts.LONGEST_CAPTION]},
            {"role": "user", "content": f"{prompts.AGAIN}{wrong}. {prompts.RANK}"},
        ]
        try:
            better, wrong = prompts.read_levels(self._ask(talk, image, schema), count)
        except (OSError, ValueError, HTTPException) as error:
            better, wrong = {}, Passing(f"{wrong}; asked again: {error}")
        return {**levels, **better}, wrong


class ChatRanking(ModelRanking):
    """Levels by a model behind a chat endpoint."""

    def __init__(self, options: Options):
        super().__init__(options, Endpoint(options))


class ModelTags:
    """What to look for, by a model that sees the image."""

    def __init__(self, options: Options, model: ChatModel):
        if options.text_only:
            raise SdcError("E_USAGE", "a model that sees nothing cannot say what is in an image", "--tags")
        self._model = model
        self.prompts = prompts.HASH

    @property
    def model(self) -> str:
        """Name of the model, once it is known."""
        return _shown(self._model.name)

    def suggest(self, scene: Scene) -> list[str]:
        """At most twenty words.

        Raises:
            OSError, ValueError: from the model.
        """
        talk = [{"role": "system", "content": prompts.ROLE}, {"role": "user", "content": prompts.TAG}]
        return prompts.read_tags(self._model.ask(talk, scene.pixels, prompts.TAGS_SCHEMA))


class ChatTags(ModelTags):
    """What to look for, by a model behind a chat endpoint."""

    def __init__(self, options: Options):
        super().__init__(options, Endpoint(options))
