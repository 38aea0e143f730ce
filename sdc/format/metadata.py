"""What a stream says about the whole image: colour space, EXIF and XMP."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..errors import SdcError
from .chunks import COLR, EXIF, ICCP, XMPP, Chunk
from .colr import CodePoints, parse_colour
from .deflated import DEFLATED, inflate_chunk, inflated
from .fields import Traced, read_payload
from .stream import Outline


@dataclass(frozen=True)
class Metadata:
    """What could be read of COLR, ICCP, EXIF and XMPP.

    Attributes:
        colour: code points of the samples; ``None`` where a profile says what they are, or COLR is wrong.
        contents: of the deflated chunks that are right, by type.
        fields: every field that was read, without the bytes of deflated ones.
        errors: what is wrong, one error for each chunk.
    """

    colour: CodePoints | None = None
    contents: tuple[tuple[int, bytes], ...] = ()
    fields: tuple[Traced, ...] = ()
    errors: tuple[SdcError, ...] = ()


def read_metadata(stream: Outline) -> Metadata:
    """Read COLR, ICCP, EXIF and XMPP as far as they are right."""
    errors: list[SdcError] = []
    contents: list[tuple[int, bytes]] = []
    fields: list[Traced] = []
    colour = None
    try:
        colour = parse_colour(stream)
    except SdcError as error:
        errors.append(error)
    for chunk in filter(None, map(stream.chunk, (COLR, *DEFLATED))):
        fields += _fields(chunk)
        if chunk.type in DEFLATED:
            try:
                contents.append((chunk.type, inflate_chunk(chunk)))
            except SdcError as error:
                errors.append(error)
    return Metadata(colour, tuple(contents), tuple(fields), tuple(errors))


def _fields(chunk: Chunk) -> list[Traced]:
    found = read_payload(chunk.name, chunk.payload, chunk.payload_offset).fields
    return [replace(f, value=None) if isinstance(f.value, bytes) else f for f in found]


def icc_profile(stream: Outline) -> bytes | None:
    """ICC profile of a stream's samples; ``None`` where code points say what they are (COLR-04).

    Raises:
        SdcError: as :func:`.deflated.inflated`.
    """
    return inflated(stream, ICCP) if parse_colour(stream) is None else None


def exif(stream: Outline) -> bytes | None:
    """EXIF of the image: a block that begins as a TIFF file does; ``None`` if there is none.

    Raises:
        SdcError: as :func:`.deflated.inflated`.
    """
    return inflated(stream, EXIF)


def xmp(stream: Outline) -> bytes | None:
    """XMP of the image, a text of XML in UTF-8; ``None`` if there is none.

    Raises:
        SdcError: as :func:`.deflated.inflated`.
    """
    return inflated(stream, XMPP)
