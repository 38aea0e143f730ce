"""L1 alone has the pixels of the whole image, and what independent groups cost, drawn and real ones."""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sdc.codec.decoder import decode
from sdc.format.parse import parse
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import Pixels

from ..encoders import Encode, encoder_of, four_levels, quality_for
from ..images import coco_images, photographs
from ..metrics import bits_per_pixel, psnr
from ..options import add

RATES = (0.1, 0.3, 0.8)
"""Bits per pixel at which groups are compared."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data coco effort model")


@dataclass(frozen=True)
class Split:
    """Four groups against one at equal quality.

    Attributes:
        bpp: bits per pixel of the one.
        more: share of bytes that the four add, without the group map.
        mask: bytes of the group map.
        lost: PSNR that is lost, in dB.
        inside: PSNR of L1 in dB, the same alone and in the whole image.
        outside: PSNR of the same cells in the image of one group, in dB.
    """

    bpp: float
    more: float
    mask: int
    lost: float
    inside: float
    outside: float


def split(image: Pixels, objects: list[Object], quality: int, coder: Encode) -> Split:
    """Measure an image whose map has four groups.

    Raises:
        SystemExit: L1 alone has other pixels than in the whole image.
    """
    four = coder(image, objects=objects, quality=quality, metadata=False)
    one = coder(image, quality=quality)
    whole, single, l1 = decode(four).pixels, decode(one).pixels, decode(four, levels=["L1"])
    if not (l1.covered.any() and np.array_equal(l1.pixels[l1.covered], whole[l1.covered])):
        sys.exit("L1 alone has other pixels than in the whole image")
    coded = len(parse(four).map)
    return Split(
        bits_per_pixel(one, image),
        (len(four) - coded) / len(one) - 1,
        coded,
        psnr(single, image) - psnr(whole, image),
        psnr(l1.pixels[l1.covered], image[l1.covered]),
        psnr(single[l1.covered], image[l1.covered]),
    )


def run(args: argparse.Namespace) -> None:
    """L1 alone has the pixels of the whole image, and what independent groups cost, drawn and real ones."""
    if not (args.data or args.coco):
        sys.exit("partial: --data, --coco or both")
    coder = encoder_of(args.model, args.effort)

    def sources() -> Iterable[tuple[str, Iterable[tuple[Pixels, list[Object]]]]]:
        if args.data:
            yield "ellipses", ((p, four_levels(*p.shape[:2])) for _, p in photographs(args.data))
        if args.coco:
            yield "objects of COCO", ((p, objects) for _, p, objects in coco_images(args.coco))

    for name, images in sources():
        found: dict[float, list[Split]] = {rate: [] for rate in RATES}
        for image, objects in images:
            if len(group_map(objects, image.shape[1], image.shape[0]).levels) == 4:
                for rate in RATES:
                    quality = quality_for(image, rate, coder)
                    found[rate].append(split(image, objects, quality, coder))
        for rows in found.values():
            if not rows:
                print(f"{name}: no image with four groups")
                break
            mean = Split(*(statistics.mean(getattr(r, f) for r in rows) for f in Split.__annotations__))
            print(
                f"{name}, {len(rows)} images, {mean.bpp:.3f} bpp: four groups {mean.more:+.2%} bytes "
                f"beyond the map of {mean.mask:.0f}, {mean.lost:.3f} dB lost; "
                f"L1 alone and in the whole {mean.inside:.2f} dB, with one group {mean.outside:.2f} dB",
                flush=True,
            )
