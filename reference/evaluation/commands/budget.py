"""Bytes of a stream by part: what is paid beside the latents."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

from sdc.format.chunks import CRC_SIZE, OBJS
from sdc.format.parse import parse
from sdc.format.stream import Stream
from sdc.types import Level

from ..encoders import encoder_of
from ..images import coco_images, coco_path, profile_of
from ..options import add

QUALITIES = (0, 8, 16)
"""Low qualities, at which what is paid beside the latents counts."""

LEVELS = 4
"""Groups of the streams that are counted."""

Parts = Mapping[str, int]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "coco! every effort model")


def parts_of(stream: Stream) -> Parts:
    """Bytes of a stream by part.

    Returns:
        ``head`` (magic number and header without the map), ``map``, ``crcs`` (of the groups), ``objects``
        (the whole chunk), ``latents`` (payloads of the groups) and ``rest``.
    """
    objects = stream.chunk(OBJS)
    parts = {
        "head": stream.groups[0].offset - sum(c.size for c in stream.before) - len(stream.map),
        "map": len(stream.map),
        "crcs": sum(CRC_SIZE for g in stream.groups if g.size),
        "objects": 0 if objects is None else objects.size,
        "latents": sum(len(g.payload or b"") for g in stream.groups),
    }
    return {**parts, "rest": stream.size - sum(parts.values())}


def run(args: argparse.Namespace) -> None:
    """Bytes of a stream by part: what is paid beside the latents."""
    coder = encoder_of(args.model, args.effort)
    found: dict[int, list[Parts]] = {quality: [] for quality in QUALITIES}
    prefixes: dict[int, list[int]] = {quality: [] for quality in QUALITIES}
    for k, (name, image, objects) in enumerate(coco_images(args.coco)):
        if k % args.every:
            continue
        profile = profile_of(coco_path(args.coco, name))
        for quality, rows in found.items():
            stream = parse(coder(image, objects=objects, quality=quality, icc_profile=profile))
            if len(stream.groups) == LEVELS:
                rows.append(parts_of(stream))
            if Level.L1 in stream.levels:
                prefixes[quality].append(int(stream.prefix(levels=[Level.L1])))
    if not all(found.values()):
        sys.exit(f"budget: no image with {LEVELS} groups")
    for quality, rows in found.items():
        print(f"quality {quality}, {len(rows)} streams with {LEVELS} groups: {_words(rows)}")
        first = prefixes[quality]
        if first:
            print(f"  up to the end of L1, {len(first)} streams: mean {statistics.mean(first):.0f} bytes")


def _words(rows: Sequence[Parts]) -> str:
    """Mean and largest bytes of the parts, and of all together."""
    whole = [sum(row.values()) for row in rows]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    words = [
        f"{name} {statistics.mean(sizes):.1f} ({max(sizes)})" for name, sizes in columns.items() if any(sizes)
    ]
    return f"mean (largest) bytes {statistics.mean(whole):.1f}: {', '.join(words)}"
