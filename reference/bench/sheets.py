"""Ten photographs, whole and in part, on one sheet."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageDraw

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.images.sheet import GAP, INK, MARGIN, PAPER, TEXT, TITLE, _bpp, _draw_lines, _shown
from sdc.objects.grouping import group_map
from sdc.types import LEVELS

from .common import Encode, Pixels, coco_pictures, encoder_of, quality_for

PHOTOGRAPHS = 10
BPP = 0.15
WIDTH, HEIGHT = 384, 288
"""Most of a panel's sides in pixels."""

Panel = tuple[Image.Image, str]


def panels(picture: Pixels, data: bytes) -> list[Panel]:
    """Original, whole, L1 and L1 to L3 of a picture, and words for each."""
    stream, count = parse(data), picture.shape[0] * picture.shape[1]
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    whole = decode(stream)
    out = [
        (_shown(picture, None, size), "original"),
        (_shown(whole.pixels, None, size), f"whole, {_bpp(len(data), count)}"),
    ]
    for words, levels in (("L1", LEVELS[:1]), ("L1 to L3", LEVELS[:3])):
        part = decode(stream, levels=levels)
        needed = stream.prefix(levels=levels)
        out.append((_shown(part.pixels, part.covered, size), f"{words}, {_bpp(needed, count)}"))
    return out


def _chosen(folder: Path, coder: Encode) -> list[list[Panel]]:
    """Panels of the first pictures with objects of three levels on a background."""
    rows = []
    for _, picture, objects in coco_pictures(folder):
        if len(set(group_map(objects, picture.shape[1], picture.shape[0]).levels)) == 4:
            options = {"objects": objects, "metadata": False}
            quality = quality_for(picture, BPP, coder, **options)
            rows.append(panels(picture, coder(picture, quality=quality, **options)))
        if len(rows) == PHOTOGRAPHS:
            break
    return rows


def sheet(args: argparse.Namespace) -> None:
    """Ten photographs with real objects: original, whole at about 0.15 bits per pixel, L1, L1 to L3."""
    rows = _chosen(args.coco, encoder_of(args))
    if not rows:
        sys.exit("no picture with objects of three levels")
    words = round(TEXT * 1.4) + 8
    heights = [row[0][0].height + words + GAP for row in rows]
    top = MARGIN + round(TITLE * 1.4) + 10
    paper = Image.new("RGB", (2 * MARGIN + 4 * (WIDTH + GAP) - GAP, top + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(paper)
    title = f"model {args.model}: bits per pixel from the start of the file to the end of what is shown"
    _draw_lines(pen, [[(title, INK)]], MARGIN, MARGIN, TITLE)
    for row, height in zip(rows, heights, strict=True):
        for k, (picture, text) in enumerate(row):
            x = MARGIN + k * (WIDTH + GAP)
            paper.paste(picture, (x, top))
            _draw_lines(pen, [[(text, INK)]], x, top + picture.height + 6, TEXT)
        top += height
    paper.save(args.out, quality=85)
    print(f"{args.out}: {len(rows)} photographs")
