"""A second coder of OBJS, from the sentences of the specification, which can write anything wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdc.coding.rans import Encoder
from sdc.format.fields import encode_varint

Object = dict[str, Any]
PLAIN: Object = {
    "group": 0, "x": 0, "y": 0, "width": 1, "height": 1, "score": 255,
    "label": b"", "reason": b"", "mask": None,
}  # fmt: skip
"""What an object is where nothing else is said; its rank is its index."""


def objs(
    objects: Sequence[Object],
    size: tuple[int, int] = (8, 8),
    groups: int = 1,
    *,
    unit: int = 0,
    layout: int | None = None,
    change: Object | None = None,
) -> bytes:
    """Payload of OBJS.

    Args:
        objects: boxes in pixels, texts as bytes, masks coded or ``None``.
        size: width and height of the picture.
        groups: number of groups.
        unit: of boxes.
        layout: instead of the right one; objects are coded as it says.
        change: other values of fields by name, ``labels`` and ``reasons`` as lists of bytes.
    """
    rows = [{**PLAIN, "rank": k, **row} for k, row in enumerate(objects)]
    if layout is None:
        layout = unit
        layout |= any(row["score"] != 255 for row in rows) << 3
        layout |= any(row["rank"] != k for k, row in enumerate(rows)) << 4
        layout |= any(row["mask"] is not None for row in rows) << 5
    fields: Object = {
        "count": len(rows),
        "layout": bytes([layout]),
        "labels": [text for text in dict.fromkeys(row["label"] for row in rows) if text],
        "reasons": [text for text in dict.fromkeys(row["reason"] for row in rows) if text],
        "masks": b"".join(row["mask"] or b"" for row in rows),
        **(change or {}),
    }
    if "coded" not in fields:
        fields["coded"] = coded(rows, fields, size, groups, layout)
    length = fields.get("coded_length", len(fields["coded"]))
    lists = b"".join(encode_varint(len(fields[name])) + texts(fields[name]) for name in ("labels", "reasons"))
    parts = (encode_varint(fields["count"]), fields["layout"], lists, encode_varint(length))
    return b"".join((*parts, fields["coded"], fields["masks"]))


def texts(list_: Sequence[bytes]) -> bytes:
    """Texts, each with its length in front."""
    return b"".join(encode_varint(len(text)) + text for text in list_)


def coded(rows: Sequence[Object], fields: Object, size: tuple[int, int], groups: int, layout: int) -> bytes:
    """The rANS stream of the objects."""
    encoder = Encoder()
    used = {"label": 0, "reason": 0}
    before = 0
    for row in rows:
        encoder.put_uniform(row["group"], groups)
        for name in used:
            known = fields[f"{name}s"]
            place = known.index(row[name]) + 1 if row[name] else 0
            encoder.put_uniform(place, min(used[name] + 1, len(known)) + 1)
            used[name] = max(used[name], place)
        for first, length, whole in ((row["x"], row["width"], size[0]), (row["y"], row["height"], size[1])):
            put_side(encoder, first, first + length, whole, layout & 7)
        if layout & 8:
            encoder.put_raw(row["score"], 8)
        if layout & 16:
            encoder.put_uniform(row["rank"] - before, 4095 - before)
            before = row["rank"]
        if layout & 32:
            encoder.put_raw(row["mask"] is not None, 1)
            if row["mask"] is not None:
                put_number(encoder, len(row["mask"]), 65536)
    return encoder.finish()


def put_side(encoder: Encoder, start: int, end: int, whole: int, unit: int) -> None:
    """Two sides of a box, rounded outward."""
    step = 1 << unit
    units = (whole + step - 1) // step
    first, past = start // step, (end + step - 1) // step
    put_number(encoder, first, units)
    put_number(encoder, past - first - 1, units - first)


def put_number(encoder: Encoder, value: int, count: int) -> None:
    """``number(count)``."""
    if count <= 32768:
        encoder.put_uniform(value, count)
    else:
        half = value // 2
        encoder.put_uniform(half, (count + 1) // 2)
        encoder.put_uniform(value - 2 * half, min(2, count - 2 * half))
