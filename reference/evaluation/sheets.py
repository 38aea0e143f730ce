"""Sheets of panels in rows, each with a line of words below."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from sdc.images.layout import GAP, INK, MARGIN, PAPER, TEXT, TITLE, draw_lines

Panel = tuple[Image.Image, str]
"""An image and the line below it."""


def sheet_of(title: str, rows: Sequence[Sequence[Panel]], width: int) -> Image.Image:
    """Rows of panels below a title.

    Args:
        title: one line.
        rows: at least one, of images no wider than ``width``, those of a row of the same height.
        width: of a column in pixels.

    Returns:
        An image of mode RGB.
    """
    words = round(TEXT * 1.4) + 8
    heights = [row[0][0].height + words + GAP for row in rows]
    top, columns = MARGIN + round(TITLE * 1.4) + 10, max(map(len, rows))
    paper = Image.new("RGB", (2 * MARGIN + columns * (width + GAP) - GAP, top + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(paper)
    draw_lines(pen, [[(title, INK)]], MARGIN, MARGIN, TITLE)
    for row, height in zip(rows, heights, strict=True):
        for k, (image, text) in enumerate(row):
            x = MARGIN + k * (width + GAP)
            paper.paste(image, (x, top))
            draw_lines(pen, [[(text, INK)]], x, top + image.height + 6, TEXT)
        top += height
    return paper
