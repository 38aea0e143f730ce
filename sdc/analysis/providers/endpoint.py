"""Chat models: what answers messages, and the one behind any chat endpoint of OpenAI's form.

vLLM, LMDeploy, llama.cpp and Ollama offer one.
"""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

from PIL import Image

from ...errors import SdcError
from ...types import Pixels
from ..interfaces import Options

SIDE = 768
"""Longer side of the image that is sent, at most."""

QUALITY = 85

REQUESTS = 3
"""How often a request is sent when the server is busy or breaks off."""

WAIT = 0.5
"""Seconds before the second request; twice as many before the third."""

LONGEST_WAIT = 10.0

LARGEST_ANSWER = 1 << 20

TOKENS = 4096

BUSY = (408, 425, 429, 500, 502, 503, 504)

Message = dict[str, Any]


class ChatModel(Protocol):
    """Something that answers messages."""

    name: str

    def ask(self, messages: Sequence[Message], image: Pixels | None, schema: dict[str, Any]) -> str:
        """The text of its answer.

        Args:
            messages: ``role`` and ``content``, as text.
            image: ``uint8 [H, W, 3]``, which belongs to the first message of the user.
            schema: JSON Schema that the answer is to keep.
        """


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are not followed, or the key would go where they lead."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def shrunk(image: Pixels) -> Image.Image:
    """An image of at most :data:`SIDE` pixels a side."""
    small = Image.fromarray(image)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return small


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

    def ask(self, messages: Sequence[Message], image: Pixels | None, schema: dict[str, Any]) -> str:
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
        if image is not None:
            file = io.BytesIO()
            shrunk(image).save(file, "JPEG", quality=QUALITY)
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
            return self.ask(messages, image, schema)
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
