"""Streams to bytes, in canonical form."""

from __future__ import annotations

from .chunks import GRPS, HEAD, LATN, MAGIC, MASK, build_chunk
from .grps import WITHDRAWN, build_groups
from .head import build_head
from .stream import Outline


def build(stream: Outline) -> bytes:
    """Bytes of a stream, in canonical form.

    Sizes and offsets in ``stream`` are not looked at, and of the group map only its payload ``mask``.

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
    return b"".join(
        [
            MAGIC,
            build_chunk(HEAD, build_head(stream.head)),
            build_chunk(GRPS, build_groups(stream.groups, list(map(len, latents)), len(before))),
            before,
            *latents,
            *(build_chunk(c.type, c.payload) for c in stream.after),
        ]
    )
