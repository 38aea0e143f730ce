"""The COLR chunk: code points of the colour space (spec section "COLR")."""

from __future__ import annotations

from operator import index
from typing import Any, NamedTuple

from ..errors import SdcError, spec_data
from .chunks import COLR, ICCP, Chunk
from .fields import build_payload, parse_payload
from .stream import Outline


class CodePoints(NamedTuple):
    """A colour space by two numbers of the registry (spec appendix C.4), as ITU-T H.273 has them.

    Attributes:
        primaries: which red, green, blue and white the samples count in.
        transfer: which light a sample stands for.
    """

    primaries: int
    transfer: int

    @property
    def name(self) -> str | None:
        """What people call it, such as ``sRGB`` or ``Display P3``; ``None`` where it is not known."""
        primaries, transfer = (_names(*where).get(n) for where, n in zip(_REGISTRIES, self, strict=True))
        if primaries is None or transfer is None:
            return None
        return _USUAL.get(self, f"{primaries}, {transfer}")


SRGB = CodePoints(1, 13)
"""What samples are where nothing is said (ICCP-02)."""

UNSPECIFIED = CodePoints(2, 2)
"""What leaves the colour space to a profile (COLR-04)."""

_REGISTRIES = (("colour_primaries", "red"), ("transfers", "light"))
"""Each registry, with a key that says what a number of it means."""
_USUAL = {
    SRGB: "sRGB",
    CodePoints(12, 13): "Display P3",
    CodePoints(192, 192): "Adobe RGB",
    CodePoints(193, 194): "ROMM RGB",
    CodePoints(193, 193): "ProPhoto RGB",
}
"""Names of colour spaces that have one."""


def _names(registry: str, key: str) -> dict[int, str]:
    """Names by number, of numbers that mean something."""
    rows = spec_data("registry.json")[registry]["entries"]
    return {row["number"]: row["name"] for row in rows if row[key] is not None}


def code_points(value: Any) -> CodePoints:
    """Two numbers of 0 to 255 as code points.

    Raises:
        SdcError: ``E_USAGE`` for anything else.
    """
    try:
        numbers = CodePoints(*map(index, value))
    except TypeError:
        numbers = CodePoints(-1, -1)
    if not all(0 <= n <= 255 for n in numbers):
        raise SdcError("E_USAGE", f"a colour space is two numbers of 0 to 255, not {value!r}")
    return numbers


def colour_payload(colour: CodePoints) -> bytes:
    """Payload of COLR."""
    return build_payload("COLR", colour._asdict())


def parse_colour(stream: Outline) -> CodePoints | None:
    """Colour space of a stream's samples; ``None`` where an ICC profile says what it is (COLR-04).

    Raises:
        SdcError: ``E_PAYLOAD_LENGTH``.
    """
    chunk = stream.chunk(COLR)
    found = SRGB if chunk is None else parse_colr(chunk)
    left = chunk is None or found == UNSPECIFIED
    return None if left and stream.chunk(ICCP) is not None else found


def parse_colr(chunk: Chunk) -> CodePoints:
    """The numbers of a COLR chunk.

    Raises:
        SdcError: ``E_PAYLOAD_LENGTH``.
    """
    found = parse_payload("COLR", chunk.payload, chunk.payload_offset)
    return CodePoints(found.primaries, found.transfer)
