"""How OBJS codes objects: one after the other in a rANS stream, texts in two lists (spec section "OBJS")."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..coding.rans import Decoder, Encoder
from ..errors import SdcError
from ..types import MAX_MASK_BYTES, MAX_OBJECTS
from .fields import Payload, build_payload, join_bits, split_bits
from .stream import Outline

NO_SCORE = 255
"""Score where none is known (OBJS-08)."""

BOX_UNITS = (1, 2, 4, 8, 16)
"""Pixels of the units that boxes may have, by their number in the layout (OBJS-19)."""

MASK_LENGTHS = MAX_MASK_BYTES + 1


@dataclass(frozen=True)
class Row:
    """An object as it is coded.

    Attributes:
        box: left, top, width and height in units.
        score: in 1/255.
        mask: the coded pixel mask; ``None`` when there is none.
    """

    group: int
    label: str
    reason: str
    box: tuple[int, int, int, int]
    score: int
    rank: int
    mask: bytes | None


@dataclass(frozen=True)
class Bounds:
    """What the numbers of objects are bounded by.

    Attributes:
        width, height: of the image in pixels.
        groups: number of groups.
        unit: boxes are in units of ``2**unit`` pixels.
    """

    width: int
    height: int
    groups: int
    unit: int = 0

    @staticmethod
    def of(stream: Outline, unit: int) -> Bounds:
        """Those of a stream."""
        return Bounds(stream.head.width, stream.head.height, len(stream.groups), unit)

    @property
    def columns(self) -> int:
        """Units from the left to the right side of the image, the last one perhaps cut."""
        return -(-self.width >> self.unit)

    @property
    def rows(self) -> int:
        """Units from the upper to the lower side."""
        return -(-self.height >> self.unit)

    def units(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box in units that holds a box in pixels."""
        x, y, w, h = box
        left, top = x >> self.unit, y >> self.unit
        return left, top, -(-(x + w) >> self.unit) - left, -(-(y + h) >> self.unit) - top

    def pixels(self, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """A box in units as one in pixels, cut at the right and lower side of the image (OBJS-22)."""
        x, y, w, h = (value << self.unit for value in box)
        return x, y, min(w, self.width - x), min(h, self.height - y)

    def hold(self, row: Row) -> bool:
        """Whether an object can be coded."""
        x, y, w, h = row.box
        return (
            0 <= row.group < self.groups
            and min(x, y) >= 0
            and min(w, h) >= 1
            and x + w <= self.columns
            and y + h <= self.rows
        )


class _Picks:
    """Choices from a list of texts whose entries come in the order of their first use (OBJS-21)."""

    def __init__(self, texts: Sequence[str]):
        self.texts = texts
        self.used = 0

    @property
    def count(self) -> int:
        """Outcomes of a choice: no text, one that was used, or the next."""
        return min(self.used + 1, len(self.texts)) + 1

    def at(self, place: int) -> str:
        """The text of a choice."""
        self.used = max(self.used, place)
        return self.texts[place - 1] if place else ""

    def place(self, text: str) -> int:
        """The choice of a text."""
        place = self.texts.index(text) + 1 if text else 0
        self.used = max(self.used, place)
        return place


def rows_payload(rows: Sequence[Row], bounds: Bounds) -> bytes:
    """Payload of OBJS.

    Args:
        rows: in order of rank.

    Raises:
        SdcError: ``E_OBJS`` for a box, group or rank that no stream can hold.
    """
    for k, row in enumerate(rows):
        before = rows[k - 1].rank if k else 0
        if not bounds.hold(row) or not before <= row.rank < MAX_OBJECTS:
            raise SdcError("E_OBJS", f"object {k} has a box, group or rank that no stream can hold")
    labels, reasons = (_in_order(texts) for texts in ((r.label for r in rows), (r.reason for r in rows)))
    parts = _flags(rows)
    coded = _coded(rows, parts, _Picks(labels), _Picks(reasons), bounds)
    values = {
        "count": len(rows),
        "layout": join_bits("OBJS", "layout", {"unit": bounds.unit, **parts, "zero": 0}),
        "label_count": len(labels),
        "labels": _entries(labels),
        "reason_count": len(reasons),
        "reasons": _entries(reasons),
        "coded_length": len(coded),
        "coded": coded,
        "masks": b"".join(row.mask for row in rows if row.mask is not None),
    }
    return build_payload("OBJS", values)


def _in_order(texts: Iterator[str]) -> list[str]:
    """Different texts in the order in which they come first."""
    return [text for text in dict.fromkeys(texts) if text]


def _entries(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"length": len(text.encode()), "text": text} for text in texts]


def _flags(rows: Sequence[Row]) -> dict[str, int]:
    """The bits of the layout that say what is coded (OBJS-19)."""
    return {
        "scored": int(any(row.score != NO_SCORE for row in rows)),
        "ranked": int(any(row.rank != k for k, row in enumerate(rows))),
        "masked": int(any(row.mask is not None for row in rows)),
    }


def _coded(
    rows: Sequence[Row], parts: dict[str, int], labels: _Picks, reasons: _Picks, bounds: Bounds
) -> bytes:
    """The stream from which :func:`_reader` reads objects."""
    encoder = Encoder()
    rank = 0
    for row in rows:
        encoder.put_uniform(row.group, bounds.groups)
        for texts, text in ((labels, row.label), (reasons, row.reason)):
            count = texts.count
            encoder.put_uniform(texts.place(text), count)
        left, top, width, height = row.box
        for start, size, past in ((left, width, bounds.columns), (top, height, bounds.rows)):
            encoder.put_number(start, past)
            encoder.put_number(size - 1, past - start)
        if parts["scored"]:
            encoder.put_raw(row.score, 8)
        if parts["ranked"]:
            encoder.put_uniform(row.rank - rank, MAX_OBJECTS - rank)
            rank = row.rank
        if parts["masked"]:
            encoder.put_raw(int(row.mask is not None), 1)
            if row.mask is not None:
                encoder.put_number(len(row.mask), MASK_LENGTHS)
    return encoder.finish()


def read_rows(payload: Payload, stream: Outline) -> tuple[list[Row], Bounds]:
    """The objects of a payload.

    Args:
        payload: of OBJS.
        stream: whose OBJS it is.

    Raises:
        SdcError: what ended the reading of the payload; ``E_OBJS`` for what breaks a rule behind it.
    """
    values = payload.whole()
    parts = split_bits("OBJS", "layout", values.layout)
    if parts["zero"] or parts["unit"] >= len(BOX_UNITS):
        raise refused(payload, "layout", f"a layout of 0x{values.layout:02X}")
    bounds = Bounds.of(stream, parts["unit"])
    labels, reasons = _lists(values, payload)
    try:
        decoder = Decoder(values.coded)
        read = _reader(decoder, parts, labels, reasons, bounds)
        found = [read(k) for k in range(values.count)]
        decoder.finish()
    except SdcError as error:
        raise refused(payload, "coded", f"the coded objects do not decode ({error.code})") from None
    for name, own in (("label", labels), ("reason", reasons)):
        if own.used < len(own.texts):
            raise refused(payload, f"{name}_count", f"one of the {name}s is not used")
    rows = _with_masks(found, values.masks, payload)
    if any(parts[name] != needed for name, needed in _flags(rows).items()):
        raise refused(payload, "layout", "the layout says that scores, ranks or masks vary which do not")
    return rows, bounds


def _lists(values: Any, payload: Payload) -> tuple[_Picks, _Picks]:
    """The labels and reasons of a payload.

    Raises:
        SdcError: ``E_OBJS`` for one that stands twice.
    """
    labels, reasons = ([entry.text for entry in values[name]] for name in ("labels", "reasons"))
    for name, texts in (("label", labels), ("reason", reasons)):
        if len(set(texts)) < len(texts):
            raise refused(payload, f"{name}_count", f"one of the {name}s stands twice")
    return _Picks(labels), _Picks(reasons)


def _reader(
    decoder: Decoder, parts: dict[str, int], labels: _Picks, reasons: _Picks, bounds: Bounds
) -> Callable[[int], tuple[Row, int | None]]:
    """What reads object ``k``, one after the other, with the bytes of its mask if it has one."""
    rank = 0

    def span(past: int) -> tuple[int, int]:
        start = decoder.number(past)
        return start, decoder.number(past - start) + 1

    def read(k: int) -> tuple[Row, int | None]:
        nonlocal rank
        group = decoder.uniform(bounds.groups)
        label, reason = (own.at(decoder.uniform(own.count)) for own in (labels, reasons))
        (left, width), (top, height) = span(bounds.columns), span(bounds.rows)
        score = decoder.raw(8) if parts["scored"] else NO_SCORE
        rank = rank + decoder.uniform(MAX_OBJECTS - rank) if parts["ranked"] else k
        masked = parts["masked"] and decoder.raw(1)
        length = decoder.number(MASK_LENGTHS) if masked else None
        return Row(group, label, reason, (left, top, width, height), score, rank, None), length

    return read


def _with_masks(found: Sequence[tuple[Row, int | None]], masks: bytes, payload: Payload) -> list[Row]:
    """The objects with the bytes of their masks.

    Raises:
        SdcError: ``E_OBJS`` when the masks have not as many bytes as the objects say.
    """
    rows, at = [], 0
    for row, length in found:
        past = at + (length or 0)
        rows.append(row if length is None else replace(row, mask=masks[at:past]))
        at = past
    if at != len(masks):
        raise refused(payload, "masks", f"the masks have {len(masks)} bytes, and the objects say {at}")
    return rows


def refused(payload: Payload, field: str, what: str) -> SdcError:
    """``E_OBJS`` at a field of the payload."""
    path = f"OBJS.{field}"
    return SdcError("E_OBJS", what, path, payload.offset(path))
