"""What a stream says of its picture: the objects (spec section "OBJS"), and how they were found.

The latter is JSON (spec section "PROV"), of the form that ``spec/objects.md`` describes under "Analysis".
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .container import OBJS, PROV, Limits, Stream
from .errors import SdcError
from .mask import decode_map, encode_map
from .objects import MAX_LABEL, MAX_MASK_BYTES, MAX_OBJECTS, MAX_REASON, Object
from .structures import Traced, build_payload, parse_payload

MAX_MASK_PIXELS = 1 << 22
"""Pixels of one object's mask (OBJS-16)."""
BOX_BITMAP = 1
MAX_ANALYSIS = 1 << 16
"""Bytes of the payload of PROV (PROV-01)."""
MAX_DEPTH = 32
"""Arrays and objects of PROV that lie in one another, the outermost included (PROV-01)."""
MAX_NUMBER = 32
"""Characters of a number in PROV (PROV-01)."""
LARGEST_NUMBER = 1e308
"""Largest magnitude of a number in PROV (PROV-01)."""
_STRING = re.compile(r'"(?:[^"\\]+|\\.)*"?', re.DOTALL)
"""A string of JSON, or the rest of the text behind a mark that opens none."""


def _text(value: str, limit: int) -> bytes:
    """UTF-8 of a text, cut at a character when it is too long."""
    return value.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode()


def objects_payload(
    objects: Sequence[Object], *, pixel_masks: bool = False, mask_pixels: int | None = None
) -> bytes:
    """Payload of OBJS.

    Args:
        objects: with their groups, in any order.
        pixel_masks: whether exact masks are written too, where they fit the limits.
        mask_pixels: what the boxes of all masks may cover together, four times the picture in a stream
            (OBJS-16); the masks of the least important objects are left out beyond it.

    Raises:
        SdcError: ``E_OBJECTS`` for no objects, too many, or one without a group; ``E_OBJS`` for a box, group
            or rank that no stream can hold.
    """
    if not 1 <= len(objects) <= MAX_OBJECTS:
        raise SdcError("E_OBJECTS", f"a stream describes 1 to {MAX_OBJECTS} objects, not {len(objects)}")
    rows = []
    covered = 0
    for k, o in enumerate(sorted(objects, key=lambda o: (o.rank is None, o.rank))):
        if o.group is None:
            raise SdcError("E_OBJECTS", f"object {k} has no group")
        x, y, w, h = o.box
        mask = b""
        fits = w * h <= MAX_MASK_PIXELS and (mask_pixels is None or covered + w * h <= mask_pixels)
        if pixel_masks and o.mask is not None and fits:
            mask = encode_map(o.mask.astype("u1"), 1)
            mask = mask if len(mask) <= MAX_MASK_BYTES else b""
            covered += w * h if mask else 0
        label, reason = _text(o.label, MAX_LABEL), _text(o.reason, MAX_REASON)
        rows.append(
            {
                "group": o.group,
                "x": x,
                "y": y,
                "width": w,
                "height": h,
                "score": round(255 * min(max(o.score, 0.0), 1.0)),
                "rank": k if o.rank is None else o.rank,
                "label_length": len(label),
                "label": label.decode(),
                "reason_length": len(reason),
                "reason": reason.decode(),
                "mask_coding": BOX_BITMAP if mask else 0,
                "mask_length": len(mask),
                "mask": mask,
            }
        )
    return build_payload("OBJS", {"count": len(rows), "objects": rows})


def parse_objects(
    stream: Stream,
    *,
    masks: bool | Collection[int] = True,
    trace: list[Traced] | None = None,
    limits: Limits = Limits(),
) -> tuple[Object, ...]:
    """Objects that a stream describes, in order of rank; none when it has no OBJS chunk.

    Args:
        stream: from :func:`sdc.container.parse`.
        masks: whether pixel masks are decoded, or indices of the objects whose masks are; the others' masks
            are ``None``.
        trace: receives every field.
        limits: what the caller agrees to decode; ``mask_pixels`` counts the masks that are decoded.

    Raises:
        SdcError: ``E_OBJS``, ``E_VARINT``, ``E_PAYLOAD_LENGTH`` or ``E_LIMIT``.
    """
    chunk = stream.chunk(OBJS)
    if chunk is None:
        return ()
    base = chunk.offset + chunk.size - 4 - len(chunk.payload)
    rows = parse_payload("OBJS", chunk.payload, base, trace).objects

    def refuse(k: int, what: str) -> SdcError:
        return SdcError("E_OBJS", f"object {k}: {what}", f"OBJS.objects[{k}]", chunk.offset)

    out: list[Object] = []
    wanted: list[int] = []
    area = decoded = 0
    for k, v in enumerate(rows):
        if v.group >= len(stream.groups):
            raise refuse(k, f"group {v.group} does not exist")
        if v.x + v.width > stream.head.width or v.y + v.height > stream.head.height:
            raise refuse(k, "the box leaves the picture")
        if out and v.rank < (out[-1].rank or 0):
            raise refuse(k, "objects are not in order of rank")
        if (v.mask_coding == 0) != (v.mask_length == 0):
            raise refuse(k, "mask_coding and mask_length disagree")
        if v.mask_coding:
            size = v.width * v.height
            area += size
            if size > MAX_MASK_PIXELS or area > 4 * stream.head.width * stream.head.height:
                raise refuse(k, "the pixel mask is too large")
            if masks if isinstance(masks, bool) else k in masks:
                wanted.append(k)
                decoded += size
        level = stream.groups[v.group].level
        box = (v.x, v.y, v.width, v.height)
        out.append(Object(v.label, box, level, v.score / 255, v.reason, v.rank, None, v.group))
    if decoded > limits.mask_pixels:
        raise SdcError("E_LIMIT", f"pixel masks of {decoded} pixels", "OBJS.objects", chunk.offset)
    for k in wanted:
        try:
            mask = decode_map(rows[k].mask, rows[k].height, rows[k].width, 1).astype(bool)
        except SdcError as error:
            raise refuse(k, f"the pixel mask does not decode ({error.code})") from None
        if not mask.any():
            raise refuse(k, "the pixel mask is empty")
        out[k] = replace(out[k], mask=mask)
    return tuple(out)


def analysis_payload(about: Mapping[str, Any]) -> bytes:
    """Payload of PROV, which says how the objects were found.

    Args:
        about: what can be written as JSON.

    Raises:
        SdcError: ``E_OBJECTS`` when it cannot, or breaks a bound of PROV-01 on length, nesting or numbers.
    """
    try:
        text = json.dumps(about, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        data = text.encode()
        if len(data) <= MAX_ANALYSIS:
            _read_analysis(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise SdcError("E_OBJECTS", f"cannot be written: {error}", "analysis") from None
    if len(data) > MAX_ANALYSIS:
        raise SdcError("E_OBJECTS", f"must be at most {MAX_ANALYSIS} bytes, is {len(data)}", "analysis")
    return data


def parse_analysis(stream: Stream) -> dict[str, Any] | None:
    """How the objects of a stream were found; ``None`` when it does not say so.

    A payload that breaks PROV-01 says nothing, and is no error; a second PROV is not looked at (PROV-02).
    """
    chunk = stream.chunk(PROV)
    if chunk is None or len(chunk.payload) > MAX_ANALYSIS:
        return None
    try:
        return _read_analysis(chunk.payload.decode("utf-8"))
    except ValueError:
        return None


def analysis_notes(stream: Stream) -> tuple[str, ...]:
    """What breaks PROV-01 or PROV-02, in words: neither is an error (section 13.2)."""
    count = sum(chunk.type == PROV for chunk in stream.before + stream.after)
    notes = []
    if count and parse_analysis(stream) is None:
        notes.append("PROV cannot be read, so nothing says how the objects were found (PROV-01)")
    if count > 1:
        notes.append(f"PROV occurs {count} times, and only the first counts (PROV-02)")
    return tuple(notes)


def _read_analysis(text: str) -> dict[str, Any]:
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
    about = json.loads(text, parse_int=_whole, parse_float=_number, parse_constant=_number)
    if not isinstance(about, dict):
        raise ValueError("not an object of JSON")
    return about


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
