"""Ranking and tags by a multimodal model, through any chat endpoint of OpenAI's form.

vLLM, LMDeploy, llama.cpp and Ollama offer one.
"""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from PIL import Image

from ...errors import SdcError
from ...objects.object import Object
from ...types import Level
from ..ranking import DefaultRanking
from ..steps import Options, Ranked, Scene
from . import prompts

SIDE = 768
"""Longer side of the picture that is sent, at most."""


QUALITY = 85

REQUESTS = 3
"""How often a request is sent when the server is busy or breaks off."""


WAIT = 0.5
"""Seconds before the second request; twice as many before the third."""


LONGEST_WAIT = 10.0
LARGEST_ANSWER = 1 << 20
TOKENS = 4096

MOST = 100
"""Objects that a model is asked about; the default ranks the others."""


BUSY = (408, 425, 429, 500, 502, 503, 504)
Message = dict[str, Any]


class Model(Protocol):
    """Something that answers messages."""

    name: str

    def ask(
        self, messages: Sequence[Message], picture: npt.NDArray[np.uint8] | None, schema: dict[str, Any]
    ) -> str:
        """The text of its answer.

        Args:
            messages: ``role`` and ``content``, as text.
            picture: ``uint8 [H, W, 3]``, which belongs to the first message of the user.
            schema: JSON Schema that the answer is to keep.
        """


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, or the key would go where they lead."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def shrunk(picture: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture of at most :data:`SIDE` pixels a side."""
    image = Image.fromarray(picture)
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return image


class Endpoint:
    """A chat endpoint.

    Raises:
        SdcError: ``E_USAGE`` when the address is none of HTTP.
    """

    def __init__(self, options: Options):
        try:
            parts = urlsplit(options.url)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SdcError("E_USAGE", "needs an address such as http://localhost:8000/v1", "--chat")
        self.url = options.url.rstrip("/").removesuffix("/chat/completions")
        self.name = options.model
        self.timeout = options.timeout
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if options.key:
            if not options.key.isascii() or not options.key.isprintable():
                raise SdcError("E_USAGE", "the key has characters that no key has", "--chat-key")
            self._headers["Authorization"] = f"Bearer {options.key}"
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._schemas = True

    def ask(
        self, messages: Sequence[Message], picture: npt.NDArray[np.uint8] | None, schema: dict[str, Any]
    ) -> str:
        """The text of the answer.

        Raises:
            OSError: the server cannot be reached, refuses, or is too slow.
            ValueError: it answers something else than a chat completion.
        """
        if not self.name:
            listed = self._request("/models", None).get("data")
            first = listed[0] if isinstance(listed, list) and listed else None
            if not isinstance(first, dict) or not isinstance(first.get("id"), str):
                raise ValueError("the server names no model; --chat-model NAME does")
            self.name = first["id"]
        sent = [dict(message) for message in messages]
        if picture is not None:
            file = io.BytesIO()
            shrunk(picture).save(file, "JPEG", quality=QUALITY)
            url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
            first = next(message for message in sent if message["role"] == "user")
            first["content"] = [
                {"type": "text", "text": first["content"]},
                {"type": "image_url", "image_url": {"url": url}},
            ]
        body: dict[str, Any] = {
            "model": self.name,
            "messages": sent,
            "temperature": 0,
            "max_tokens": TOKENS,
        }
        if self._schemas:
            form = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        try:
            answer = self._request("/chat/completions", body)
        except urllib.error.HTTPError as error:
            if error.code not in (400, 422) or not self._schemas:
                raise
            # Some servers know no schemas; prompts say what is wanted, too.
            self._schemas = False
            return self.ask(messages, picture, schema)
        try:
            text = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            text = None
        if not isinstance(text, str):
            raise ValueError("the server's answer has no text")
        return text

    def _request(self, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        """A request, sent again when the server is busy or breaks off."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self._headers)
        for attempt in range(REQUESTS):
            wait = WAIT * 2**attempt
            try:
                return self._exchange(request)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code not in BUSY or attempt == REQUESTS - 1:
                    raise
                asked = error.headers.get("Retry-After", "")
                wait = max(wait, float(asked)) if asked.isdecimal() else wait
            except TimeoutError:
                raise
            except (OSError, HTTPException) as error:
                slow = isinstance(error, urllib.error.URLError) and isinstance(error.reason, TimeoutError)
                if slow or attempt == REQUESTS - 1:
                    raise
            time.sleep(min(wait, LONGEST_WAIT))
        raise AssertionError

    def _exchange(self, request: urllib.request.Request) -> dict[str, Any]:
        """Send a request and read the answer, all within the time allowed."""
        end = time.monotonic() + self.timeout
        with self._opener.open(request, timeout=self.timeout) as response:
            parts, size = [], 0
            while part := response.read1(1 << 16):
                parts.append(part)
                size += len(part)
                if size > LARGEST_ANSWER:
                    raise ValueError(f"the server's answer is longer than {LARGEST_ANSWER} bytes")
                if time.monotonic() > end:
                    raise TimeoutError("the server's answer takes too long")
            if response.length:
                raise ConnectionError("the server's answer is cut off")
        try:
            answer = json.loads(b"".join(parts))
        except (ValueError, RecursionError):
            raise ValueError("the server's answer is not JSON") from None
        if not isinstance(answer, dict):
            raise ValueError("the server's answer is not an object of JSON")
        return answer


def _shown(name: str) -> str:
    """Name of a model for the record; that of a file, as llama.cpp gives it, without its folders."""
    is_file = name.startswith(("/", "\\\\", "~")) or name[1:3] in (":/", ":\\")
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_file else name


class ModelRanking:
    """Levels by a model's two answers, whatever the model runs on."""

    def __init__(self, options: Options, model: Model):
        self._options = options
        self._model = model
        self._default = DefaultRanking(options)
        self.prompts = prompts.HASH
        self.exchanges: list[tuple[float, str]] = []
        """Seconds and answer, empty where there was none, of each question about the last picture."""

    @property
    def model(self) -> str:
        """Name of the model, once it is known."""
        return _shown(self._model.name)

    def _ask(
        self, talk: Sequence[Message], picture: npt.NDArray[np.uint8] | None, schema: dict[str, Any]
    ) -> str:
        """Ask the model, and note how long it took."""
        began, answer = time.perf_counter(), ""
        try:
            answer = self._model.ask(talk, picture, schema)
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
        picture = None if blind else scene.pixels
        describe = (f"{prompts.BLIND}{found}\n" if blind else "") + prompts.DESCRIBE
        talk: list[Message] = [
            {"role": "system", "content": prompts.ROLE},
            {"role": "user", "content": describe},
        ]
        answer = self._ask(talk, picture, prompts.CAPTIONS_SCHEMA)
        captions = prompts.read_captions(answer)
        purpose = f"{prompts.SERVE}{self._options.purpose}\n" if self._options.purpose else ""
        # What was understood of the first answer goes back, not whatever else it held.
        talk += [
            {"role": "assistant", "content": json.dumps(captions, ensure_ascii=False)},
            {"role": "user", "content": f"{prompts.RANK}\n{purpose}{found}"},
        ]
        schema = prompts.levels_schema(len(asked))
        answer = self._ask(talk, picture, schema)
        levels, wrong = prompts.read_levels(answer, len(asked))
        warnings = [] if captions else ["the answer to the first question has no caption"]
        if wrong:
            talk += [
                {"role": "assistant", "content": answer[: 4 * prompts.LONGEST_CAPTION]},
                {"role": "user", "content": f"{prompts.AGAIN}{wrong}. {prompts.RANK}"},
            ]
            try:
                better, wrong = prompts.read_levels(self._ask(talk, picture, schema), len(asked))
            except (OSError, ValueError, HTTPException) as error:
                better, wrong = {}, f"{wrong}; asked again: {error}"
            levels = {**levels, **better}
            if wrong:
                warnings.append(f"of the answer to the second question, {wrong}")
        ranked = list(default.objects)
        for k, (level, reason) in levels.items():
            ranked[asked[k]] = replace(objects[asked[k]], level=level, reason=reason)
        if len(levels) < len(objects):
            missing = len(objects) - len(levels)
            warnings.append(f"{missing} of {len(objects)} objects have their levels from the default")
        return Ranked(ranked, captions, tuple(warnings))


class ChatRanking(ModelRanking):
    """Levels by a model behind a chat endpoint."""

    def __init__(self, options: Options):
        super().__init__(options, Endpoint(options))


class ModelTags:
    """What to look for, by a model that sees the picture."""

    def __init__(self, options: Options, model: Model):
        if options.text_only:
            raise SdcError("E_USAGE", "a model that sees nothing cannot say what is in a picture", "--tags")
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
