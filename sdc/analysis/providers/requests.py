"""Requests to chat servers, in the form that a server takes.

Servers take different parameters, and say so in their own words and with their own status.  What one refuses
is renamed or left out, once; what cannot be helped is said by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .replies import Refusal

TOKENS = 4096
"""Tokens of an answer at most, thoughts included."""

ADJUSTABLE = frozenset((200, *range(400, 500), 500, 501)) - {401, 402, 403, 408, 425, 429}
"""With which status servers refuse a parameter: with any that does not mean something else for certain."""

_TOKENS = re.compile(r"max_(?:completion_|new_)?tokens")
_SYSTEM = re.compile(
    r"system[ _](?:role|message|prompt|instruction)|role\W{1,4}system|got:? system|roles must alternate"
)
_SCHEMA = re.compile(
    r"response_?format|json.?(?:schema|object|mode)|schema|grammar|structured|guided|constrained"
)
_CONTEXT = re.compile(
    r"context.{0,20}(?:length|size|window)|(?:exceed|larger|longer|more|too).{0,60}(?:context|tokens)"
    r"|too long|n_ctx|input length"
)
_IMAGE = re.compile(r"image|vision|multi-?modal|mmproj|modalit|content part|content must be a string")
_MODEL = re.compile(
    r"model.{0,80}(?:not (?:be )?found|not exist|unknown|not available|invalid)"
    r"|(?:unknown|no such|invalid) model|pulling it"
)


@dataclass(frozen=True)
class Form:
    """Which parameters a request has.

    Attributes:
        schema: whether the schema of the answer goes with it.
        tokens: name of the limit of tokens; empty for none.
        temperature: whether it is 0, rather than the server's own.
        system: whether the model's role is a message of its own.
    """

    schema: bool = True
    tokens: str = "max_tokens"
    temperature: bool = True
    system: bool = True

    def body(self, model: str, messages: Sequence[dict[str, Any]], schema: dict[str, Any]) -> dict[str, Any]:
        """The request, for JSON."""
        body: dict[str, Any] = {"model": model, "messages": list(messages)}
        if not self.system:
            body["messages"] = _without_system(messages)
        if self.temperature:
            body["temperature"] = 0
        if self.tokens:
            body[self.tokens] = TOKENS
        if self.schema:
            form = {"name": "answer", "strict": True, "schema": schema}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        return body


def _without_system(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of which the first of the user begins with what the system's said."""
    said = "\n".join(m["content"] for m in messages if m["role"] == "system")
    others = [dict(m) for m in messages if m["role"] != "system"]
    first = next(m for m in others if m["role"] == "user")
    if isinstance(first["content"], str):
        first["content"] = f"{said}\n{first['content']}"
    else:
        first["content"] = [{"type": "text", "text": said}, *first["content"]]
    return others


def adjusted(form: Form, refusal: Refusal) -> Form | None:
    """The form that a server may take that has refused another; ``None`` where nothing is known to help."""
    if refusal.status not in ADJUSTABLE:
        return None
    words = _matched(refusal)
    if form.tokens == "max_tokens" and "max_completion_tokens" in words and not _CONTEXT.search(words):
        return replace(form, tokens="max_completion_tokens")
    if form.tokens and _TOKENS.search(words):
        return replace(form, tokens="")
    if form.temperature and "temperature" in words:
        return replace(form, temperature=False)
    if form.system and _SYSTEM.search(words):
        return replace(form, system=False)
    if form.schema and _SCHEMA.search(words):
        return replace(form, schema=False)
    if form.tokens and _CONTEXT.search(words) and "completion" in words:
        return replace(form, tokens="")
    return None


NO_CHAT = "the server has no chat at this address"


def meaning_of(refusal: Refusal, *, image: bool) -> str:
    """What a refusal means; empty where that is not known.

    Args:
        refusal: of a server.
        image: whether an image was sent.
    """
    words, status = _matched(refusal), refusal.status
    if status in (401, 403):
        return "the server refuses the key"
    if status in (402, 429):
        return "the server takes no more requests for now"
    if 300 <= status < 400:
        return "the address leads to another, which is not followed"
    if status in ADJUSTABLE and _CONTEXT.search(words):
        return "the question is too long for the model"
    if status in (400, 404) and _MODEL.search(words):
        return "the server has no such model"
    if image and (status == 413 or (status in ADJUSTABLE and _IMAGE.search(words))):
        return "the model or its server takes no image, and --text-only asks without one"
    return NO_CHAT if status == 404 else ""


def explained(refusal: Refusal, meaning: str) -> Refusal:
    """A refusal with its meaning in front of the server's own words."""
    if meaning:
        refusal.args = (f"{meaning}: {refusal}",)
    return refusal


def may_be_schema(refusal: Refusal, meaning: str) -> bool:
    """Whether a refusal that says nothing that is understood may be about the schema."""
    return refusal.status in ADJUSTABLE and meaning in ("", NO_CHAT)


def _matched(refusal: Refusal) -> str:
    """The words of a refusal in small letters, without a copy of the messages."""
    return re.split(r"messages\W{1,4}\[", f"{refusal.about} {refusal.words}".lower())[0]
