"""The panels of a contact sheet: the group map, the reasons, and what each level shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..codec.decoder import Decoded
from ..format.chunks import OBJS
from ..format.grps import COMPLETE, WITHDRAWN, Group
from ..format.rest import read_restoration
from ..format.stream import Stream
from ..format.text import printable, provenance_lines
from ..objects.cells import to_pixels
from ..objects.object import Object
from ..objects.values import Bools
from ..types import LEVELS, Level, Pixels
from .drawing import draw_objects, legend_colour, panel_image, short_label, tinted
from .layout import ALARM, INK, PANEL_MIN, PAPER, QUIET, TEXT, Line, Panel, draw_lines, wrap


def bytes_text(count: int) -> str:
    """A number of bytes in words."""
    return f"{count:,} byte" + ("" if count == 1 else "s")


def bpp_text(count: int, pixels: int) -> str:
    """Bytes for so many pixels, as bits per pixel in words."""
    value = 8 * count / pixels
    return f"{value:.3f} bpp" if value < 10 else f"{value:,.0f} bpp"


def _qualities(groups: Sequence[Group]) -> str:
    """Quality of some groups, by level when levels differ."""
    values: dict[Level, list[int]] = {}
    for g in groups:
        values.setdefault(g.level, []).append(g.quality)
    spans = {k: f"{min(v)}" if min(v) == max(v) else f"{min(v)} to {max(v)}" for k, v in values.items()}
    if len(set(spans.values())) == 1:
        return f"quality {next(iter(spans.values()))}"
    return "quality " + ", ".join(f"{level} {span}" for level, span in spans.items())


def _psnr(a: Pixels, b: Pixels, where: Bools) -> str:
    """PSNR in the pixels of a mask, in words; empty when there are none."""
    if not where.any():
        return ""
    squares = (a[where].astype(np.int32) - b[where]) ** 2
    error = float(squares.mean())
    return "no difference" if error == 0 else f"{10 * math.log10(255**2 / error):.1f} dB"


def _missing(groups: Sequence[Group]) -> str:
    """Groups that are not there, in words."""
    told = [f"group {g.index} ({g.level}) {g.state}" for g in groups[:4]]
    if len(groups) > 4:
        told.append(f"{len(groups) - 4} more")
    return "missing: " + ", ".join(told)


def map_panel(
    stream: Stream, decoded: Decoded, things: Sequence[Object], trouble: Line, size: tuple[int, int]
) -> Panel:
    """The group map with the objects on it."""
    head, labels = stream.head, stream.labels
    shown = panel_image(decoded.pixels, decoded.covered, size)
    image = tinted(shown, labels, [g.level for g in stream.groups], head.width, head.height)
    draw_objects(image, things, (size[0] / head.width, size[1] / head.height))
    counts = np.bincount(labels.reshape(-1), minlength=len(stream.groups) + 1)
    items: Line = []
    for level in sorted({g.level for g in stream.groups}):
        own = [g for g in stream.groups if g.level == level]
        share = sum(int(counts[g.index + 1]) for g in own) / labels.size
        several = f" in {len(own)} groups" if len(own) > 1 else ""
        gone = "" if level in stream.levels else ", withdrawn"
        items.append((f"{level} {100 * share:.0f} % of cells{several}{gone}", legend_colour(level)))
    if counts[0]:
        items.append((f"{100 * counts[0] / labels.size:.0f} % in no group", QUIET))
    if stream.map:
        items.append((f"map {bytes_text(len(stream.map))}", QUIET))
    if (described := stream.chunk(OBJS)) is not None:
        items.append((f"objects {bytes_text(described.size)}", QUIET))
    many = f", {len(things)} object" + ("s" if len(things) > 1 else "") if things else ""
    heading = f"{len(stream.groups)} group" + ("s" if len(stream.groups) > 1 else "") + many
    return Panel(image, heading, items + trouble)


def reasons_panel(
    things: Sequence[Object], provenance: dict[str, Any] | None, size: tuple[int, int]
) -> list[Panel]:
    """Captions, and each object with its level and why it is of that level; nothing where nobody says."""
    lines = provenance_lines(provenance)
    if not lines and not any(thing.reason for thing in things):
        return []
    width = max(PANEL_MIN, size[0])
    paper = Image.new("RGB", (width, max(PANEL_MIN, size[1])), PAPER)
    draw = ImageDraw.Draw(paper)
    y, step = 8, round(TEXT * 1.4)
    words: list[Line] = [[(text, QUIET)] for text in lines]
    for thing in things:
        level = thing.level or Level.L1
        words.append(
            [
                (str(level), legend_colour(level)),
                (f"{short_label(thing.label)}: {printable(thing.reason)}", INK),
            ]
        )
    for k, line in enumerate(words):
        wrapped = wrap(line, TEXT, width - 16)
        room = (paper.height - y) // step - (k + 1 < len(words))
        if len(wrapped) > room:
            draw_lines(draw, [[(f"and {len(words) - k} more", QUIET)]], 8, y, TEXT)
            break
        y = draw_lines(draw, wrapped, 8, y, TEXT)
    return [Panel(paper, "why", [])]


def level_panel(
    stream: Stream, decoded: Decoded, level: Level, original: Pixels | None, size: tuple[int, int]
) -> Panel:
    """What a receiver sees that stops after a level."""
    head = stream.head
    pixels = head.width * head.height
    present = stream.levels
    groups = [g for g in stream.groups if g.level <= level]
    chosen = np.zeros(256, bool)
    chosen[[g.index + 1 for g in groups]] = True
    cells = to_pixels(chosen[stream.labels])[: head.height, : head.width]
    covered = decoded.covered & cells
    names = [str(k) for k in present if k <= level]
    heading = " + ".join(names)
    if level == present[-1] and all(g.state != WITHDRAWN for g in stream.groups):
        heading = "all" if len(names) > 1 else f"all ({heading})"
    size_needed = stream.prefix(levels=[k for k in LEVELS if k <= level])
    items: Line = [
        (f"first {bytes_text(size_needed)}", INK),
        (bpp_text(size_needed, pixels), INK),
        (_qualities(groups), INK),
    ]
    if original is not None and (psnr := _psnr(original, decoded.pixels, covered)):
        items.append((psnr, INK))
    missing = [g for g in groups if g.state != COMPLETE]
    if missing:
        items.append((_missing(missing), ALARM))
    return Panel(panel_image(decoded.pixels, covered, size), heading, items)


def restored_panels(
    stream: Stream, decoded: Decoded, original: Pixels | None, size: tuple[int, int]
) -> list[Panel]:
    """The restored image and what was found wrong with it; nothing where nothing was restored."""
    if decoded.restored is None or not decoded.groups:
        return []
    items: Line = []
    if original is not None and (psnr := _psnr(original, decoded.restored, decoded.covered)):
        items.append((psnr, INK))
    said = read_restoration(stream).whole()
    for d in () if said is None else said.degradations:
        where = "" if d.group is None else f" in group {d.group}"
        if d.strength:
            items.append((f"{d.kind} {d.strength:.2f}{where}", INK))
    return [Panel(panel_image(decoded.restored, decoded.covered, size), "restored", items)]
