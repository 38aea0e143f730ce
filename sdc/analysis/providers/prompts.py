"""What a multimodal model is asked, in two steps, and what is made of its answers.

First it describes the image, in one sentence and in several.
Then it is given its captions and what was found in the image, and assigns every object to a level, with a
reason: the progressive prompts of SDComp (Liu et al., "Semantics Disentanglement and Composition for
Versatile Codec toward both Human-eye Perception and Machine Vision Task", 2024).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from ...objects.object import Object
from ...objects.ranking import area_of
from ...types import Level
from .thoughts import without_thoughts

LEVELS = (Level.L1, Level.L2, Level.L3)

LONGEST_REASON = 300
"""Characters of a reason that are kept."""


LONGEST_CAPTION = 2000

TRIES = 50
"""Places in an answer where JSON is looked for."""


ROLE = (
    "You help to compress photographs: what matters most is transmitted first. "
    "You answer with one JSON object and nothing else."
)


SHORT = "one sentence"
DETAILED = "three to five sentences that name the things in it, where they are and what they do"
DESCRIBE = f'Describe the picture. Answer as {{"short": "{SHORT}", "detailed": "{DETAILED}"}}.'

_BROKEN = re.compile(r"\s*(?:```\w*\s*)?[{\[]")
"""What begins as JSON."""

ECHOES = ("", SHORT, DETAILED)
"""What stands for an answer in the prompts, without the dots at its end; a small model gives it back."""


BLIND = "You cannot see the picture. These things were found in it: "

RANK = (
    "Assign every object to a level of importance: L1 for what the picture is about and must arrive "
    "first, L2 for "
    "what helps to understand it, L3 for the rest. Use the id numbers given, each of them exactly once, "
    "and give "
    'a reason of one sentence for each. Answer as {"objects": [{"id": 0, "level": "L1", "reason": "..."}]}.'
)


SERVE = "The levels are to serve this task: "
AGAIN = "That answer cannot be used: "

TAG = (
    "List the things in the picture that a detector should look for, at most twenty, each as one or two "
    "words in "
    'the singular. Answer as {"tags": ["dog", "bicycle"]}.'
)


HASH = hashlib.sha256("\n".join((ROLE, DESCRIBE, BLIND, RANK, SERVE, AGAIN, TAG)).encode()).hexdigest()
"""SHA-256 of the text of all prompts, for the record."""


def _schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


CAPTIONS_SCHEMA = _schema({"short": {"type": "string"}, "detailed": {"type": "string"}})
TAGS_SCHEMA = _schema({"tags": {"type": "array", "items": {"type": "string"}}})


def levels_schema(count: int) -> dict[str, Any]:
    """JSON Schema of an answer about so many objects."""
    item = _schema(
        {
            "id": {"type": "integer", "minimum": 0, "maximum": count - 1},
            "level": {"enum": list(LEVELS)},
            "reason": {"type": "string"},
        }
    )
    return _schema({"objects": {"type": "array", "minItems": count, "maxItems": count, "items": item}})


def table(objects: Sequence[Object], width: int, height: int) -> str:
    """What was found, as JSON: id, label, box in pixels, and area in per cent of the image."""
    rows = [
        {
            "id": k,
            "label": thing.label,
            "box": list(thing.box),
            "area": round(100 * area_of(thing) / (width * height), 1),
        }
        for k, thing in enumerate(objects)
    ]
    return json.dumps({"width": width, "height": height, "objects": rows}, ensure_ascii=False)


def find_json(text: str, key: str) -> dict[str, Any] | None:
    """The last JSON object with a key in an answer, whatever stands around it: those before are drafts."""
    decoder = json.JSONDecoder()
    found, end = None, 0
    for _ in range(TRIES):
        at = text.find("{", end)
        if at < 0:
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
            continue
        if isinstance(value, dict) and key in value:
            found = value
        elif isinstance(value, dict):  # it may hold what is looked for
            end = at + 1
    return found


def read_captions(text: str) -> dict[str, str]:
    """Captions of an answer; of one that is prose, the text itself as the short one.

    What only repeats the prompt is left out, and so is JSON that breaks off.
    """
    text = without_thoughts(text)
    found = find_json(text, "short") or {"short": "" if _BROKEN.match(text) else text}
    captions = {}
    for key in ("short", "detailed"):
        caption = found.get(key)
        caption = without_thoughts(caption) if isinstance(caption, str) else ""
        if not _is_echo(caption):
            captions[key] = _plain(caption, LONGEST_CAPTION)
    return captions


def _is_echo(text: str) -> bool:
    """Whether a text is empty or only repeats the prompt."""
    return text.strip().rstrip(".").casefold() in ECHOES


def read_tags(text: str) -> list[str]:
    """Tags of an answer, each once.

    Raises:
        ValueError: there are none.
    """
    found = (find_json(without_thoughts(text), "tags") or {}).get("tags")
    tags = [_plain(tag, 64) for tag in found if isinstance(tag, str)] if isinstance(found, list) else []
    tags = list(dict.fromkeys(tag for tag in tags if tag))[:20]
    if not tags:
        raise ValueError("the model has named nothing to look for")
    return tags


def read_levels(text: str, count: int) -> tuple[dict[int, tuple[Level, str]], str]:
    """Levels of an answer, as far as they can be used.

    Args:
        text: the answer.
        count: number of objects; their ids are 0 to count - 1.

    Returns:
        ``({id: (level, reason)}, what is wrong)``; the latter is empty when nothing is.
        Of an id that occurs twice, the first entry counts.
    """
    found = (find_json(without_thoughts(text), "objects") or {}).get("objects")
    if not isinstance(found, list):
        return {}, 'there is no JSON object with "objects"'
    levels: dict[int, tuple[Level, str]] = {}
    strange, wrong, twice = [], [], []
    for row in found:
        number = row.get("id") if isinstance(row, dict) else None
        if isinstance(number, str) and number.strip().isdecimal() and len(number.strip()) < 6:
            number = int(number)
        if type(number) is not int or not 0 <= number < count:
            strange.append(number)
            continue
        level = str(row.get("level")).strip().upper()
        level = level if level.startswith("L") else f"L{level}"
        if number in levels:
            twice.append(number)
        elif level not in LEVELS:
            wrong.append(number)
        else:
            reason = row.get("reason")
            told = _plain(without_thoughts(reason), LONGEST_REASON) if isinstance(reason, str) else ""
            levels[number] = (Level(level), "" if _is_echo(told) else told)
    missing = [k for k in range(count) if k not in levels and k not in wrong]
    faults = (
        ("there is no object of id", strange),
        ("the level is not L1, L2 or L3 of id", wrong),
        ("more than once comes id", twice),
        ("missing is id", missing),
    )
    return levels, "; ".join(f"{what} {_some(ids)}" for what, ids in faults if ids)


def _some(values: Sequence[Any]) -> str:
    told = ", ".join(_plain(str(v), 20) for v in values[:20])
    return told + (f" and {len(values) - 20} more" if len(values) > 20 else "")


def _plain(text: str, longest: int) -> str:
    """A text in one line, cut to a length, of characters that can be written as UTF-8."""
    return " ".join(text.split()).encode("utf-8", "replace").decode()[:longest]
