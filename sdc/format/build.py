"""Streams to bytes, in canonical form."""

from __future__ import annotations

from .chunks import MAGIC, build_chunk, with_crc
from .grps import WITHDRAWN
from .header import build_header
from .stream import Outline


def build(stream: Outline) -> bytes:
    """Bytes of a stream, in canonical form.

    Sizes and offsets in ``stream`` are not looked at, and of the group map only its bytes ``map``.

    Raises:
        SdcError: ``E_GROUP_TRUNCATED`` or ``E_GROUP_DAMAGED`` when a group has no payload to write.
    """
    data = []
    for g in stream.groups:
        if g.state == WITHDRAWN:
            data.append(b"")
        elif g.payload is None:
            raise stream.missing(g.index)
        else:
            data.append(with_crc(g.payload, stream.seed(g)))
    before, after = (
        b"".join(build_chunk(c.type, c.payload) for c in chunks) for chunks in (stream.before, stream.after)
    )
    header = build_header(stream.head, stream.groups, list(map(len, data)), len(before), stream.map)
    return b"".join([MAGIC, header, before, *data, after])
