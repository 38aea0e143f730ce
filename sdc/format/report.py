"""What a stream holds, as a JSON report (``spec/info.schema.json``).

The report describes the container: it decodes the group map and reads the objects, but no
symbol of a group, so it needs no model.  Of a broken file it says what was read before the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coding.labels import Labels
from ..errors import SdcError, spec_data
from ..networks.registry import load_restoration, model_for
from ..objects.cells import cell_areas
from ..types import Level, Limits
from .chunks import EXIF, ICCP, NAMES, XMPP
from .grps import COMPLETE
from .head import Head
from .listing import field_rows
from .metadata import Metadata, read_metadata
from .objs import ReadObjects, read_objects
from .parse import read
from .prov import parse_provenance
from .reading import Place, Reading
from .rest import ReadRestoration, read_restoration
from .source import Readable, Reader, Source, opened
from .states import state_of
from .stream import Outline

Report = dict[str, Any]


def info(source: Readable, *, trace: bool = False, limits: Limits = Limits()) -> Report:
    """Describe a stream, also one that is broken.

    Args:
        source: a path, the file's bytes, or a seekable binary file.
        trace: whether to list every field with its offset, size, value and id.
        limits: what the caller agrees to hold in memory.

    Returns:
        The report; ``spec/info.schema.json`` says what its keys mean.  What could not be read is ``None``.
        The error that ended the reading alone settles the state of the file (STAT-12).
        A model that is not here is no error.

    Raises:
        OSError: whatever the reader raises.
        SdcError: ``E_USAGE`` for what is no source, ``E_INPUT`` or ``E_IO`` for a path; any other becomes
            part of the report.
    """
    with opened(source) as given:
        return _info(given, trace, limits)


def _info(source: Source, trace: bool, limits: Limits) -> Report:
    """The report on bytes or an open file."""
    reader = Reader(source)
    found = read(source, limits=limits)
    known, head = found.outline, found.head
    described = ReadObjects() if known is None else read_objects(known, masks=False)
    metadata = Metadata() if known is None else read_metadata(known)
    restored = ReadRestoration() if known is None else read_restoration(known)
    errors = _errors(found, metadata, described, restored)
    report: Report = {
        "file_state": state_of(errors) if found.error is None else found.error.kind,
        "bytes": found.size,
        "width": head and head.width,
        "height": head and head.height,
        "version": head and f"{head.version >> 4}.{head.version & 15}",
        "model": head and _model(head),
        "bpp": head and _bpp(found.size, head.width * head.height),
        **_sizes(found),
        **_metadata(found, metadata),
        "groups": [] if known is None else _groups(known, found),
        "objects": _objects(described),
        "analysis": None if known is None else parse_provenance(known),
        "restoration": _restoration(restored),
        "chunks": [_chunk(place) for place in found.places],
        "errors": [{**error.as_dict(), "severity": error.kind} for error in errors],
    }
    if trace:
        report["trace"] = field_rows(reader, found, (*metadata.fields, *described.fields, *restored.fields))
    return report


def _errors(
    found: Reading, metadata: Metadata, described: ReadObjects, restored: ReadRestoration
) -> list[SdcError]:
    """What is wrong or missing; of an error that ended the reading and those of metadata, the former."""
    known = found.outline
    errors = [] if known is None else list(known.errors)
    if found.error is not None:
        return [*errors, found.error]
    others = (described.error, restored.error)
    return [*errors, *metadata.errors, *(error for error in others if error is not None)]


def _bpp(size: int, area: int) -> float:
    return round(8 * size / area, 6)


def _model(head: Head) -> Report:
    """The model a stream names, and whether it is here with those weights."""
    try:
        model_for(head.model, head.weights)
        available = True
    except SdcError:
        available = False
    return _named(head.model, head.weights, available)


def _named(number: int, weights: bytes, available: bool) -> Report:
    """A model by its number and weights."""
    entries = spec_data("registry.json")["models"]["entries"]
    name = next((entry["name"] for entry in entries if entry["model"] == number), None)
    return {"number": number, "name": name, "weights": weights.hex(), "available": available}


def _restoration(found: ReadRestoration) -> Report | None:
    """What REST says; ``None`` where it is not there or cannot be read."""
    restoration = found.restoration
    if restoration is None:
        return None
    try:
        available = load_restoration(restoration.model).weights == restoration.weights
    except SdcError:
        available = False
    return {
        "model": _named(restoration.model, restoration.weights, available),
        "vectors": [{"group": g, "values": list(v)} for g, v in restoration.vectors.items()],
        "degradations": [
            {"group": d.group, "kind": d.kind, "strength": round(d.strength, 4)}
            for d in restoration.degradations
        ],
    }


def _sizes(found: Reading) -> Report:
    """Bytes by kind; together they are those of the file, but for what is damaged or cut off."""
    keys = ("framing_bytes", "map_bytes", "metadata_bytes", "latent_bytes")
    stream = found.stream
    if stream is None:
        return dict.fromkeys(keys)
    coded = len(stream.map)
    metadata = sum(len(c.payload) for c in stream.before + stream.after)
    complete = [g for g in stream.groups if g.payload is not None]
    latents = sum(len(g.payload or b"") for g in complete)
    good = found.header + sum(p.size for p in found.places if p.state == COMPLETE)
    good += sum(g.size for g in complete)
    return dict(zip(keys, (good - coded - metadata - latents, coded, metadata, latents), strict=True))


def _metadata(found: Reading, metadata: Metadata) -> Report:
    """Colour space, and the sizes of what is deflated; ``None`` where the file is not read to its end."""
    stream = found.stream
    colour = None if stream is None else metadata.colour
    report: Report = {"colour": None if colour is None else {**colour._asdict(), "name": colour.name}}
    contents = dict(metadata.contents)
    for name, kind in (("icc", ICCP), ("exif", EXIF), ("xmp", XMPP)):
        chunk = None if stream is None else stream.chunk(kind)
        size = len(contents[kind]) if kind in contents else None
        report[name] = None if chunk is None else {"stored": len(chunk.payload), "inflated": size}
    return report


def _extents(head: Head, labels: Labels, count: int) -> tuple[list[int], list[int]]:
    """Cells, and pixels of the image in them, by label."""
    flat = labels.reshape(-1)
    areas = np.bincount(flat, cell_areas(head.width, head.height).reshape(-1), minlength=count).astype(int)
    return np.bincount(flat, minlength=count).tolist(), areas.tolist()


def _groups(known: Outline, found: Reading) -> list[Report]:
    count = len(known.groups) + 1
    cells: Sequence[int | None] = [None] * count
    areas: Sequence[int | None] = [None] * count
    if found.labels is not None:
        cells, areas = _extents(known.head, found.labels, count)
    out = []
    for g in known.groups:
        area = areas[g.index + 1]
        out.append(
            {
                "index": g.index,
                "level": str(g.level),
                "quality": g.quality,
                "cells": cells[g.index + 1],
                "area": area,
                "offset": g.offset,
                "bytes": g.size,
                "bpp": _bpp(g.size, area) if area else None,
                "state": g.state,
            }
        )
    return out


def _objects(described: ReadObjects) -> list[Report]:
    return [
        {
            "index": k,
            "group": o.group,
            "level": str(o.level or Level.L1),
            "label": o.label,
            "box": list(o.box),
            "score": round(o.score, 4),
            "rank": o.rank,
            "reason": o.reason,
            "mask": k in described.masked,
        }
        for k, o in enumerate(described.objects)
    ]


def _chunk(place: Place) -> Report:
    return {
        "type": NAMES.get(place.type),
        "hex": f"{place.type:02x}",
        "offset": place.offset,
        "bytes": place.size,
        "state": place.state,
    }
