"""Words and panels on paper: the grid of a contact sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from ..types import Colour

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 30, 34)
QUIET: Colour = (92, 97, 105)
ALARM: Colour = (176, 0, 32)

PANEL_MIN = 320
"""Least width of a panel, so that captions have room."""

MARGIN, GAP = 24, 20
TITLE, HEADING, TEXT, TAG = 24, 19, 16, 14

ASPECT = 1.5
"""Ratio of width to height that the grid comes as close to as it can."""

Line = list[tuple[str, Colour]]
"""Words, each with its colour."""


@dataclass(frozen=True)
class Panel:
    """An image with a heading and coloured words below it."""

    image: Image.Image
    heading: str
    items: Line


@cache
def font_of(size: int) -> Font:
    """Pillow's own font at a size in pixels."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> float:
    """Width of a text in pixels."""
    return font_of(size).getlength(text)


def wrap(items: Line, size: int, width: float) -> list[Line]:
    """Items in lines of a width, each item kept whole if it fits a line at all."""
    lines: list[Line] = [[]]
    used, space = 0.0, text_width("    ", size)
    for text, colour in items:
        if lines[-1] and used + space + text_width(text, size) > width:
            lines.append([])
            used = 0.0
        words = text.split()
        while words:
            take = len(words)
            while take > 1 and text_width(" ".join(words[:take]), size) > width:
                take -= 1
            part, words = " ".join(words[:take]), words[take:]
            if words and lines[-1]:
                lines.append([])
            lines[-1].append((part, colour))
            used = used + (space if used else 0.0) + text_width(part, size)
            if words:
                lines.append([])
                used = 0.0
    return [line for line in lines if line]


def draw_lines(draw: ImageDraw.ImageDraw, lines: Sequence[Line], x: int, y: int, size: int) -> int:
    """Draw wrapped lines; returns where the next would begin."""
    for line in lines:
        at = float(x)
        for text, colour in line:
            draw.text((at, y), text, colour, font_of(size))
            at += text_width(text + "    ", size)
        y += round(size * 1.4)
    return y


def compose(title: Line, panels: Sequence[Panel], size: tuple[int, int]) -> Image.Image:
    """Title and panels on paper, in the grid that suits their shape."""
    width = max(PANEL_MIN, size[0])
    captions = [wrap(p.items, TEXT, width) for p in panels]
    below = round(HEADING * 1.4) + 8 + max(len(c) for c in captions) * round(TEXT * 1.4)
    height = size[1] + below

    def badness(cols: int) -> float:
        rows = -(-len(panels) // cols)
        aspect = (cols * (width + GAP)) / (rows * (height + GAP))
        return abs(math.log(aspect / ASPECT)) + 0.25 * (rows * cols - len(panels))

    cols = min(range(1, len(panels) + 1), key=badness)
    rows = -(-len(panels) // cols)
    sheet_width = 2 * MARGIN + cols * width + (cols - 1) * GAP
    titles = wrap(title, TITLE, sheet_width - 2 * MARGIN)
    top = MARGIN + len(titles) * round(TITLE * 1.4) + 10
    sheet = Image.new("RGB", (sheet_width, top + rows * (height + GAP) - GAP + MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw_lines(draw, titles, MARGIN, MARGIN, TITLE)
    for k, (panel, caption) in enumerate(zip(panels, captions, strict=True)):
        x = MARGIN + k % cols * (width + GAP)
        y = top + k // cols * (height + GAP)
        sheet.paste(panel.image, (x, y))
        frame = (x - 1, y - 1, x + panel.image.width, y + panel.image.height)
        draw.rectangle(frame, outline=(200, 203, 208))
        y = draw_lines(draw, [[(panel.heading, INK)]], x, y + size[1] + 8, HEADING)
        draw_lines(draw, caption, x, y, TEXT)
    return sheet
