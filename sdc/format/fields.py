"""construct structures made from the table of fields (``spec/fields.json``).

Nothing here knows the format: names, types, ranges and ids come from the table that also
makes the syntax tables of the specification.
"""

from __future__ import annotations

import io
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
    """One parsed field: where it stands and what it says."""

    path: str
    offset: int
    size: int
    value: Any
    id: str


class Field(cs.Subconstruct):  # type: ignore[misc]
    """A field of the table: checks its range and its constant, and leaves a trace."""

    def __init__(self, structure: str, row: dict[str, Any], subcon: Any):
        super().__init__(subcon)
        self.row = row
        self.label = f"{structure}.{row['name']}"

    def _check(self, value: Any, offset: int) -> None:
        row = self.row
        if isinstance(value, int) and not row.get("min", 0) <= value <= row.get("max", VARINT_MAX):
            raise SdcError(row["error"], f"{self.label} is {value}", self.label, offset)

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        base = context._root._params.get("base", 0)
        offset = base + cs.stream_tell(stream, path)
        try:
            value = self.subcon._parsereport(stream, context, path)
        except SdcError as error:
            if error.code == "E_VARINT":
                raise SdcError(
                    "E_VARINT", f"{self.label} is not a minimal varint", self.label, offset
                ) from None
            raise
        except cs.StringError:
            raise SdcError(self.row["error"], f"{self.label} is not UTF-8", self.label, offset) from None
        self._check(value, offset)
        trace = context._root._params.get("trace")
        if trace is not None and not isinstance(value, (list, cs.Container)):
            size = base + cs.stream_tell(stream, path) - offset
            trace.append(Traced(self.label, offset, size, value, self.row["id"]))
        return value

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        self._check(obj, cs.stream_tell(stream, path))
        return self.subcon._build(obj, stream, context, path)


def _type(structure: str, spec: str) -> Any:
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
        return cs.Array(cs.this[count], structure_of(item)) if count else cs.GreedyRange(structure_of(item))
    raise ValueError(f"{structure}: unknown type {spec}")


@cache
def structure_of(name: str) -> Any:
    """construct ``Struct`` of a structure of the table, such as ``HEAD``."""
    rows = spec_data("fields.json")["structures"][name]["fields"]
    return cs.Struct(*(row["name"] / Field(name, row, _type(name, row["type"])) for row in rows))


def parse_payload(name: str, payload: bytes, base: int = 0, trace: list[Traced] | None = None) -> Any:
    """Parse a payload that must be used up.

    Args:
        name: structure of the table.
        payload: its bytes.
        base: file offset of its first byte.
        trace: receives every field read, also those read before an error.

    Returns:
        A ``construct.Container``.

    Raises:
        SdcError: ``E_PAYLOAD_LENGTH``, ``E_VARINT`` or the code of the field that is out of range.
    """
    stream = io.BytesIO(payload)
    try:
        values = structure_of(name).parse_stream(stream, base=base, trace=trace)
    except cs.StreamError:
        raise SdcError(
            "E_PAYLOAD_LENGTH", f"{name} payload is too short", name, base + len(payload)
        ) from None
    if stream.tell() != len(payload):
        raise SdcError(
            "E_PAYLOAD_LENGTH",
            f"{name} payload has {len(payload) - stream.tell()} bytes too many",
            name,
            base + stream.tell(),
        )
    return values


def build_payload(name: str, values: dict[str, Any]) -> bytes:
    """Bytes of a payload; the inverse of :func:`parse_payload`."""
    return bytes(structure_of(name).build(values))
