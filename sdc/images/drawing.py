"""What is drawn on an image: its levels as colours, boxes and labels of objects."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..objects.object import Object
from ..objects.values import Bools
from ..types import CELL, Colour, Level, Pixels
from .layout import INK, PAPER, TAG, font_of, text_width

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
"""Most pixels of a side at which an image is shown."""

SMALL_SIDE = 256
"""Images of which both sides are shorter are enlarged by a whole factor."""

MAX_TAGS = 24
"""Labels that are drawn at the most."""

LONGEST_LABEL = 24
"""Characters of a label that are drawn at the most."""

Rectangle = tuple[float, float, float, float]


def frame_size(width: int, height: int) -> tuple[int, int]:
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


def panel_image(pixels: Pixels, covered: Bools | None, size: tuple[int, int]) -> Image.Image:
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


def short_label(label: str) -> str:
    """A label fit for one short line."""
    text = "".join(c for c in " ".join(label.split()) if c.isprintable()) or "object"
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1].rstrip() + "…"


def legend_colour(level: Level) -> Colour:
    """The colour of a level, dark enough for words on paper."""
    r, g, b = LEVEL_COLOURS[level]
    return (r * 7 // 10, g * 7 // 10, b * 7 // 10) if level != Level.L3 else (r, g, b)


def tinted(
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


def _apart(a: Rectangle, b: Rectangle) -> bool:
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def draw_objects(image: Image.Image, things: Sequence[Object], scale: tuple[float, float]) -> None:
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
        text, level = short_label(thing.label), thing.level or Level.L1
        wide, high = math.ceil(text_width(text, TAG)) + 8, TAG + 5
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
                draw.text((x + 4, y + high / 2), text, TAG_INKS[level], font_of(TAG), anchor="lm")
                taken.append(tag)
                break
