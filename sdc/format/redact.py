"""Removing objects from a stream, with all that it says of them, without decoding a pixel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import SdcError
from ..objects.cells import coverage
from ..objects.object import Object
from ..types import Array, Encoded, Limits
from .build import build
from .choice import labels_of
from .chunks import OBJS, Chunk
from .edit import withdraw
from .fields import read_payload
from .lazy import LazyStream
from .objs import parse_objects
from .objs_rows import read_rows, rows_payload
from .source import Readable, opened
from .stream import Stream


def redact(
    source: Readable,
    labels: str | Iterable[str],
    *,
    whole_groups: bool = False,
    strict: bool = False,
    limits: Limits = Limits(),
) -> Encoded:
    """A stream without the objects of some labels: their groups are withdrawn.

    No pixel is decoded or coded anew, and the data of the other groups stays byte for byte.  With the groups
    go boxes, masks, scores and texts of the objects, EXIF with its thumbnail, XMP, and the provenance with
    its captions; so do texts of other objects that name one of the labels.  The group map stays, so the cells
    that the objects had can still be seen.

    A stream without an object of these labels stays as it is, which a note says.

    Args:
        source: a path, a URL, the file's bytes, or a seekable binary file.
        labels: what is to go, whatever the case.
        whole_groups: whether groups may go that hold other objects, too.
        strict: whether to refuse a stream in which groups that stay may show an edge of these objects, and
            one that describes none of them.
        limits: what the caller agrees to hold in memory.

    Returns:
        The new stream's bytes.  ``notes`` say what went, and how many cells within the boxes of these objects
        are of groups that stay, and may show an edge of them; ``missing`` what had been lost before.

    Raises:
        SdcError: ``E_USAGE`` for no label, for a stream that describes no objects, so that nothing is known
            of what it shows, for one in which the objects share groups with others, and for what ``strict``
            refuses; else as :func:`.edit.extract`.
    """
    wanted = _folded(labels)
    with opened(source) as given:
        lazy = LazyStream(given, limits)
        lazy.fetch()
        stream = lazy.stream
    objects = parse_objects(stream, masks=False, limits=limits)
    if not objects:
        raise SdcError("E_USAGE", "the stream describes no objects, so nobody can say what is to go")
    gone = [k for k, o in enumerate(objects) if o.label.strip().casefold() in wanted]
    if not gone and strict:
        raise SdcError("E_USAGE", f"no object of these labels is described; it has {labels_of(objects)}")
    if not gone:
        kept, missing = withdraw(stream, _there(stream))
        return Encoded(build(kept), ["no object of these labels is described: nothing is withdrawn"], missing)
    groups = {objects[k].group for k in gone}
    shared = [o for k, o in enumerate(objects) if o.group in groups and k not in gone]
    if shared and not whole_groups:
        raise SdcError(
            "E_USAGE",
            f"the objects share groups with others ({labels_of(shared)}), which would go with them; encode "
            "with --group-by object, or ask for whole groups",
        )
    kept, missing = withdraw(stream, [k for k in _there(stream) if k not in groups])
    kept, blanked = _without_texts(kept, wanted)
    masked = parse_objects(stream, masks=set(gone), limits=limits)
    things = [masked[k] for k in gone]
    edges = _edges(_cells_left(stream, things, groups), things, objects)
    if edges and strict:
        raise SdcError("E_USAGE", edges[0])
    notes = [*_notes(stream, things, groups, shared, blanked), *edges]
    return Encoded(build(kept), notes, missing)


def _folded(labels: str | Iterable[str]) -> set[str]:
    """Labels as they are compared.

    Raises:
        SdcError: ``E_USAGE`` for none.
    """
    wanted = {one.strip().casefold() for one in ([labels] if isinstance(labels, str) else labels)}
    if not wanted:
        raise SdcError("E_USAGE", "no label is given of what is to go")
    return wanted


def _there(stream: Stream) -> list[int]:
    """Indices of the groups that are not withdrawn."""
    return stream.select()


def _without_texts(stream: Stream, wanted: set[str]) -> tuple[Stream, int]:
    """A stream whose objects' reasons name none of the labels, and how many did."""
    chunk = stream.chunk(OBJS)
    if chunk is None:
        return stream, 0
    rows, bounds = read_rows(read_payload("OBJS", chunk.payload), stream)
    naming = [any(label in row.reason.casefold() for label in wanted if label) for row in rows]
    if not any(naming):
        return stream, 0
    rows = [replace(row, reason="") if named else row for row, named in zip(rows, naming, strict=True)]
    new = replace(chunk, payload=rows_payload(rows, bounds))

    def exchanged(chunks: Sequence[Chunk]) -> tuple[Chunk, ...]:
        return tuple(new if c is chunk else c for c in chunks)

    return replace(stream, before=exchanged(stream.before), after=exchanged(stream.after)), sum(naming)


def _notes(
    stream: Stream, gone: Sequence[Object], groups: set[int | None], shared: Sequence[Object], blanked: int
) -> list[str]:
    """What went, in words."""
    size = sum(g.size for g in stream.groups if g.index in groups)
    notes = [f"gone: {labels_of(gone)}; objects: {len(gone)}, groups: {len(groups)}, bytes: {size}"]
    if shared:
        notes.append(f"with them went other objects of these groups: {labels_of(shared)}")
    if blanked:
        notes.append(f"texts of other objects that named one of the labels are gone: {blanked}")
    return notes


def _edges(left: Array, gone: Sequence[Object], objects: Sequence[Object]) -> list[str]:
    """What may be left, in words; nothing where no cell is.

    Args:
        left: from :func:`_cells_left`.
        gone: objects that go, with their masks.
        objects: all that the stream describes.
    """
    if not left.size:
        return []
    others = [o for o in objects if o.group is not None and (left == o.group).any()]
    theirs = int(np.isin(left, [o.group for o in others if o.group is not None]).sum())
    advice = []
    if theirs:
        advice.append(f"{theirs} of them are of {labels_of(others)}: redact these too")
        if any(o.mask is None for o in gone):
            advice.append("encode with --pixel-masks, so that outlines and not boxes say what is touched")
    if theirs < left.size:
        advice.append("encode with --margin 1 or more to have cells of the background in their groups")
    words = "cells that these objects touch and that are of groups that stay, and may show an edge of them"
    return [f"{words}: {left.size}; {'; '.join(advice)}"]


def _cells_left(stream: Stream, gone: Sequence[Object], groups: set[int | None]) -> Array:
    """Groups of the cells that objects touch, by mask or else by box, where these stay: ``int [cells]``."""
    touched = np.zeros(stream.labels.shape, bool)
    for o in gone:
        area, pixels = coverage(o)
        touched[area] |= pixels > 0
    own = [0, *(g.index + 1 for g in stream.groups if g.index in groups or not g.size)]
    left: Array = stream.labels[touched & ~np.isin(stream.labels, own)].astype(np.int64) - 1
    return left
