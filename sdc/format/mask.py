"""The MASK chunk: which cell is of which group (spec section "MASK")."""

from __future__ import annotations

import numpy as np

from ..coding.engine import engine
from ..coding.labels import Labels
from ..errors import SdcError
from .head import Head


def parse_map(head: Head, count: int, payload: bytes | None, offset: int = 0) -> Labels:
    """Group map of a stream.

    Args:
        head: of the same stream.
        count: number of groups.
        payload: of MASK; ``None`` when there is none and one group fills the image.
        offset: of the payload in the file, for errors.

    Returns:
        ``uint8 [rows, cols]``: 0 for no group, ``k + 1`` for group ``k``.

    Raises:
        SdcError: ``E_RANS_*``, ``E_MASK_LABEL``, ``E_MASK_EMPTY_GROUP`` or ``E_MASK_REDUNDANT``.
    """
    if payload is None:
        return np.ones((head.rows, head.cols), np.uint8)
    try:
        labels = engine().decode_map(payload, head.rows, head.cols, count)
    except SdcError as error:
        raise SdcError(error.code, error.message, "MASK.map", offset) from None
    present = np.bincount(labels.reshape(-1), minlength=count + 1)
    for k in range(count):
        if not present[k + 1]:
            raise SdcError("E_MASK_EMPTY_GROUP", f"group {k} has no cell", "MASK.map", offset)
    if count == 1 and not present[0]:
        raise SdcError("E_MASK_REDUNDANT", where="MASK.map", offset=offset)
    return labels


def map_payload(labels: Labels, count: int) -> bytes | None:
    """Payload of MASK; ``None`` when one group fills the image.

    Args:
        labels: ``uint8 [rows, cols]`` group map, in which every group has a cell.
        count: number of groups.
    """
    return None if count == 1 and bool((labels == 1).all()) else engine().encode_map(labels, count)
