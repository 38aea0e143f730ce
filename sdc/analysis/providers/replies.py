"""Replies of chat servers: the answer in them, or why there is none, in words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from .thoughts import without_thoughts

LONGEST_WORDS = 200
"""Characters of a server's own words that are told."""

_SECRETS = re.compile(r"\b(?:(?:sk|pk|gsk|hf|xai|key)[-_]|Bearer )[\w*.-]{4,}")
"""What looks like a key, or a part of one."""

_PROSE = ("text", "output_text", None)
"""Types of those parts of an answer that are the answer."""


class Unanswered(ValueError):
    """A reply without an answer."""


class CutOff(Unanswered):
    """An answer that ends too soon, for want of tokens."""


class Refusal(OSError):
    """A server that refuses a request.

    Attributes:
        status: of HTTP.
        words: what the server says, in one line; may be empty.
        about: the parameter that it names, where it does.
    """

    def __init__(self, status: int, words: str = "", about: str = ""):
        self.status, self.words, self.about = status, words, about
        super().__init__(f"HTTP {status}" + (f": {words}" if words else ""))


def refusal_in(body: bytes, status: int, key: str = "") -> Refusal:
    """What a server says with an error.

    Args:
        body: of the reply: JSON in one of many forms, HTML, or text.
        status: of HTTP.
        key: is never told.
    """
    text = body.decode("utf-8", "replace")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        title = re.search(r"<title>(.*?)</title>", text, re.DOTALL | re.IGNORECASE)
        html = "<html" in text[:500].lower()
        return Refusal(status, in_line((title[1] if title else "") if html else text, key))
    found = told.get("error", told) if isinstance(told, dict) else told
    about = found.get("param") if isinstance(found, dict) else None
    return Refusal(status, in_line(_words(found), key), about if isinstance(about, str) else "")


def refusal_inside(reply: dict[str, Any], key: str = "") -> Refusal | None:
    """The error that a reply with status 200 holds in place of an answer; ``None`` where it holds none."""
    wrong = reply.get("error")
    if not wrong or reply.get("choices"):
        return None
    code = wrong.get("code") if isinstance(wrong, dict) else None
    status = code if type(code) is int and 400 <= code < 600 else 200
    return refusal_in(json.dumps(reply).encode(), status, key)


def _words(told: Any) -> str:
    """What an error of JSON says."""
    if isinstance(told, str):
        return told
    if isinstance(told, list):
        return "; ".join(filter(None, map(_words, told[:5])))
    if not isinstance(told, dict):
        return ""
    words = next((_words(told[key]) for key in ("message", "msg", "detail", "error") if told.get(key)), "")
    place = told.get("loc")
    return f"{'.'.join(map(str, place))}: {words}" if isinstance(place, list) else words


def in_line(text: str, key: str = "") -> str:
    """A text in one line, cut, without what looks like a key."""
    if key:
        text = text.replace(key, "***")
    text = " ".join(_SECRETS.sub("***", text).split())
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 3] + "..."


def answer_in(reply: dict[str, Any]) -> str:
    """The text of the answer, without thoughts.

    Args:
        reply: a chat completion.

    Raises:
        Unanswered: there is none, because the model refuses or for another reason, which it says.
        CutOff: it is cut off.
    """
    choices = reply.get("choices")
    if not isinstance(choices, list):
        raise Unanswered("the server's answer has no text: it is no chat completion; is the address right?")
    if not choices:
        raise Unanswered("the server's answer has no text: its list of choices is empty")
    choice = choices[0] if isinstance(choices[0], dict) else {}
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    ended = str(choice.get("finish_reason") or "").lower()
    text = _text(message.get("content"))
    answer = without_thoughts(text)
    if ended in ("length", "max_tokens"):
        where = "in the answer" if answer else "while it was thinking"
        raise CutOff(f"the answer is cut off: the model came to its limit of tokens {where}")
    refused = _refused(message)
    if refused:
        raise Unanswered(f"the model refuses: {in_line(refused)}")
    if ended in ("content_filter", "safety"):
        raise Unanswered("a filter of the server has withheld the answer")
    if answer:
        return answer
    if ended == "error" or choice.get("error"):
        raise Unanswered(f"the server reports an error: {in_line(_words(choice.get('error')))}")
    thought = text or any(message.get(key) for key in ("reasoning_content", "reasoning", "thinking"))
    if thought:
        raise Unanswered("the server's answer has no text but thoughts, which are not taken for an answer")
    if message.get("tool_calls") or message.get("function_call"):
        raise Unanswered("the server's answer has no text: the model calls a tool")
    raise Unanswered("the server's answer has no text: it is empty")


def _text(content: Any) -> str:
    """The text of an answer, which may come in parts, some of which are thoughts."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    return "".join(filter(None, map(_part, content)))


def _part(part: Any) -> str:
    if isinstance(part, dict):
        part = part.get("text") if part.get("type") in _PROSE else ""
        part = part.get("value") if isinstance(part, dict) else part
    return part if isinstance(part, str) else ""


def _refused(message: dict[str, Any]) -> str:
    """The words by which a model refuses."""
    if isinstance(message.get("refusal"), str):
        return str(message["refusal"])
    content = message.get("content")
    parts = [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
    return " ".join(str(part.get("refusal")) for part in parts if part.get("refusal"))


def joined(lines: Iterable[str]) -> dict[str, Any]:
    """The reply of a server that sends it in events though nobody asked for that.

    Raises:
        ValueError: an event is no JSON.
    """
    reply: dict[str, Any] = {}
    texts: list[str] = []
    choice: dict[str, Any] = {"message": {}}
    for line in lines:
        if not line.startswith("data:") or line[5:].strip() == "[DONE]":
            continue
        event = json.loads(line[5:])
        if not isinstance(event, dict):
            continue
        reply |= {key: value for key, value in event.items() if key != "choices"}
        parts = event.get("choices")
        first = parts[0] if isinstance(parts, list) and parts and isinstance(parts[0], dict) else {}
        found = first.get("delta")
        delta: dict[str, Any] = found if isinstance(found, dict) else {}
        texts.append(_text(delta.get("content")))
        choice["message"] |= {k: v for k, v in delta.items() if v and k != "content"}
        choice["finish_reason"] = first.get("finish_reason") or choice.get("finish_reason")
        reply["choices"] = [choice]
    choice["message"]["content"] = "".join(texts)
    return reply
