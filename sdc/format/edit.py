"""Withdrawing groups without decoding a pixel (spec section "Editors")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import SdcError
from ..types import Limits
from .build import build
from .chunks import OBJS, SAFE_TO_COPY, Chunk
from .fields import build_payload, parse_payload
from .grps import COMPLETE, WITHDRAWN
from .objs import read_objects
from .parse import parse_asked
from .source import Source
from .stream import Stream


def extract(
    source: Source,
    *,
    groups: Iterable[int] | None = None,
    levels: Iterable[str] | None = None,
    limits: Limits = Limits(),
) -> bytes:
    """A stream of some groups, with the others withdrawn; see :func:`withdraw`.

    Of a reader the chunks of the other groups are not read (STAT-11).

    Args:
        source: the file's bytes, or a seekable binary reader.
        groups: indices of the groups to keep; all by default.
        levels: or levels to keep, by name: ``L1``, ``l1`` or ``1``, and so on, or ``other``.
        limits: what the caller agrees to hold in memory.

    Returns:
        The new stream's bytes.  A group to keep that is not complete is withdrawn in it.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_USAGE`` for a group that it does not
            have, for what is no level, or when both are given.
    """
    stream, kept = parse_asked(source, groups, levels, limits=limits, behind=True)
    return build(withdraw(stream, kept)[0])


def withdraw(stream: Stream, keep: Iterable[int]) -> tuple[Stream, tuple[SdcError, ...]]:
    """Withdraw all groups but some, and with them what the stream says about them (EDIT-01 to EDIT-06).

    HEAD, MASK and the chunks of kept groups stay byte for byte.
    When a group goes, so do its objects, and unknown ancillary chunks that are not safe to copy.

    Args:
        stream: from :func:`sdc.format.parse.parse`.
        keep: indices of the groups to keep.

    Returns:
        ``(the new stream, what was to be kept but is missing)``.

    Raises:
        SdcError: ``E_USAGE`` for a group that the stream does not have.
    """
    kept = set(stream.select(keep))
    missing = [stream.missing(k) for k in sorted(kept) if stream.groups[k].state != COMPLETE]
    missing += [error for error in stream.errors if error.code == "E_CHUNK_DAMAGED"]
    groups = tuple(
        g if g.index in kept and g.state == COMPLETE else replace(g, size=0, state=WITHDRAWN, payload=None)
        for g in stream.groups
    )
    before, after = stream.before, stream.after
    if any(new.state != old.state for new, old in zip(groups, stream.groups, strict=True)):
        left = {g.index for g in groups if g.state == COMPLETE}
        before, after = (
            tuple(new for new in (_filtered(stream, c, left) for c in chunks) if new is not None)
            for chunks in (before, after)
        )
    return replace(stream, groups=groups, before=before, after=after, errors=()), tuple(missing)


def _filtered(stream: Stream, chunk: Chunk, left: set[int]) -> Chunk | None:
    """An ancillary chunk after groups were withdrawn; ``None`` when it must go."""
    if chunk.type & SAFE_TO_COPY:
        return chunk
    if chunk.type != OBJS:
        return None
    if read_objects(stream, masks=False).error is not None:
        return None
    rows = [row for row in parse_payload("OBJS", chunk.payload).objects if row.group in left]
    if not rows:
        return None
    return replace(chunk, payload=build_payload("OBJS", {"count": len(rows), "objects": rows}))
