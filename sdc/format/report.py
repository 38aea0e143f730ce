"""What a stream holds, as a JSON report (``spec/info.schema.json``).

The report describes the container: it decodes the group map and reads the objects, but no
symbol of a group, so it needs no model.  Of a broken file it says what was read before the error.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ..errors import SdcError, spec_data
from ..networks.registry import model_for
from ..types import CELL, Level, Limits
from .chunks import ICC_BYTES, ICCP, MAGIC, NAMES
from .fields import Traced, decode_varint
from .objs import parse_objects
from .parse import Place, Trace, parse
from .prov import parse_analysis
from .source import Readable, Reader, Source, opened
from .stream import COMPLETE, Head, Stream

Report = dict[str, Any]

SEVERITIES = ("invalid", "unsupported", "partial")
"""Classes of errors that a stream can have, worst first; also the states of a file that is not valid."""


def state_of(errors: list[SdcError]) -> str:
    """State of a file with these errors: ``valid``, ``partial``, ``unsupported`` or ``invalid``."""
    kinds = {error.kind for error in errors}
    return next((kind for kind in SEVERITIES if kind in kinds), "valid")


def icc_error(stream: Stream) -> SdcError | None:
    """``E_ICCP_SIZE`` when a stream has a colour profile of a size that none may have (ICCP-01)."""
    chunk = stream.chunk(ICCP)
    if chunk is None or ICC_BYTES[0] <= len(chunk.payload) <= ICC_BYTES[1]:
        return None
    size = len(chunk.payload)
    return SdcError("E_ICCP_SIZE", f"a colour profile of {size} bytes", "ICCP.profile", chunk.offset)


def icc_profile(stream: Stream) -> bytes | None:
    """ICC profile of a stream's pixels, byte for byte as its maker gave it; ``None`` for sRGB.

    Raises:
        SdcError: ``E_ICCP_SIZE``.
    """
    wrong = icc_error(stream)
    if wrong is not None:
        raise wrong
    chunk = stream.chunk(ICCP)
    return None if chunk is None else chunk.payload


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
    met, objects, errors = Trace(), list[Report](), list[SdcError]()
    stream: Stream | None = None
    ended: SdcError | None = None
    try:
        stream = parse(source, limits=limits, trace=met)
    except SdcError as error:
        ended = error
    known = stream or met.stream
    fields = list(met.fields)
    if known is not None:
        errors += known.errors
        wrong = icc_error(known)
        if wrong is not None and ended is None:
            errors.append(wrong)
        try:
            objects = _objects(known, fields)
        except SdcError as error:
            if ended is None:
                errors.append(error)
    if ended is not None:
        errors.append(ended)
    head = met.head
    report: Report = {
        "file_state": state_of(errors) if ended is None else ended.kind,
        "bytes": reader.size,
        "width": head and head.width,
        "height": head and head.height,
        "version": head and f"{head.version >> 4}.{head.version & 15}",
        "model": head and _model(head),
        "bpp": head and _bpp(reader.size, head.width * head.height),
        **_sizes(stream, met.places),
        "groups": [] if known is None else _groups(known, met),
        "objects": objects,
        "analysis": None if known is None else parse_analysis(known),
        "chunks": [_chunk(place) for place in met.places],
        "errors": [{**error.as_dict(), "severity": error.kind} for error in errors],
    }
    if trace:
        report["trace"] = _trace(reader, met, fields)
    return report


def _bpp(size: int, area: int) -> float:
    return round(8 * size / area, 6)


def _model(head: Head) -> Report:
    """The model a stream names, and whether it is here with those weights."""
    entries = spec_data("registry.json")["models"]["entries"]
    name = next((entry["name"] for entry in entries if entry["model"] == head.model), None)
    try:
        model_for(head.model, head.weights)
        available = True
    except SdcError:
        available = False
    return {"number": head.model, "name": name, "weights": head.weights.hex(), "available": available}


def _sizes(stream: Stream | None, places: list[Place]) -> Report:
    """Bytes by kind; together they are those of the file, but for what is damaged or cut off."""
    keys = ("framing_bytes", "mask_bytes", "metadata_bytes", "latent_bytes", "icc_bytes")
    if stream is None:
        return dict.fromkeys(keys)
    mask = len(stream.mask or b"")
    metadata = sum(len(c.payload) for c in stream.before + stream.after)
    latents = sum(len(g.payload) for g in stream.groups if g.payload is not None)
    good = len(MAGIC) + sum(p.size for p in places if p.state == COMPLETE)
    profile = stream.chunk(ICCP)
    icc = 0 if profile is None else len(profile.payload)
    return dict(zip(keys, (good - mask - metadata - latents, mask, metadata, latents, icc), strict=True))


def _groups(stream: Stream, met: Trace) -> list[Report]:
    head, labels = stream.head, met.labels
    count = len(stream.groups) + 1
    cells: list[int | None] = [None] * count
    areas: list[int | None] = [None] * count
    if labels is not None:
        across = np.minimum(head.width - CELL * np.arange(head.cols), CELL)
        down = np.minimum(head.height - CELL * np.arange(head.rows), CELL)
        pixels = np.multiply.outer(down, across).reshape(-1)
        flat = labels.reshape(-1)
        cells = np.bincount(flat, minlength=count).tolist()
        areas = np.bincount(flat, pixels, minlength=count).astype(int).tolist()
    states = {place.group: place.state for place in met.places}
    out = []
    for g in stream.groups:
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
                "state": states.get(g.index, g.state),
            }
        )
    return out


def _objects(stream: Stream, fields: list[Traced]) -> list[Report]:
    traced: list[Traced] = []
    try:
        objects = parse_objects(stream, masks=False, trace=traced)
    finally:
        fields += traced
    masks = [t.value == 1 for t in traced if t.path == "OBJECT.mask_coding"]
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
            "mask": masks[k],
        }
        for k, o in enumerate(objects)
    ]


def _chunk(place: Place) -> Report:
    return {
        "type": NAMES.get(place.type),
        "hex": f"{place.type:02x}",
        "offset": place.offset,
        "bytes": place.size,
        "state": place.state,
        "group": place.group,
    }


def _trace(reader: Reader, met: Trace, fields: list[Traced]) -> list[Report]:
    """Every field read, by offset: the file's, the chunks', and those of the payloads."""
    ids = {
        f"{name}.{row['name']}": row["id"]
        for name, structure in spec_data("fields.json")["structures"].items()
        for row in structure["fields"]
    }
    out: list[Report] = []

    def add(path: str, offset: int, size: int, value: Any, name: str) -> None:
        value = value.hex() if isinstance(value, bytes) else value
        out.append({"path": path, "offset": offset, "size": size, "value": value, "id": ids[name]})

    if met.places:
        add("magic", 0, len(MAGIC), MAGIC, "FILE.magic")
    whole = {"MASK": "map", "LATN": "stream", "ICCP": "profile", "PROV": "text"}
    for k, place in enumerate(met.places):
        at = f"chunks[{k}]"
        end = place.offset + place.size
        add(f"{at}.type", place.offset, 1, place.type, "CHUNK.type")
        try:
            length, header = decode_varint(reader.at(place.offset, 6), 1)
        except (SdcError, IndexError):
            continue
        add(f"{at}.length", place.offset + 1, header - 1, length, "CHUNK.length")
        crc = end if place.state == "truncated" else max(end - 4, place.offset + header)
        start = place.offset + header
        add(f"{at}.payload", start, crc - start, None, "CHUNK.payload")
        name = NAMES.get(place.type, "")
        if name in whole and place.state == COMPLETE:
            add(f"{name}.{whole[name]}", start, crc - start, None, f"{name}.{whole[name]}")
        if place.state != "truncated":
            add(f"{at}.crc", crc, end - crc, int.from_bytes(reader.at(crc, end - crc), "little"), "CHUNK.crc")
    seen: Counter[str] = Counter()
    lists = {"GROUP": "GRPS.groups", "OBJECT": "OBJS.objects"}
    for t in fields:
        structure, _, name = t.path.partition(".")
        path = t.path
        if structure in lists:
            path = f"{lists[structure]}[{seen[t.path]}].{name}"
            seen[t.path] += 1
        add(path, t.offset, t.size, t.value, t.path)
    return sorted(out, key=lambda row: (row["offset"], row["size"] > 0))
