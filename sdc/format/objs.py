"""The OBJS chunk: the objects that a stream describes (spec section "OBJS")."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..coding.engine import engine
from ..errors import SdcError
from ..objects.object import Object
from ..types import MAX_LABEL, MAX_MASK_BYTES, MAX_OBJECTS, MAX_REASON, Limits
from .chunks import OBJS
from .fields import Payload, Traced, build_payload, read_payload
from .stream import Outline

MAX_MASK_PIXELS = 1 << 22
"""Pixels of one object's mask (OBJS-16)."""


BOX_BITMAP = 1


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
        mask_pixels: what the boxes of all masks may cover together, four times the image in a stream
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
        mask: bytes | None = None
        fits = w * h <= MAX_MASK_PIXELS and (mask_pixels is None or covered + w * h <= mask_pixels)
        if pixel_masks and o.mask is not None and fits:
            mask = engine().encode_map(o.mask.astype("u1"), 1)
            mask = mask if len(mask) <= MAX_MASK_BYTES else None
            covered += 0 if mask is None else w * h
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
                "mask_coding": 0 if mask is None else BOX_BITMAP,
                "mask_length": len(mask or b""),
                "mask": mask or b"",
            }
        )
    return build_payload("OBJS", {"count": len(rows), "objects": rows})


@dataclass(frozen=True)
class ReadObjects:
    """What was read of OBJS.

    Attributes:
        objects: in order of rank; none when an error ended the reading (OBJS-17).
        fields: every field read, in file order, also those in front of an error.
        error: what ended the reading.
    """

    objects: tuple[Object, ...] = ()
    fields: tuple[Traced, ...] = ()
    error: SdcError | None = None


def parse_objects(
    stream: Outline, *, masks: bool | Collection[int] = True, limits: Limits = Limits()
) -> tuple[Object, ...]:
    """Objects that a stream describes, in order of rank; none when it has no OBJS chunk.

    Args:
        stream: from :func:`sdc.format.parse.parse`.
        masks: whether pixel masks are decoded, or indices of the objects whose masks are; the others' masks
            are ``None``.
        limits: what the caller agrees to decode; ``mask_pixels`` counts the masks that are decoded.

    Raises:
        SdcError: ``E_OBJS``, ``E_VARINT``, ``E_PAYLOAD_LENGTH`` or ``E_LIMIT``; ``E_USAGE`` when OBJS may
            stand behind the groups, and nothing there has been read.
    """
    if not stream.behind and stream.chunk(OBJS) is None:
        raise SdcError(
            "E_USAGE",
            "the objects have not been read: they may stand behind the groups, from where "
            "sdc.open(...).objects fetches them",
        )
    found = read_objects(stream, masks=masks, limits=limits)
    if found.error is not None:
        raise found.error
    return found.objects


def read_objects(
    stream: Outline, *, masks: bool | Collection[int] = True, limits: Limits = Limits()
) -> ReadObjects:
    """Read OBJS as far as it is right; arguments as for :func:`parse_objects`."""
    chunk = stream.chunk(OBJS)
    if chunk is None:
        return ReadObjects()
    payload = read_payload("OBJS", chunk.payload, chunk.payload_offset)
    try:
        rows = payload.whole().objects
        objects = _check_objects(stream, rows, payload)
        wanted = [
            k
            for k, row in enumerate(rows)
            if row.mask_coding and (masks if isinstance(masks, bool) else k in masks)
        ]
        _decode_masks(objects, rows, wanted, payload, limits)
    except SdcError as error:
        return ReadObjects(fields=payload.fields, error=error)
    return ReadObjects(tuple(objects), payload.fields)


def _refuse(payload: Payload, k: int, field: str, what: str) -> SdcError:
    """``E_OBJS`` at a field of an object."""
    path = f"OBJS.objects[{k}].{field}"
    return SdcError("E_OBJS", f"object {k}: {what}", path, payload.offset(path))


def _check_objects(stream: Outline, rows: Any, payload: Payload) -> list[Object]:
    """The objects without their masks.

    Raises:
        SdcError: ``E_OBJS`` for what breaks a rule that joins fields.
    """
    head = stream.head
    out: list[Object] = []
    area = 0
    for k, v in enumerate(rows):
        if v.group >= len(stream.groups):
            raise _refuse(payload, k, "group", f"group {v.group} does not exist")
        if v.x + v.width > head.width:
            raise _refuse(payload, k, "width", "the box leaves the image")
        if v.y + v.height > head.height:
            raise _refuse(payload, k, "height", "the box leaves the image")
        if out and v.rank < (out[-1].rank or 0):
            raise _refuse(payload, k, "rank", "objects are not in order of rank")
        if v.mask_length and not v.mask_coding:
            raise _refuse(payload, k, "mask_length", "a mask without a coding")
        if v.mask_coding:
            size = v.width * v.height
            area += size
            if size > MAX_MASK_PIXELS or area > 4 * head.width * head.height:
                raise _refuse(payload, k, "mask", "the pixel mask is too large")
        level = stream.groups[v.group].level
        box = (v.x, v.y, v.width, v.height)
        out.append(Object(v.label, box, level, v.score / 255, v.reason, v.rank, None, v.group))
    return out


def _decode_masks(
    objects: list[Object], rows: Any, wanted: Sequence[int], payload: Payload, limits: Limits
) -> None:
    """Give some objects their masks.

    Raises:
        SdcError: ``E_OBJS`` for a mask that is not right, ``E_LIMIT`` for too many pixels.
    """
    pixels = sum(rows[k].width * rows[k].height for k in wanted)
    if pixels > limits.mask_pixels:
        where = f"OBJS.objects[{wanted[-1]}].mask"
        raise SdcError("E_LIMIT", f"pixel masks of {pixels} pixels", where, payload.offset(where))
    for k in wanted:
        try:
            mask = engine().decode_map(rows[k].mask, rows[k].height, rows[k].width, 1).astype(bool)
        except SdcError as error:
            raise _refuse(payload, k, "mask", f"the pixel mask does not decode ({error.code})") from None
        if not mask.any():
            raise _refuse(payload, k, "mask", "the pixel mask is empty")
        objects[k] = replace(objects[k], mask=mask)
