"""The OBJS chunk: the objects that a stream describes (spec section "OBJS")."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from ..coding.engine import engine
from ..errors import SdcError
from ..objects.object import Object
from ..objects.values import Bools
from ..types import MAX_LABEL, MAX_MASK_BYTES, MAX_OBJECTS, MAX_REASON, Limits
from .chunks import OBJS
from .fields import Payload, Traced, read_payload
from .objs_rows import Bounds, Row, read_rows, refused, rows_payload
from .stream import Outline

MAX_MASK_PIXELS = 1 << 22
"""Pixels of one object's mask (OBJS-16)."""


def _text(value: str, limit: int) -> str:
    """A text, cut at a character when its UTF-8 is too long."""
    return value.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


def objects_payload(objects: Sequence[Object], bounds: Bounds, *, pixel_masks: bool = False) -> bytes:
    """Payload of OBJS.

    Args:
        objects: with their groups, in any order.
        bounds: of the stream; its unit is that of boxes, which are rounded outward to it.
        pixel_masks: whether exact masks are written too, where they fit the limits; those of the least
            important objects are left out beyond four times the image (OBJS-16).

    Raises:
        SdcError: ``E_OBJECTS`` for no objects, too many, or one without a group; ``E_OBJS`` for a box, group
            or rank that no stream can hold.
    """
    if not 1 <= len(objects) <= MAX_OBJECTS:
        raise SdcError("E_OBJECTS", f"a stream describes 1 to {MAX_OBJECTS} objects, not {len(objects)}")
    rows: list[Row] = []
    left = 4 * bounds.width * bounds.height
    for k, o in enumerate(sorted(objects, key=lambda o: (o.rank is None, o.rank))):
        if o.group is None:
            raise SdcError("E_OBJECTS", f"object {k} has no group")
        units = bounds.units(o.box)
        mask = _coded_mask(o, bounds.pixels(units), left) if pixel_masks else None
        if mask is not None:
            left -= _area(bounds.pixels(units))
        score = round(255 * min(max(o.score, 0.0), 1.0))
        rank = max(k, rows[-1].rank if rows else 0) if o.rank is None else o.rank
        label, reason = _text(o.label, MAX_LABEL), _text(o.reason, MAX_REASON)
        rows.append(Row(o.group, label, reason, units, score, rank, mask))
    return rows_payload(rows, bounds)


def _area(box: tuple[int, int, int, int]) -> int:
    return box[2] * box[3]


def _coded_mask(o: Object, box: tuple[int, int, int, int], most: int) -> bytes | None:
    """An object's pixel mask in a box around its own; ``None`` without one, or beyond the limits.

    Args:
        o: the object.
        box: in which it is coded, in pixels.
        most: pixels that it may have at most.
    """
    if o.mask is None or _area(box) > min(MAX_MASK_PIXELS, most):
        return None
    mask = np.zeros((box[3], box[2]), np.uint8)
    y, x = o.box[1] - box[1], o.box[0] - box[0]
    mask[y : y + o.box[3], x : x + o.box[2]] = o.mask
    coded = engine().encode_map(mask, 1)
    return coded if len(coded) <= MAX_MASK_BYTES else None


@dataclass(frozen=True)
class ReadObjects:
    """What was read of OBJS.

    Attributes:
        objects: in order of rank; none when an error ended the reading (OBJS-17).
        fields: every field read, in file order, also those in front of an error.
        error: what ended the reading.
        masked: indices of the objects that have a pixel mask.
    """

    objects: tuple[Object, ...] = ()
    fields: tuple[Traced, ...] = ()
    error: SdcError | None = None
    masked: tuple[int, ...] = ()


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
        rows, bounds = read_rows(payload, stream)
        boxes = [bounds.pixels(row.box) for row in rows]
        masked = [k for k, row in enumerate(rows) if row.mask is not None]
        _check_areas([_area(boxes[k]) for k in masked], bounds, payload)
        wanted = [k for k in masked if (masks if isinstance(masks, bool) else k in masks)]
        found = _decoded_masks([(boxes[k], rows[k].mask or b"") for k in wanted], payload, limits)
        by_object = dict(zip(wanted, found, strict=True))
        objects = tuple(
            Object(
                row.label,
                box,
                stream.groups[row.group].level,
                row.score / 255,
                row.reason,
                row.rank,
                by_object.get(k),
                row.group,
            )
            for k, (row, box) in enumerate(zip(rows, boxes, strict=True))
        )
    except SdcError as error:
        return ReadObjects(fields=payload.fields, error=error)
    return ReadObjects(objects, payload.fields, masked=tuple(masked))


def _check_areas(areas: Sequence[int], bounds: Bounds, payload: Payload) -> None:
    """Refuse masks of too many pixels.

    Args:
        areas: pixels of each mask's box.

    Raises:
        SdcError: ``E_OBJS``.
    """
    if areas and (max(areas) > MAX_MASK_PIXELS or sum(areas) > 4 * bounds.width * bounds.height):
        raise refused(payload, "masks", "pixel masks are too large")


def _decoded_masks(
    coded: Sequence[tuple[tuple[int, int, int, int], bytes]], payload: Payload, limits: Limits
) -> list[Bools]:
    """Pixel masks, each from its box and its bytes.

    Raises:
        SdcError: ``E_OBJS`` for a mask that is not right, ``E_LIMIT`` for too many pixels.
    """
    pixels = sum(_area(box) for box, _ in coded)
    if pixels > limits.mask_pixels:
        where = "OBJS.masks"
        raise SdcError("E_LIMIT", f"pixel masks of {pixels} pixels", where, payload.offset(where))
    return [_decoded_mask(box, data, payload) for box, data in coded]


def _decoded_mask(box: tuple[int, int, int, int], data: bytes, payload: Payload) -> Bools:
    try:
        mask = engine().decode_map(data, box[3], box[2], 1).astype(bool)
    except SdcError as error:
        raise refused(payload, "masks", f"a pixel mask does not decode ({error.code})") from None
    if not mask.any():
        raise refused(payload, "masks", "a pixel mask is empty")
    return mask
