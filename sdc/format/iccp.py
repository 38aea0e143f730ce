"""The ICCP chunk: the colour profile (spec section "ICCP")."""

from __future__ import annotations

from ..errors import SdcError
from .chunks import ICCP
from .fields import parse_payload, sizes_of
from .stream import Outline

ICC_BYTES = sizes_of("ICCP", "profile")
"""Least and most bytes of a colour profile (ICCP-01)."""


def icc_error(stream: Outline) -> SdcError | None:
    """``E_ICCP_SIZE`` when a stream has a colour profile of a size that none may have (ICCP-01)."""
    chunk = stream.chunk(ICCP)
    if chunk is None:
        return None
    try:
        parse_payload("ICCP", chunk.payload, chunk.payload_offset)
    except SdcError as error:
        return error
    return None


def icc_profile(stream: Outline) -> bytes | None:
    """ICC profile of a stream's pixels, byte for byte as its maker gave it; ``None`` for sRGB.

    Raises:
        SdcError: ``E_ICCP_SIZE``.
    """
    wrong = icc_error(stream)
    if wrong is not None:
        raise wrong
    chunk = stream.chunk(ICCP)
    return None if chunk is None else chunk.payload
