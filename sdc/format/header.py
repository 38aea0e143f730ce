"""The header: length, head and CRC, as it is found and as it is written (spec section "HEAD")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SdcError
from ..types import Limits
from .chunks import CRC_SIZE, MAGIC, right_crc, with_crc
from .fields import Payload, Traced, build_payload, decode_varint, encode_varint, read_payload, row_of
from .grps import Group
from .head import Head, head_values
from .source import Reader


@dataclass(frozen=True)
class Header:
    """The header as found.

    Attributes:
        payload: the fields of the head, as far as they are right.
        fields: length and CRC.
        end: first byte behind it, where the preamble begins.
    """

    payload: Payload
    fields: tuple[Traced, ...]
    end: int


def read_header(reader: Reader, limits: Limits) -> Header:
    """Read the header of a file that begins with the magic number.

    Raises:
        SdcError: ``E_VARINT`` for its length, ``E_TRUNCATED`` or ``E_HEAD_CRC``; ``E_LIMIT`` when it is whole
            and too large for the caller.
    """
    at = len(MAGIC)
    try:
        length, used = decode_varint(reader.at(at, 5), 0, at)
    except IndexError:
        length, used = 0, reader.size
    except SdcError:
        raise SdcError("E_VARINT", "length is not a minimal varint", "length", at) from None
    crc = at + used + length
    if crc + CRC_SIZE > reader.size:
        raise SdcError("E_TRUNCATED", "the file ends within the header", offset=reader.size)
    if length > limits.chunk_bytes:
        raise SdcError("E_LIMIT", f"a head of {length} bytes", "length", at)
    data = reader.at(at, used + length + CRC_SIZE)
    if not right_crc(data):
        raise SdcError("E_HEAD_CRC", where="crc", offset=crc)
    fields = (
        _traced("length", at, used, length),
        _traced("crc", crc, CRC_SIZE, int.from_bytes(data[-CRC_SIZE:], "little")),
    )
    payload = read_payload("HEAD", data[used:-CRC_SIZE], at + used)
    return Header(payload, fields, crc + CRC_SIZE)


def _traced(name: str, offset: int, size: int, value: int) -> Traced:
    return Traced(name, f"FILE.{name}", offset, size, value, row_of("FILE", name)["id"])


def build_header(
    head: Head, groups: Sequence[Group], sizes: Sequence[int], preamble: int, coded_map: bytes
) -> bytes:
    """Bytes of the header.

    Args:
        head: size and model.
        groups: their levels and qualities count, their sizes and offsets do not.
        sizes: bytes of the groups' data, 0 for one that is withdrawn.
        preamble: bytes between the header and the first group's data.
        coded_map: the coded group map.
    """
    rows = [{"level_quality": g.level_quality, "size": n} for g, n in zip(groups, sizes, strict=True)]
    more = {"count": len(rows), "preamble": preamble, "groups": rows, "map": coded_map}
    data = build_payload("HEAD", {**head_values(head), **more})
    return with_crc(encode_varint(len(data)) + data)
