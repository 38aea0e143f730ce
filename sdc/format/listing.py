"""Every field of a file with its offset, size, value and id, for reports."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..errors import SdcError, spec_data
from .chunks import CRC_SIZE, MAGIC, NAMES
from .fields import Traced, decode_varint, row_of
from .grps import COMPLETE, DAMAGED, TRUNCATED, Group
from .reading import Place, Reading
from .source import Reader

Row = dict[str, Any]


def field_rows(reader: Reader, found: Reading, objects: Iterable[Traced]) -> list[Row]:
    """Every field read, by offset: the header's, the groups', the chunks', and those of the payloads.

    Args:
        reader: of the file.
        found: what was read of it.
        objects: fields of OBJS.

    Returns:
        Rows of ``path``, ``offset``, ``size``, ``value`` (bytes in hex, ``None`` for payloads and the map)
        and ``id``.
    """
    size = len(MAGIC)
    rows = [_row("magic", 0, size, MAGIC, ("FILE", "magic"))] if reader.at(0, size) == MAGIC else []
    for t in (*found.fields, *objects):
        structure, _, name = t.name.partition(".")
        value = None if t.name == "HEAD.map" else t.value
        rows.append(_row(t.path, t.offset, t.size, value, (structure, name)))
    for g in () if found.outline is None else found.outline.groups:
        rows += _group_rows(reader, g)
    for k, place in enumerate(found.places):
        rows += _chunk_rows(reader, f"chunks[{k}]", place)
    return sorted(rows, key=lambda row: (row["offset"], row["size"] > 0))


def _row(path: str, offset: int, size: int, value: Any, field: tuple[str, str]) -> Row:
    value = value.hex() if isinstance(value, bytes) else value
    return {"path": path, "offset": offset, "size": size, "value": value, "id": row_of(*field)["id"]}


def _group_rows(reader: Reader, group: Group) -> Iterator[Row]:
    """Payload and CRC of a group's data, if all of it is there."""
    if group.state in (COMPLETE, DAMAGED):
        path, crc = f"groups[{group.index}]", group.offset + group.size - CRC_SIZE
        yield _row(f"{path}.stream", group.offset, crc - group.offset, None, ("LATN", "stream"))
        value = int.from_bytes(reader.at(crc, CRC_SIZE), "little")
        yield _row(f"{path}.crc", crc, CRC_SIZE, value, ("LATN", "crc"))


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
    crc = end if place.state == TRUNCATED else max(end - CRC_SIZE, start)
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
