"""Withdrawing groups without decoding a pixel (spec section "Editors")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..errors import SdcError
from ..types import Encoded, LevelLike, Limits
from .build import build
from .choice import ObjectNames
from .chunks import EXIF, NAMES, OBJS, REST, SAFE_TO_COPY, XMPP, Chunk
from .fields import read_payload
from .grps import COMPLETE, WITHDRAWN
from .lazy import LazyStream
from .objs import read_objects
from .objs_rows import read_rows, rows_payload
from .rest import kept_restoration
from .source import Readable, opened
from .stream import Stream


def extract(
    source: Readable,
    *,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    groups: Iterable[int] | None = None,
    objects: ObjectNames | None = None,
    limits: Limits = Limits(),
) -> Encoded:
    """A stream of some groups, with the others withdrawn; see :func:`withdraw`.

    Of a file the data of the other groups is not read (STAT-11).

    Args:
        source: a path, the file's bytes, or a seekable binary file.
        levels: level or levels to keep, each in one of the ways of :class:`sdc.Level`; all by default.
        groups: or indices of the groups to keep.
        objects: or objects whose groups are kept, by label or index.
        limits: what the caller agrees to hold in memory.

    Returns:
        The new stream's bytes.  A group to keep that is not complete is withdrawn in it, and named in
        ``missing``.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_USAGE`` for a group or an object that
            it does not have, for what is no level, or when two are given; ``E_INPUT`` or ``E_IO``.
    """
    with opened(source) as given:
        return extract_lazily(LazyStream(given, limits), levels, groups, objects)


def extract_lazily(
    lazy: LazyStream,
    levels: LevelLike | Iterable[LevelLike] | None = None,
    groups: Iterable[int] | None = None,
    objects: ObjectNames | None = None,
) -> Encoded:
    """:func:`extract` from a stream that is fetched in parts."""
    choice = lazy.fetch(groups, levels, objects)
    lazy.fetch_behind()
    kept, missing = withdraw(lazy.stream, choice.groups)
    gone = [
        NAMES[kind]
        for kind in (EXIF, XMPP)
        if lazy.stream.chunk(kind) is not None and kept.chunk(kind) is None
    ]
    dropped = [f"{' and '.join(gone)} could show what is withdrawn, and are dropped"] if gone else []
    return Encoded(build(kept), (*choice.notes, *dropped), missing)


def withdraw(stream: Stream, keep: Iterable[int]) -> tuple[Stream, tuple[SdcError, ...]]:
    """Withdraw all groups but some, and with them what the stream says about them (EDIT-01 to EDIT-12).

    Size, model, group map and the data of kept groups stay byte for byte.
    When a group goes, so do its objects, its rows of REST, EXIF, XMP, and unknown chunks that are not safe
    to copy.

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
    if chunk.type == REST:
        payload = kept_restoration(stream, chunk, left)
        return None if payload is None else replace(chunk, payload=payload)
    if chunk.type != OBJS:
        return None
    if read_objects(stream, masks=False).error is not None:
        return None
    rows, bounds = read_rows(read_payload("OBJS", chunk.payload), stream)
    rows = [row for row in rows if row.group in left]
    return replace(chunk, payload=rows_payload(rows, bounds)) if rows else None
