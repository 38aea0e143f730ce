"""Chat models: what answers messages, and the one behind any chat endpoint of OpenAI's form.

vLLM, LMDeploy, llama.cpp and Ollama offer one.
"""

from __future__ import annotations

import base64
import io
import ipaddress
import json
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from typing import Any, Protocol
from urllib.parse import urlsplit

from PIL import Image

from ...errors import SdcError
from ...types import Pixels
from ..interfaces import Options
from .replies import Refusal, answer_in, joined, refusal_in, refusal_inside
from .requests import Form, adjusted, explained, may_be_schema, meaning_of

SIDE = 768
"""Longer side of the image that is sent, at most."""

QUALITY = 85

REQUESTS = 3
"""How often a request is sent when the server is busy or breaks off."""

WAIT = 0.5
"""Seconds before the second request; twice as many before the third."""

LONGEST_WAIT = 10.0

LARGEST_ANSWER = 1 << 20

BUSY = (408, 425, 429, 502, 503, 504)

BROKEN = 500
"""A server that is out of order, or cannot do what it was asked for."""

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


def is_loopback(host: str) -> bool:
    """Whether a name or an address is of this machine itself."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost") or name in ("ip6-localhost", "ip6-loopback"):
        return True
    with suppress(ValueError):
        address = ipaddress.ip_address(name.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or address.is_unspecified
    return False


class Endpoint:
    """A chat endpoint.

    Nothing goes anywhere but to the address named: redirects are not followed, and of proxies only the one
    that the options name is used, never for this machine itself.

    Raises:
        SdcError: ``E_USAGE`` when the address, or the proxy's, is none of HTTP.
    """

    def __init__(self, options: Options):
        host = _host(options.url, "--chat", "http://localhost:8000/v1")
        self.url = options.url.rstrip("/").removesuffix("/chat/completions")
        self.name = options.model
        self.timeout = options.timeout
        self._key = options.key
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if options.key:
            if not options.key.isascii() or not options.key.isprintable():
                raise SdcError("E_USAGE", "the key has characters that no key has", "--chat-key")
            self._headers["Authorization"] = f"Bearer {options.key}"
        self._is_here = is_loopback(host)
        self._proxy = "" if self._is_here else options.proxy
        if options.proxy:
            _host(options.proxy, "--chat-proxy", "http://proxy.example:3128")
        proxies = dict.fromkeys(("http", "https"), self._proxy) if self._proxy else {}
        self._opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies))
        self._form = Form()
        self._breakdowns = 0
        self.notes: list[str] = []
        """What was assumed, for whoever asks."""

    def ask(self, messages: Sequence[Message], image: Pixels | None, schema: dict[str, Any]) -> str:
        """The text of the answer, without thoughts.

        Raises:
            OSError: the server cannot be reached, refuses (:class:`.replies.Refusal`), or is too slow.
            ValueError: it answers something else than a chat completion, or one without an answer
                (:class:`.replies.Unanswered`).
        """
        if not self.name:
            self.name = self._first_model()
        sent = [dict(message) for message in messages]
        if image is not None:
            first = next(message for message in sent if message["role"] == "user")
            first["content"] = [{"type": "text", "text": first["content"]}, _attached(image)]
        return answer_in(self._complete(sent, image is not None, schema))

    def _first_model(self) -> str:
        """The model that the server names first."""
        listed = self._request("/models", None, (*BUSY, BROKEN)).get("data")
        names = [row.get("id") for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
        names = [name for name in names if isinstance(name, str) and name]
        if not names:
            raise ValueError("the server names no model; --chat-model NAME does")
        if len(names) > 1:
            self.notes.append(f"of the {len(names)} models of the server the first is asked: {names[0]}")
        return str(names[0])

    def _complete(self, sent: Sequence[Message], image: bool, schema: dict[str, Any]) -> dict[str, Any]:
        """The reply to messages, in the form that the server takes."""
        form, broken = self._form, 0
        while True:
            # A server that breaks down may do so over the schema, so it is asked without before it is again.
            patience = BUSY if form.schema else (*BUSY, BROKEN)
            body = form.body(self.name, sent, schema)
            try:
                reply = self._request("/chat/completions", body, patience, REQUESTS - broken)
            except Refusal as refusal:
                better, meaning = adjusted(form, refusal), meaning_of(refusal, image=image)
                if better is None and form.schema and may_be_schema(refusal, meaning):
                    better, broken = replace(form, schema=False), int(refusal.status == BROKEN)
                if better is None:
                    raise explained(refusal, meaning) from None
                form = better
                continue
            self._breakdowns += broken
            if not broken or self._breakdowns > 1:  # one may be chance
                self._form = form
            return reply

    def _request(
        self, path: str, body: dict[str, Any] | None, patience: Collection[int], requests: int = REQUESTS
    ) -> dict[str, Any]:
        """A request, sent again when the server breaks off or answers with a status that wants patience."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self._headers)
        for attempt in range(requests):
            wait = WAIT * 2**attempt
            try:
                return self._exchange(request)
            except _Asked as error:
                if error.refusal.status not in patience or attempt == requests - 1:
                    raise error.refusal from None
                wait = max(wait, error.wait)
            except TimeoutError:
                raise
            except (OSError, HTTPException) as error:
                slow = isinstance(error, urllib.error.URLError) and isinstance(error.reason, TimeoutError)
                if slow or attempt == requests - 1:
                    raise self._unreached(error) from None
            time.sleep(min(wait, LONGEST_WAIT))
        raise AssertionError

    def _unreached(self, error: OSError | HTTPException) -> OSError | HTTPException:
        """An error of the way to the server, with what may help."""
        if self._proxy or self._is_here or not set(urllib.request.getproxies()) & {"http", "https"}:
            return error
        return ConnectionError(f"{error}; a proxy of the environment is not used, --chat-proxy names one")

    def _exchange(self, request: urllib.request.Request) -> dict[str, Any]:
        """Send a request and read the answer, all within the time allowed."""
        end = time.monotonic() + self.timeout
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                events = response.headers.get_content_type() == "text/event-stream"
                data = _body(response, end)
        except urllib.error.HTTPError as error:
            with error:
                raise _Asked(self._refused(error, end), error.headers.get("Retry-After", "")) from None
        try:
            answer = joined(data.decode("utf-8").splitlines()) if events else json.loads(data)
        except (ValueError, RecursionError):
            raise ValueError("the server's answer is not JSON") from None
        if not isinstance(answer, dict):
            raise ValueError("the server's answer is not an object of JSON")
        refusal = refusal_inside(answer, self._key)
        if refusal is not None:
            raise _Asked(refusal, "")
        return answer

    def _refused(self, error: urllib.error.HTTPError, end: float) -> Refusal:
        """What the server says with an error, as far as it can be had."""
        said = b""
        with suppress(OSError, HTTPException, ValueError):
            said = _body(error, end)
        return refusal_in(said, error.code, self._key)


class _Asked(Exception):
    """A refusal, and the seconds to wait that came with it."""

    def __init__(self, refusal: Refusal, wait: str):
        super().__init__(refusal)
        self.refusal = refusal
        self.wait = float(wait) if wait.isdecimal() else 0.0


def _host(address: str, option: str, such: str) -> str:
    """The host of an address.

    Raises:
        SdcError: ``E_USAGE`` when it is none of HTTP.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise SdcError("E_USAGE", f"needs an address such as {such}", option)
    return host


def _attached(image: Pixels) -> dict[str, Any]:
    """An image as a part of a message."""
    file = io.BytesIO()
    shrunk(image).save(file, "JPEG", quality=QUALITY)
    url = "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def _body(response: Any, end: float) -> bytes:
    """The body of a reply, all of it before a time.

    Raises:
        OSError: it is cut off, or takes too long.
        ValueError: it is too long.
    """
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
    return b"".join(parts)
