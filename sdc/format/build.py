"""Streams to bytes, in canonical form."""

from __future__ import annotations

from .chunks import GRPS, HEAD, LATN, MAGIC, MASK, build_chunk
from .fields import build_payload
from .stream import WITHDRAWN, Stream, build_head


def build(stream: Stream) -> bytes:
    """Bytes of a stream, in canonical form; sizes and offsets in ``stream`` are not looked at.

    Raises:
        SdcError: ``E_GROUP_TRUNCATED`` or ``E_GROUP_DAMAGED`` when a group has no payload to write.
    """
    latents = []
    for g in stream.groups:
        if g.state == WITHDRAWN:
            latents.append(b"")
        elif g.payload is None:
            raise stream.missing(g.index)
        else:
            latents.append(build_chunk(LATN, g.payload, stream.seed(g)))
    before = b"" if stream.mask is None else build_chunk(MASK, stream.mask)
    before += b"".join(build_chunk(c.type, c.payload) for c in stream.before)
    groups = build_payload(
        "GRPS",
        {
            "count": len(stream.groups),
            "preamble": len(before),
            "groups": [
                {"level_quality": g.level_quality, "size": len(c)}
                for g, c in zip(stream.groups, latents, strict=True)
            ],
        },
    )
    return b"".join(
        [
            MAGIC,
            build_chunk(HEAD, build_head(stream.head)),
            build_chunk(GRPS, groups),
            before,
            *latents,
            *(build_chunk(c.type, c.payload) for c in stream.after),
        ]
    )
