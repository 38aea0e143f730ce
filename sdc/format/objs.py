"""The OBJS chunk: the objects that a stream describes (spec section "OBJS")."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ..coding.engine import engine
from ..errors import SdcError
from ..objects.object import Object
from ..types import MAX_LABEL, MAX_MASK_BYTES, MAX_OBJECTS, MAX_REASON, Limits
from .chunks import OBJS
from .fields import Traced, build_payload, parse_payload
from .stream import Stream

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
            mask = engine().encode_map(o.mask.astype("u1"), 1)
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
        stream: from :func:`sdc.format.parse.parse`.
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
            mask = engine().decode_map(rows[k].mask, rows[k].height, rows[k].width, 1).astype(bool)
        except SdcError as error:
            raise refuse(k, f"the pixel mask does not decode ({error.code})") from None
        if not mask.any():
            raise refuse(k, "the pixel mask is empty")
        out[k] = replace(out[k], mask=mask)
    return tuple(out)
