"""The group map: which cell is of which group (spec section "Group map")."""

from __future__ import annotations

import numpy as np

from ..coding.engine import engine
from ..coding.labels import Labels
from ..errors import SdcError
from .head import Head


def parse_map(head: Head, count: int, data: bytes, offset: int = 0) -> Labels:
    """Group map of a stream.

    Args:
        head: size and model of the same stream.
        count: number of groups.
        data: the coded map; empty when every cell is of the only group.
        offset: of the map in the file, for errors.

    Returns:
        ``uint8 [rows, cols]``: 0 for no group, ``k + 1`` for group ``k``.

    Raises:
        SdcError: ``E_RANS_*``, ``E_MASK_LABEL`` or ``E_MASK_EMPTY_GROUP``.
    """
    try:
        labels = engine().decode_map(data, head.rows, head.cols, count)
    except SdcError as error:
        raise SdcError(error.code, error.message, "HEAD.map", offset) from None
    present = np.bincount(labels.reshape(-1), minlength=count + 1)
    for k in range(count):
        if not present[k + 1]:
            raise SdcError("E_MASK_EMPTY_GROUP", f"group {k} has no cell", "HEAD.map", offset)
    return labels


def map_payload(labels: Labels, count: int) -> bytes:
    """The coded group map.

    Args:
        labels: ``uint8 [rows, cols]`` group map, in which every group has a cell.
        count: number of groups.
    """
    return engine().encode_map(labels, count)
