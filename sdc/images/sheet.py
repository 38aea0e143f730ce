"""A contact sheet of a stream: one image that shows what is in it and what each level costs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..codec.decoder import Decoded, decode
from ..errors import SdcError
from ..format.chunks import ICCP, OBJS
from ..format.grps import COMPLETE, WITHDRAWN, Group
from ..format.objs import parse_objects
from ..format.prov import parse_provenance
from ..format.source import Readable
from ..format.stream import Stream
from ..format.text import printable, provenance_lines
from ..networks.registry import model_for
from ..objects.grouping import group_map
from ..objects.object import Object
from ..objects.values import Bools
from ..types import CELL, LEVELS, Colour, Level, Limits, Pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 30, 34)
QUIET: Colour = (92, 97, 105)
ALARM: Colour = (176, 0, 32)

LEVEL_COLOURS: dict[Level, Colour] = {
    Level.L1: (213, 94, 0),
    Level.L2: (240, 180, 0),
    Level.L3: (0, 114, 178),
    Level.OTHER: (128, 128, 128),
}
"""Colours of L1, L2, L3 and other, told apart with any colour vision."""


TAG_INKS: dict[Level, Colour] = {**dict.fromkeys(Level, PAPER), Level.L2: INK}

PANEL_AREA = 768 * 512
"""Larger images are shown reduced to about this many pixels."""


PANEL_LONG = 1536

SMALL_SIDE = 256
"""Images of which both sides are shorter are enlarged by a whole factor."""


PANEL_MIN = 320
"""Least width of a panel, so that captions have room."""


MARGIN, GAP = 24, 20
TITLE, HEADING, TEXT, TAG = 24, 19, 16, 14

ASPECT = 1.5
"""Ratio of width to height that the grid comes as close to as it can."""


MAX_TAGS = 24
LONGEST_LABEL = 24
Line = list[tuple[str, Colour]]


@dataclass(frozen=True)
class _Panel:
    """An image with a heading and coloured words below it."""

    image: Image.Image
    heading: str
    items: Line


@cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


def _width(text: str, size: int) -> float:
    return _font(size).getlength(text)


def _wrap(items: Line, size: int, width: float) -> list[Line]:
    """Items in lines of a width, each item kept whole if it fits a line at all."""
    lines: list[Line] = [[]]
    used, space = 0.0, _width("    ", size)
    for text, colour in items:
        if lines[-1] and used + space + _width(text, size) > width:
            lines.append([])
            used = 0.0
        words = text.split()
        while words:
            take = len(words)
            while take > 1 and _width(" ".join(words[:take]), size) > width:
                take -= 1
            part, words = " ".join(words[:take]), words[take:]
            if words and lines[-1]:
                lines.append([])
            lines[-1].append((part, colour))
            used = used + (space if used else 0.0) + _width(part, size)
            if words:
                lines.append([])
                used = 0.0
    return [line for line in lines if line]


def _draw_lines(draw: ImageDraw.ImageDraw, lines: Sequence[Line], x: int, y: int, size: int) -> int:
    """Draw wrapped lines; returns where the next would begin."""
    for line in lines:
        at = float(x)
        for text, colour in line:
            draw.text((at, y), text, colour, _font(size))
            at += _width(text + "    ", size)
        y += round(size * 1.4)
    return y


def _bytes(count: int) -> str:
    return f"{count:,} byte" + ("" if count == 1 else "s")


def _bpp(count: int, pixels: int) -> str:
    value = 8 * count / pixels
    return f"{value:.3f} bpp" if value < 10 else f"{value:,.0f} bpp"


def levels_present(stream: Stream) -> list[Level]:
    """Levels of the groups that have not been withdrawn, most important first."""
    return sorted({g.level for g in stream.groups if g.state != WITHDRAWN})


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


def _frame_size(width: int, height: int) -> tuple[int, int]:
    """Size at which an image is shown."""
    if max(width, height) < SMALL_SIDE:
        factor = float(SMALL_SIDE // max(width, height))
    else:
        factor = min(1.0, math.sqrt(PANEL_AREA / (width * height)), PANEL_LONG / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _checkerboard(size: tuple[int, int]) -> Image.Image:
    """Two light greys, for what is not decoded."""
    y, x = np.ogrid[: size[1], : size[0]]
    light = (x // 8 + y // 8) % 2 == 0
    return Image.fromarray(np.where(light, 240, 226).astype(np.uint8)).convert("RGB")


def _shown(pixels: Pixels, covered: Bools | None, size: tuple[int, int]) -> Image.Image:
    """An image at the size of its panel, over a checkerboard where it is not covered."""
    image = Image.fromarray(pixels)
    if covered is not None:
        image.putalpha(Image.fromarray(covered.astype(np.uint8) * 255))
    smaller = size[0] < pixels.shape[1] or size[1] < pixels.shape[0]
    image = image.resize(size, Image.Resampling.LANCZOS if smaller else Image.Resampling.NEAREST)
    if covered is None:
        return image
    board = _checkerboard(size)
    board.paste(image, (0, 0), image)
    return board


def _clean(label: str) -> str:
    """A label fit for one short line."""
    text = "".join(c for c in " ".join(label.split()) if c.isprintable()) or "object"
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1].rstrip() + "…"


def _tinted(
    shown: Image.Image, labels: Pixels, levels: Sequence[Level], width: int, height: int
) -> Image.Image:
    """An image, dimmed and tinted by level, with a line wherever two groups meet.

    Args:
        shown: the image at the size of its panel.
        labels: ``uint8 [rows, cols]`` group map; k + 1 = group k.
        levels: level of each group.
        width, height: of the image that the map is of.
    """
    # Row and column of the cell that the middle of every pixel of the panel lies in.
    rows = ((np.arange(shown.height) + 0.5) * height / shown.height).astype(int) // CELL
    cols = ((np.arange(shown.width) + 0.5) * width / shown.width).astype(int) // CELL
    groups = labels[np.ix_(rows, cols)].astype(np.int16)
    colours = np.array([PAPER, *(LEVEL_COLOURS[level] for level in levels)], np.float32)
    strength = np.array([0.0, *(0.2 if level == Level.OTHER else 0.45 for level in levels)], np.float32)[
        ..., None
    ]
    base = 0.78 * np.asarray(shown.convert("L").convert("RGB"), np.float32) + 0.22 * 255
    out = base * (1 - strength[groups]) + colours[groups] * strength[groups]
    edge = np.zeros(groups.shape, bool)
    edge[1:] |= groups[1:] != groups[:-1]
    edge[:, 1:] |= groups[:, 1:] != groups[:, :-1]
    out[edge] = 255
    return Image.fromarray(out.round().astype(np.uint8))


Rectangle = tuple[float, float, float, float]


def _apart(a: Rectangle, b: Rectangle) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def _draw_objects(image: Image.Image, things: Sequence[Object], scale: tuple[float, float]) -> None:
    """Boxes, and as many labels as find a place without covering one another."""
    draw = ImageDraw.Draw(image)
    line = 2 if min(image.size) >= 160 else 1
    taken: list[Rectangle] = []
    boxes: list[Rectangle] = []
    for thing in things:
        left, top = thing.box[0] * scale[0], thing.box[1] * scale[1]
        right, bottom = left + thing.box[2] * scale[0] - 1, top + thing.box[3] * scale[1] - 1
        boxes.append((left, top, max(left, right), max(top, bottom)))
    # The most important are drawn last, on top.
    for thing, box in reversed(list(zip(things, boxes, strict=True))):
        draw.rectangle(box, outline=LEVEL_COLOURS[thing.level or Level.L1], width=line)
    for thing, (left, top, right, bottom) in list(zip(things, boxes, strict=True))[:MAX_TAGS]:
        text, level = _clean(thing.label), thing.level or Level.L1
        wide, high = math.ceil(_width(text, TAG)) + 8, TAG + 5
        spots = [
            (x, y)
            for y in (top - high, top, bottom - high, bottom)
            for x in (left, right - wide, (left + right - wide) / 2)
        ]
        for x, y in spots:
            tag = (x, y, x + wide, y + high)
            inside = x >= 0 and y >= 0 and tag[2] <= image.width and tag[3] <= image.height
            if inside and all(_apart(tag, other) for other in taken):
                draw.rectangle((x, y, tag[2] - 1, tag[3] - 1), fill=LEVEL_COLOURS[level])
                draw.text((x + 4, y + high / 2), text, TAG_INKS[level], _font(TAG), anchor="lm")
                taken.append(tag)
                break


def _map_panel(
    stream: Stream, decoded: Decoded, things: Sequence[Object], trouble: Line, size: tuple[int, int]
) -> _Panel:
    """The group map with the objects on it."""
    head, labels = stream.head, stream.labels
    shown = _shown(decoded.pixels, decoded.covered, size)
    image = _tinted(shown, labels, [g.level for g in stream.groups], head.width, head.height)
    _draw_objects(image, things, (size[0] / head.width, size[1] / head.height))
    counts = np.bincount(labels.reshape(-1), minlength=len(stream.groups) + 1)
    items: Line = []
    for level in sorted({g.level for g in stream.groups}):
        own = [g for g in stream.groups if g.level == level]
        share = sum(int(counts[g.index + 1]) for g in own) / labels.size
        several = f" in {len(own)} groups" if len(own) > 1 else ""
        gone = "" if level in levels_present(stream) else ", withdrawn"
        items.append((f"{level} {100 * share:.0f} % of cells{several}{gone}", _legend(level)))
    if counts[0]:
        items.append((f"{100 * counts[0] / labels.size:.0f} % in no group", QUIET))
    if stream.mask is not None:
        items.append((f"map {_bytes(len(stream.mask))}", QUIET))
    if (described := stream.chunk(OBJS)) is not None:
        items.append((f"objects {_bytes(described.size)}", QUIET))
    many = f", {len(things)} object" + ("s" if len(things) > 1 else "") if things else ""
    heading = f"{len(stream.groups)} group" + ("s" if len(stream.groups) > 1 else "") + many
    return _Panel(image, heading, items + trouble)


def _reasons_panel(
    things: Sequence[Object], about: dict[str, Any] | None, size: tuple[int, int]
) -> list[_Panel]:
    """Captions, and each object with its level and why it is of that level; nothing where nobody says."""
    lines = provenance_lines(about)
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
            [(str(level), _legend(level)), (f"{_clean(thing.label)}: {printable(thing.reason)}", INK)]
        )
    for k, line in enumerate(words):
        wrapped = _wrap(line, TEXT, width - 16)
        room = (paper.height - y) // step - (k + 1 < len(words))
        if len(wrapped) > room:
            _draw_lines(draw, [[(f"and {len(words) - k} more", QUIET)]], 8, y, TEXT)
            break
        y = _draw_lines(draw, wrapped, 8, y, TEXT)
    return [_Panel(paper, "why", [])]


def _legend(level: Level) -> Colour:
    """The colour of a level, dark enough for words on paper."""
    r, g, b = LEVEL_COLOURS[level]
    return (r * 7 // 10, g * 7 // 10, b * 7 // 10) if level != Level.L3 else (r, g, b)


def _level_panel(
    stream: Stream, decoded: Decoded, level: Level, original: Pixels | None, size: tuple[int, int]
) -> _Panel:
    """What a receiver sees that stops after a level."""
    head = stream.head
    pixels = head.width * head.height
    present = levels_present(stream)
    groups = [g for g in stream.groups if g.level <= level]
    chosen = np.zeros(256, bool)
    chosen[[g.index + 1 for g in groups]] = True
    cells = np.repeat(np.repeat(chosen[stream.labels], CELL, 0), CELL, 1)[: head.height, : head.width]
    covered = decoded.covered & cells
    names = [str(k) for k in present if k <= level]
    heading = " + ".join(names)
    if level == present[-1] and all(g.state != WITHDRAWN for g in stream.groups):
        heading = "all" if len(names) > 1 else f"all ({heading})"
    size_needed = stream.prefix(levels=[k for k in LEVELS if k <= level])
    items: Line = [
        (f"first {_bytes(size_needed)}", INK),
        (_bpp(size_needed, pixels), INK),
        (_qualities(groups), INK),
    ]
    if original is not None and (psnr := _psnr(original, decoded.pixels, covered)):
        items.append((psnr, INK))
    missing = [g for g in groups if g.state != COMPLETE]
    if missing:
        items.append((_missing(missing), ALARM))
    return _Panel(_shown(decoded.pixels, covered, size), heading, items)


def _missing(groups: Sequence[Group]) -> str:
    """Groups that are not there, in words."""
    told = [f"group {g.index} ({g.level}) {g.state}" for g in groups[:4]]
    if len(groups) > 4:
        told.append(f"{len(groups) - 4} more")
    return "missing: " + ", ".join(told)


def _compose(title: Line, panels: Sequence[_Panel], size: tuple[int, int]) -> Image.Image:
    """Title and panels on paper, in the grid that suits their shape."""
    width = max(PANEL_MIN, size[0])
    captions = [_wrap(p.items, TEXT, width) for p in panels]
    below = round(HEADING * 1.4) + 8 + max(len(c) for c in captions) * round(TEXT * 1.4)
    height = size[1] + below

    def badness(cols: int) -> float:
        rows = -(-len(panels) // cols)
        aspect = (cols * (width + GAP)) / (rows * (height + GAP))
        return abs(math.log(aspect / ASPECT)) + 0.25 * (rows * cols - len(panels))

    cols = min(range(1, len(panels) + 1), key=badness)
    rows = -(-len(panels) // cols)
    sheet_width = 2 * MARGIN + cols * width + (cols - 1) * GAP
    titles = _wrap(title, TITLE, sheet_width - 2 * MARGIN)
    top = MARGIN + len(titles) * round(TITLE * 1.4) + 10
    sheet = Image.new("RGB", (sheet_width, top + rows * (height + GAP) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    _draw_lines(draw, titles, MARGIN, MARGIN, TITLE)
    for k, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        x = MARGIN + k % cols * (width + GAP)
        y = top + k // cols * (height + GAP)
        sheet.paste(panel.image, (x, y))
        frame = (x - 1, y - 1, x + panel.image.width, y + panel.image.height)
        draw.rectangle(frame, outline=(200, 203, 208))
        y = _draw_lines(draw, [[(panel.heading, INK)]], x, y + size[1] + 8, HEADING)
        _draw_lines(draw, caption, x, y, TEXT)
    return sheet


def sheet(
    source: Readable | Stream, original: Pixels | None = None, *, limits: Limits = Limits()
) -> Image.Image:
    """Draw the contact sheet of a stream.

    It shows the original if there is one, the group map with the objects, and what a receiver sees that stops
    after each level, with the bytes it has fetched by then: those of the file from its start to the end of
    the level's last latent chunk.
    Cells that are not decoded are a checkerboard.
    Groups do not depend on one another, so one decoding serves all panels.

    Args:
        source: a path, the file's bytes, a seekable binary file, or a parsed stream; a partial stream will
            do, and what is missing is named.
        original: ``uint8 [H, W, 3]`` RGB; adds a panel, and the PSNR of the decoded cells to the captions.
        limits: as for :func:`sdc.codec.decoder.decode`.

    Returns:
        An RGB image, a size of its own.

    Raises:
        SdcError: the stream is invalid or unsupported; ``E_LIMIT``; ``E_PICTURE`` when the original is of
            another size.
    """
    decoded = decode(source, limits=limits)
    stream = decoded.stream
    head = stream.head
    if original is not None and original.shape != (head.height, head.width, 3):
        found, wanted = list(original.shape), [head.height, head.width, 3]
        raise SdcError("E_PICTURE", f"the original has the shape {found}, the stream {wanted}", "original")
    size = _frame_size(head.width, head.height)
    panels = []
    if original is not None:
        words: Line = [(f"{head.width} x {head.height} pixels", INK)]
        panels.append(_Panel(_shown(original, None, size), "original", words))
    trouble: Line = []
    things: tuple[Object, ...] = ()
    try:
        things = parse_objects(stream, masks=False)
    except SdcError as error:
        trouble.append((f"objects unreadable: {error.code}", ALARM))
    panels.append(_map_panel(stream, decoded, things, trouble, size))
    panels += _reasons_panel(things, parse_provenance(stream), size)
    panels += [_level_panel(stream, decoded, k, original, size) for k in levels_present(stream)]
    title: Line = [
        (f"{head.width} x {head.height} pixels", INK),
        (_bytes(stream.size), INK),
        (_bpp(stream.size, head.width * head.height), INK),
        (f"model {head.model} ({model_for(head.model, head.weights).name})", INK),
    ]
    if stream.errors:
        title.append(("partial stream", ALARM))
    out = _compose(title, panels, size)
    profile = stream.chunk(ICCP)
    if profile is not None:
        out.info["icc_profile"] = profile.payload
    return out


def objects_sheet(
    pixels: Pixels, objects: Sequence[Object], about: dict[str, Any] | None = None
) -> Image.Image:
    """Draw the objects of an image: boxes, labels, the cells of each level, and the reasons.

    Args:
        pixels: ``uint8 [H, W, 3]`` RGB.
        objects: what is in it.
        about: how they were found, what ``spec/objects.md`` calls ``analysis``.

    Returns:
        An RGB image, a size of its own.

    Raises:
        SdcError: ``E_OBJECTS`` for an object that leaves the image.
    """
    height, width = pixels.shape[:2]
    size = _frame_size(width, height)
    grouped = group_map(objects, width, height)
    things = sorted(grouped.objects, key=lambda thing: thing.rank or 0)
    image = _tinted(_shown(pixels, None, size), grouped.labels, grouped.levels, width, height)
    _draw_objects(image, things, (size[0] / width, size[1] / height))
    counts = np.bincount(grouped.labels.reshape(-1) - 1, minlength=len(grouped.levels))
    items: Line = [
        (f"{level} {100 * count / grouped.labels.size:.0f} % of cells", _legend(level))
        for level, count in zip(grouped.levels, counts.tolist(), strict=True)
    ]
    many = f"{len(things)} object" + ("" if len(things) == 1 else "s")
    panels = [_Panel(image, many, items), *_reasons_panel(things, about, size)]
    return _compose([(f"{width} x {height} pixels", INK)], panels, size)
