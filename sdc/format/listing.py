"""Every field of a file with its offset, size, value and id, for reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import SdcError, spec_data
from .chunks import MAGIC, NAMES
from .fields import Traced, decode_varint, row_of
from .grps import COMPLETE, TRUNCATED
from .reading import Place
from .source import Reader

Row = dict[str, Any]


def field_rows(reader: Reader, places: Sequence[Place], fields: Iterable[Traced]) -> list[Row]:
    """Every field read, by offset: the file's, the chunks', and those of the payloads.

    Args:
        reader: of the file.
        places: its chunks.
        fields: those of HEAD, GRPS and OBJS.

    Returns:
        Rows of ``path``, ``offset``, ``size``, ``value`` (bytes in hex, ``None`` for a payload) and ``id``.
    """
    rows = [_row("magic", 0, len(MAGIC), MAGIC, ("FILE", "magic"))] if places else []
    for k, place in enumerate(places):
        rows += _chunk_rows(reader, f"chunks[{k}]", place)
    for t in fields:
        structure, _, name = t.name.partition(".")
        rows.append(_row(t.path, t.offset, t.size, t.value, (structure, name)))
    return sorted(rows, key=lambda row: (row["offset"], row["size"] > 0))


def _row(path: str, offset: int, size: int, value: Any, field: tuple[str, str]) -> Row:
    value = value.hex() if isinstance(value, bytes) else value
    return {"path": path, "offset": offset, "size": size, "value": value, "id": row_of(*field)["id"]}


def _chunk_rows(reader: Reader, path: str, place: Place) -> Iterator[Row]:
    """Type, length, payload and CRC of a chunk, as far as they are there."""
    end = place.offset + place.size
    yield _row(f"{path}.type", place.offset, 1, place.type, ("CHUNK", "type"))
    try:
        length, header = decode_varint(reader.at(place.offset, 6), 1)
    except (SdcError, IndexError):
        return
    start = place.offset + header
    yield _row(f"{path}.length", place.offset + 1, header - 1, length, ("CHUNK", "length"))
    crc = end if place.state == TRUNCATED else max(end - 4, start)
    yield _row(f"{path}.payload", start, crc - start, None, ("CHUNK", "payload"))
    whole = _opaque_field(NAMES.get(place.type, ""))
    if whole and place.state == COMPLETE:
        yield _row(".".join(whole), start, crc - start, None, whole)
    if place.state != TRUNCATED:
        value = int.from_bytes(reader.at(crc, end - crc), "little")
        yield _row(f"{path}.crc", crc, end - crc, value, ("CHUNK", "crc"))


def _opaque_field(chunk: str) -> tuple[str, str] | None:
    """The field of a chunk whose payload the table takes as one field."""
    structures = spec_data("fields.json")["structures"]
    fields = structures[chunk]["fields"] if chunk in structures else []
    return (chunk, fields[0]["name"]) if [f["type"] for f in fields] == ["rest"] else None
