"""Ten photographs with real objects: original, whole at about 0.15 bits per pixel, L1, L1 to L3."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.images.drawing import panel_image
from sdc.images.panels import bpp_text
from sdc.objects.grouping import group_map
from sdc.types import LEVELS, Pixels

from ..encoders import Encode, encoder_of, quality_for
from ..images import coco_images
from ..options import add
from ..sheets import Panel, sheet_of

PHOTOGRAPHS = 10
BPP = 0.15
WIDTH, HEIGHT = 384, 288
"""Most of a panel's sides in pixels."""


def panels(image: Pixels, data: bytes) -> list[Panel]:
    """Original, whole, L1 and L1 to L3 of an image, and words for each."""
    stream, count = parse(data), image.shape[0] * image.shape[1]
    scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    whole = decode(stream)
    out = [
        (panel_image(image, None, size), "original"),
        (panel_image(whole.pixels, None, size), f"whole, {bpp_text(len(data), count)}"),
    ]
    for words, levels in (("L1", LEVELS[:1]), ("L1 to L3", LEVELS[:3])):
        part = decode(stream, levels=levels)
        needed = stream.prefix(levels=levels)
        out.append((panel_image(part.pixels, part.covered, size), f"{words}, {bpp_text(needed, count)}"))
    return out


def _chosen(folder: Path, coder: Encode) -> list[list[Panel]]:
    """Panels of the first images with objects of three levels on a background."""
    rows = []
    for _, image, objects in coco_images(folder):
        if len(set(group_map(objects, image.shape[1], image.shape[0]).levels)) == 4:
            options = {"objects": objects, "metadata": False}
            quality = quality_for(image, BPP, coder, **options)
            rows.append(panels(image, coder(image, quality=quality, **options)))
        if len(rows) == PHOTOGRAPHS:
            break
    return rows


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "coco! out! effort model")


def run(args: argparse.Namespace) -> None:
    """Ten photographs with real objects: original, whole at about 0.15 bits per pixel, L1, L1 to L3."""
    rows = _chosen(args.coco, encoder_of(args.model, args.effort))
    if not rows:
        sys.exit("no image with objects of three levels")
    title = f"model {args.model}: bits per pixel from the start of the file to the end of what is shown"
    sheet_of(title, rows, WIDTH).save(args.out, quality=85)
    print(f"{args.out}: {len(rows)} photographs")
