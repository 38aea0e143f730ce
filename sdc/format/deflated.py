"""Payloads that are deflated: ICCP, EXIF and XMPP (spec section "Deflated payloads")."""

from __future__ import annotations

import zlib

from ..errors import SdcError
from .chunks import EXIF, ICCP, NAMES, XMPP, Chunk
from .fields import encode_varint, parse_payload, row_of
from .stream import Outline

DEFLATED = (ICCP, EXIF, XMPP)
"""Types of the chunks with such a payload."""

RAW = -15
"""What zlib calls a stream of DEFLATE without a header around it."""


def content_sizes(kind: int) -> tuple[int, int]:
    """Least and most bytes of the content of a chunk type (ICCP-01, EXIF-01, XMPP-01)."""
    row = row_of(NAMES[kind], "size")
    return row["min"], row["max"]


def deflated_payload(kind: int, content: bytes) -> bytes:
    """Payload of a chunk with some content.

    Raises:
        SdcError: ``E_PICTURE`` when the content has a size that the chunk cannot have.
    """
    least, most = content_sizes(kind)
    if not least <= len(content) <= most:
        raise SdcError(
            "E_PICTURE", f"{len(content)} bytes for {NAMES[kind]}, which may have {least} to {most}"
        )
    packer = zlib.compressobj(9, zlib.DEFLATED, RAW, 9)
    return encode_varint(len(content)) + packer.compress(content) + packer.flush()


def inflated(stream: Outline, kind: int) -> bytes | None:
    """Content of a chunk; ``None`` when the stream has none of the type.

    Raises:
        SdcError: ``E_DEFLATE``, ``E_VARINT`` or ``E_PAYLOAD_LENGTH``.
    """
    chunk = stream.chunk(kind)
    return None if chunk is None else inflate_chunk(chunk)


def inflate_chunk(chunk: Chunk) -> bytes:
    """Content of a chunk.

    Raises:
        SdcError: as :func:`inflated`.
    """
    size = int(parse_payload(chunk.name, chunk.payload, chunk.payload_offset).size)
    start = len(encode_varint(size))
    return _inflate(chunk.payload[start:], size, chunk.name, chunk.payload_offset + start)


def _inflate(data: bytes, size: int, name: str, offset: int) -> bytes:
    """Inflate a stream that must give ``size`` bytes and be all there is (DEFL-01 to DEFL-03)."""
    inflater = zlib.decompressobj(RAW)
    try:
        content = inflater.decompress(data, size + 1)
    except zlib.error as error:
        why = str(error).rpartition(": ")[2]
        raise SdcError("E_DEFLATE", f"{name} is no stream of DEFLATE: {why}", name, offset) from None
    if len(content) > size:
        raise SdcError("E_DEFLATE", f"{name} inflates to more than {size} bytes", name, offset)
    if not inflater.eof:
        raise SdcError("E_DEFLATE", f"{name} ends within its stream of DEFLATE", name, offset)
    many = len(inflater.unused_data)
    if many:
        raise SdcError("E_DEFLATE", f"{name} has {many} bytes behind its stream of DEFLATE", name, offset)
    if len(content) < size:
        raise SdcError("E_DEFLATE", f"{name} inflates to {len(content)} bytes, not {size}", name, offset)
    return content
