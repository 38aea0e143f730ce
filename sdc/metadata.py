"""OBJS: the objects of a picture as the stream describes them (spec section "OBJS")."""

from __future__ import annotations

from collections.abc import Sequence

from .container import OBJS, Stream
from .errors import SdcError
from .mask import decode_map, encode_map
from .objects import Object
from .structures import Traced, build_payload, parse_payload

OBJECTS_MAX = 4095
LABEL_MAX, REASON_MAX = 255, 4095
MASK_AREA_MAX, MASK_BYTES_MAX = 1 << 22, 65535
BOX_BITMAP = 1


def _text(value: str, limit: int) -> bytes:
    """UTF-8 of a text, cut at a character when it is too long."""
    return value.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").encode()


def objects_payload(objects: Sequence[Object], *, pixel_masks: bool = False) -> bytes:
    """Payload of OBJS.

    Args:
        objects: with their groups, in any order.
        pixel_masks: whether exact masks are written too, where they fit the limits.

    Raises:
        SdcError: ``E_OBJECTS`` for an object without a group or beyond the limits.
    """
    if not 1 <= len(objects) <= OBJECTS_MAX:
        raise SdcError("E_OBJECTS", f"a stream describes 1 to {OBJECTS_MAX} objects, not {len(objects)}")
    rows = []
    for k, o in enumerate(sorted(objects, key=lambda o: (o.rank is None, o.rank))):
        if o.group is None:
            raise SdcError("E_OBJECTS", f"object {k} has no group")
        x, y, w, h = o.box
        mask = b""
        if pixel_masks and o.mask is not None and w * h <= MASK_AREA_MAX:
            mask = encode_map(o.mask.astype("u1"), 1)
            mask = mask if len(mask) <= MASK_BYTES_MAX else b""
        label, reason = _text(o.label, LABEL_MAX), _text(o.reason, REASON_MAX)
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
    stream: Stream, *, masks: bool = True, trace: list[Traced] | None = None
) -> tuple[Object, ...]:
    """Objects that a stream describes; none when it has no OBJS chunk.

    Args:
        masks: whether pixel masks are decoded.
        trace: receives every field.

    Raises:
        SdcError: ``E_OBJS``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``.
    """
    chunk = stream.chunk(OBJS)
    if chunk is None:
        return ()
    base = chunk.offset + chunk.size - 4 - len(chunk.payload)
    values = parse_payload("OBJS", chunk.payload, base, trace)

    def refuse(k: int, what: str) -> SdcError:
        return SdcError("E_OBJS", f"object {k}: {what}", f"OBJS.objects[{k}]", chunk.offset)

    out: list[Object] = []
    area = 0
    for k, v in enumerate(values.objects):
        if v.group >= len(stream.groups):
            raise refuse(k, f"group {v.group} does not exist")
        if v.x + v.width > stream.head.width or v.y + v.height > stream.head.height:
            raise refuse(k, "the box leaves the picture")
        if out and v.rank < (out[-1].rank or 0):
            raise refuse(k, "objects are not in order of rank")
        if (v.mask_coding == 0) != (v.mask_length == 0):
            raise refuse(k, "mask_coding and mask_length disagree")
        mask = None
        if v.mask_coding:
            area += v.width * v.height
            if v.width * v.height > MASK_AREA_MAX or area > 4 * stream.head.width * stream.head.height:
                raise refuse(k, "the pixel mask is too large")
            if masks:
                try:
                    mask = decode_map(v.mask, v.height, v.width, 1).astype(bool)
                except SdcError as error:
                    raise refuse(k, f"the pixel mask does not decode ({error.code})") from None
                if not mask.any():
                    raise refuse(k, "the pixel mask is empty")
        level = stream.groups[v.group].level
        out.append(
            Object(
                v.label, (v.x, v.y, v.width, v.height), level, v.score / 255, v.reason, v.rank, mask, v.group
            )
        )
    return tuple(out)
