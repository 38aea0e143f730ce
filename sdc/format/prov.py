"""The PROV chunk: how the objects were found (spec section "PROV").

It is JSON of the form that ``spec/objects.md`` describes under "Analysis".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..errors import SdcError
from .chunks import PROV
from .fields import sizes_of
from .stream import Outline

_, MAX_PROVENANCE = sizes_of("PROV", "text")
"""Bytes of the payload of PROV (PROV-01)."""


MAX_DEPTH = 32
"""Arrays and objects of PROV that lie in one another, the outermost included (PROV-01)."""


MAX_NUMBER = 32
"""Characters of a number in PROV (PROV-01)."""


LARGEST_NUMBER = 1e308
"""Largest magnitude of a number in PROV (PROV-01)."""


_STRING = re.compile(r'"(?:[^"\\]+|\\.)*"?', re.DOTALL)
"""A string of JSON, or the rest of the text behind a mark that opens none."""


def provenance_payload(provenance: Mapping[str, Any]) -> bytes:
    """Payload of PROV, which says how the objects were found.

    Args:
        provenance: what can be written as JSON.

    Raises:
        SdcError: ``E_OBJECTS`` when it cannot, or breaks a bound of PROV-01 on length, nesting or numbers.
    """
    try:
        text = json.dumps(provenance, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode()
        if len(data) <= MAX_PROVENANCE:
            _read_provenance(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise SdcError("E_OBJECTS", f"cannot be written: {error}", "analysis") from None
    if len(data) > MAX_PROVENANCE:
        raise SdcError("E_OBJECTS", f"must be at most {MAX_PROVENANCE} bytes, is {len(data)}", "analysis")
    return data


def parse_provenance(stream: Outline) -> dict[str, Any] | None:
    """How the objects of a stream were found; ``None`` when it does not say so.

    A payload that breaks PROV-01 says nothing, and is no error; a second PROV is not looked at (PROV-02).
    """
    chunk = stream.chunk(PROV)
    if chunk is None or len(chunk.payload) > MAX_PROVENANCE:
        return None
    try:
        return _read_provenance(chunk.payload.decode("utf-8"))
    except ValueError:
        return None


def captions_of(stream: Outline) -> dict[str, str]:
    """What the image shows, in words: ``short`` and ``detailed``, where an analysis has said so."""
    captions = (parse_provenance(stream) or {}).get("captions")
    if not isinstance(captions, dict):
        return {}
    return {str(name): text for name, text in captions.items() if isinstance(text, str)}


def provenance_notes(stream: Outline) -> tuple[str, ...]:
    """What breaks PROV-01 or PROV-02, in words: neither is an error (section 13.2)."""
    count = sum(chunk.type == PROV for chunk in stream.before + stream.after)
    notes = []
    if count and parse_provenance(stream) is None:
        notes.append("PROV cannot be read, so nothing says how the objects were found (PROV-01)")
    if count > 1:
        notes.append(f"PROV occurs {count} times, and only the first counts (PROV-02)")
    return tuple(notes)


def _read_provenance(text: str) -> dict[str, Any]:
    """The object of JSON in a text, within the bounds of PROV-01.

    The nesting is looked at before the text is parsed, and a number before it is converted: how much of
    either Python's reader takes depends on its version.

    Raises:
        ValueError: the text breaks PROV-01.
    """
    depth = 0
    for mark in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if mark in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
    found = json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_number)
    if not isinstance(found, dict):
        raise ValueError("not an object of JSON")
    return found


def _number(text: str) -> float:
    """A number of PROV; Python's reader takes ``NaN`` and ``Infinity`` for numbers, too.

    Raises:
        ValueError: it breaks a bound of PROV-01.
    """
    value = float(text) if len(text) <= MAX_NUMBER else float("nan")
    if not abs(value) <= LARGEST_NUMBER:
        raise ValueError(f"{text[:MAX_NUMBER]} is no number of at most {MAX_NUMBER} characters and 10^308")
    return value


def _whole(text: str) -> int:
    """A number of PROV without a point or an exponent; see :func:`_number`."""
    _number(text)
    return int(text)
