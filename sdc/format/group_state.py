"""State of a group by the bytes of its chunk (spec section "States of a group")."""

from __future__ import annotations

import zlib
from dataclasses import replace

from ..errors import SdcError
from ..types import Limits
from .chunks import LATN
from .fields import decode_varint
from .grps import COMPLETE, DAMAGED, TRUNCATED, Group


def check_size(group: Group, size: int, limits: Limits) -> None:
    """Refuse a group whose chunk is whole and larger than the caller agrees to hold (LIMT-01).

    Args:
        group: as GRPS lists it.
        size: bytes of the file.
        limits: of the caller.

    Raises:
        SdcError: ``E_LIMIT``.
    """
    if group.size > limits.chunk_bytes and group.offset + group.size <= size:
        raise SdcError("E_LIMIT", f"a chunk of {group.size} bytes", f"group {group.index}", group.offset)


def read_group(group: Group, data: bytes, seed: bytes) -> Group:
    """A group with its state and its payload; a withdrawn one stays as it is.

    Args:
        group: as GRPS lists it.
        data: its chunk, fewer bytes than its size where the file ends.
        seed: what the CRC starts with (LATN-04).

    Raises:
        SdcError: ``E_LATN_SIZE`` or ``E_VARINT``.
    """
    if not group.size:
        return group
    if len(data) < group.size:
        return replace(group, state=TRUNCATED, payload=None)
    if zlib.crc32(seed + data[:-4]) != int.from_bytes(data[-4:], "little"):
        return replace(group, state=DAMAGED, payload=None)
    where = f"group {group.index}"
    if data[0] != LATN:
        raise SdcError("E_LATN_SIZE", "a chunk of another type", where, group.offset)
    try:
        length, used = decode_varint(data[:-4], 1, group.offset)
    except IndexError:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset + 1) from None
    if used + length + 4 != group.size:
        raise SdcError("E_LATN_SIZE", where=where, offset=group.offset + 1)
    return replace(group, state=COMPLETE, payload=data[used:-4])
