"""State of a group by the bytes of its data (spec section "States of a group")."""

from __future__ import annotations

from dataclasses import replace

from ..errors import SdcError
from ..types import Limits
from .chunks import CRC_SIZE, right_crc
from .grps import COMPLETE, DAMAGED, TRUNCATED, Group


def check_size(group: Group, size: int, limits: Limits) -> None:
    """Refuse a group whose data is whole and larger than the caller agrees to hold (LIMT-01).

    Args:
        group: as the head lists it.
        size: bytes of the file.
        limits: of the caller.

    Raises:
        SdcError: ``E_LIMIT``.
    """
    if group.size > limits.chunk_bytes and group.offset + group.size <= size:
        raise SdcError("E_LIMIT", f"a group of {group.size} bytes", f"group {group.index}", group.offset)


def read_group(group: Group, data: bytes, seed: bytes) -> Group:
    """A group with its state and its payload; a withdrawn one stays as it is.

    Args:
        group: as the head lists it.
        data: its data, fewer bytes than its size where the file ends.
        seed: what the CRC starts with (LATN-04).
    """
    if not group.size:
        return group
    if len(data) < group.size:
        return replace(group, state=TRUNCATED, payload=None)
    if not right_crc(data, seed):
        return replace(group, state=DAMAGED, payload=None)
    return replace(group, state=COMPLETE, payload=data[:-CRC_SIZE])
