"""construct structures made from the table of fields (``spec/fields.json``).

Nothing here knows the format: names, types, ranges and ids come from the table that also
makes the syntax tables of the specification.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import construct as cs

from ..errors import SdcError, spec_data

VARINT_MAX = 2**32 - 1


def encode_varint(value: int) -> bytes:
    """Minimal unsigned LEB128 of ``0 <= value <= 2**32 - 1`` (NOTA-05)."""
    if not 0 <= value <= VARINT_MAX:
        raise ValueError(f"{value} does not fit a varint")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, at: int, base: int = 0) -> tuple[int, int]:
    """Read a varint.

    Args:
        data: bytes that hold it.
        at: index of its first byte.
        base: file offset of ``data[0]``, for errors.

    Returns:
        ``(value, index of the byte after it)``.

    Raises:
        SdcError: ``E_VARINT``.
        IndexError: when ``data`` ends first.
    """
    value = shift = 0
    start = at
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
        if shift == 35:
            raise SdcError("E_VARINT", offset=base + start)
    if value > VARINT_MAX or (byte == 0 and shift > 7):
        raise SdcError("E_VARINT", offset=base + start)
    return value, at


class Varint(cs.Construct):  # type: ignore[misc]
    """construct for a varint."""

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        start = cs.stream_tell(stream, path)
        data = b""
        while len(data) < 5 and (not data or data[-1] > 0x7F):
            data += cs.stream_read(stream, 1, path)
        return decode_varint(data, 0, start)[0]

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        data = encode_varint(obj)
        cs.stream_write(stream, data, len(data), path)
        return obj


@dataclass(frozen=True)
class Traced:
    """One parsed field: where it stands and what it says.

    Attributes:
        path: such as ``HEAD.groups[2].size``.
        name: its structure and name in the table, such as ``GROUP.size``.
        id: sentence of the specification.
    """

    path: str
    name: str
    offset: int
    size: int
    value: Any
    id: str


@cache
def row_of(structure: str, name: str) -> dict[str, Any]:
    """A field's row of the table."""
    rows = spec_data("fields.json")["structures"][structure]["fields"]
    return next(row for row in rows if row["name"] == name)


def sizes_of(structure: str, name: str) -> tuple[int, int]:
    """Least and most bytes of a field that goes on to the end of its payload."""
    row = row_of(structure, name)
    return row.get("min_size", 0), row.get("max_size", VARINT_MAX)


def split_bits(structure: str, name: str, value: int) -> dict[str, int]:
    """Parts of a field that shares its bits among several."""
    parts = row_of(structure, name)["bits"]
    return {part["name"]: value >> part["low"] & (1 << part["size"]) - 1 for part in parts}


def join_bits(structure: str, name: str, parts: Mapping[str, int]) -> int:
    """Value of a field from its parts; the inverse of :func:`split_bits`."""
    return sum(parts[part["name"]] << part["low"] for part in row_of(structure, name)["bits"])


class Field(cs.Subconstruct):  # type: ignore[misc]
    """A field of the table: checks what the table allows, and leaves a trace.

    Args:
        name: structure and name of the field.
        path: of the field in the file; ``{}`` stands for the number of the entry in its list.
        row: of the table.
        subcon: construct of its type.
    """

    def __init__(self, name: str, path: str, row: dict[str, Any], subcon: Any):
        super().__init__(subcon)
        self.row = row
        self.label = name
        self.path = path

    def _wrong(self, value: Any) -> str:
        """What the table does not allow about a value, in words; empty when nothing."""
        row = self.row
        if isinstance(value, int):
            first, last = row.get("forbidden", (1, 0))
            within = row.get("min", 0) <= value <= row.get("max", VARINT_MAX)
            return f"is {value}" if not within or first <= value <= last else ""
        if row["type"] == "rest":
            least, most = row.get("min_size", 0), row.get("max_size", VARINT_MAX)
            return f"has {len(value)} bytes" if not least <= len(value) <= most else ""
        return ""

    def _check(self, value: Any, path: str, offset: int) -> None:
        """Refuse what is not allowed, where the table has a code for it."""
        wrong = self._wrong(value) if "error" in self.row else ""
        if wrong:
            raise SdcError(self.row["error"], f"{self.label} {wrong}", path, offset)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        base = context._root._params.get("base", 0)
        offset = base + cs.stream_tell(stream, path)
        place = self.path.format(context.get("_index"))
        try:
            value = self.subcon._parsereport(stream, context, path)
        except SdcError:
            if isinstance(self.subcon, Varint):
                raise SdcError("E_VARINT", f"{self.label} is not a minimal varint", place, offset) from None
            raise
        except cs.StringError:
            raise SdcError(self.row["error"], f"{self.label} is not UTF-8", place, offset) from None
        self._check(value, place, offset)
        if not isinstance(value, (list, cs.Container)):
            size = base + cs.stream_tell(stream, path) - offset
            context._root._params.trace.append(Traced(place, self.label, offset, size, value, self.row["id"]))
        return value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        self._check(obj, self.path.format(context.get("_index")), cs.stream_tell(stream, path))
        return self.subcon._build(obj, stream, context, path)


def _type(path: str, spec: str) -> Any:
    kind, _, rest = spec.partition(":")
    if kind == "u8":
        return cs.Int8ul
    if kind == "u32":
        return cs.Int32ul
    if kind == "varint":
        return Varint()
    if kind == "rest":
        return cs.GreedyBytes
    if kind == "bytes":
        return cs.Bytes(int(rest) if rest.isdigit() else cs.this[rest])
    if kind == "text":
        return cs.StringEncoded(cs.Bytes(cs.this[rest]), "utf8")
    if kind == "list":
        item, _, count = rest.partition(":")
        entry = structure_of(item, path + "[{}]")
        return cs.Array(cs.this[count], entry) if count else cs.GreedyRange(entry)
    raise ValueError(f"{path}: unknown type {spec}")


@cache
def structure_of(name: str, path: str = "") -> Any:
    """construct ``Struct`` of a structure of the table, such as ``HEAD``.

    Args:
        name: in the table.
        path: of the structure in the file; its name by default.
    """
    rows = spec_data("fields.json")["structures"][name]["fields"]
    fields = []
    for row in rows:
        place = f"{path or name}.{row['name']}"
        fields.append(row["name"] / Field(f"{name}.{row['name']}", place, row, _type(place, row["type"])))
    return cs.Struct(*fields)


@dataclass(frozen=True)
class Payload:
    """What was read of a payload.

    Attributes:
        fields: every field read, in file order, also those in front of an error.
        values: all of them as a ``construct.Container``; ``None`` when an error ended the reading.
        error: what ended it.
    """

    fields: tuple[Traced, ...]
    values: Any = None
    error: SdcError | None = None

    def whole(self) -> Any:
        """The values.

        Raises:
            SdcError: what ended the reading.
        """
        if self.error is not None:
            raise self.error
        return self.values

    def offset(self, path: str) -> int:
        """Offset in the file of a field that was read."""
        return next(field.offset for field in self.fields if field.path == path)


def read_payload(name: str, payload: bytes, base: int = 0) -> Payload:
    """Read a payload that must be used up, as far as it is right.

    Args:
        name: structure of the table.
        payload: its bytes.
        base: file offset of its first byte.

    Returns:
        Fields and values; ``error`` is ``E_PAYLOAD_LENGTH``, ``E_VARINT`` or the code of the field that is
        not as the table says.
    """
    stream = io.BytesIO(payload)
    trace: list[Traced] = []
    try:
        values = structure_of(name).parse_stream(stream, base=base, trace=trace)
        if stream.tell() != len(payload):
            many = len(payload) - stream.tell()
            message = f"{name} payload has {many} bytes too many"
            raise SdcError("E_PAYLOAD_LENGTH", message, name, base + stream.tell())
    except cs.StreamError:
        message = f"{name} payload is too short"
        error = SdcError("E_PAYLOAD_LENGTH", message, name, base + len(payload))
        return Payload(tuple(trace), error=error)
    except SdcError as error:
        return Payload(tuple(trace), error=error)
    return Payload(tuple(trace), values)


def parse_payload(name: str, payload: bytes, base: int = 0) -> Any:
    """Values of a payload that must be used up, as a ``construct.Container``.

    Args:
        name: structure of the table.
        payload: its bytes.
        base: file offset of its first byte.

    Raises:
        SdcError: ``E_PAYLOAD_LENGTH``, ``E_VARINT`` or the code of the field that is not as the table says.
    """
    return read_payload(name, payload, base).whole()


def build_payload(name: str, values: dict[str, Any]) -> bytes:
    """Bytes of a payload; the inverse of :func:`parse_payload`."""
    return bytes(structure_of(name).build(values))
