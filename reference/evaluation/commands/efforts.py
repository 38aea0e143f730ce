"""Rate at equal PSNR and processor seconds per image of some efforts, against the first of them."""

from __future__ import annotations

import argparse
import statistics
import time

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode

from ..curves import Curve, rate_difference
from ..images import photographs
from ..metrics import bits_per_pixel, psnr
from ..options import add


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! qualities efforts every model")


def run(args: argparse.Namespace) -> None:
    """Rate at equal PSNR and processor seconds per image of some efforts, against the first of them."""
    images = [image for _, image in photographs(args.data)][:: args.every]
    first: Curve = []
    plain = 0.0
    for effort in args.efforts:
        curve, seconds = [], []
        for quality in sorted(args.qualities):
            bpps, dbs = [], []
            for image in images:
                start = time.process_time()
                data = encode(image, quality=quality, effort=effort, model=args.model)
                seconds.append(time.process_time() - start)
                bpps.append(bits_per_pixel(data, image))
                dbs.append(psnr(decode(data).pixels, image))
            curve.append((statistics.mean(bpps), statistics.mean(dbs)))
        first, plain = first or curve, plain or statistics.median(seconds)
        print(
            f"effort {effort}  rate {rate_difference(curve, first):+.2%}  "
            f"{statistics.median(seconds):.2f} s, x{statistics.median(seconds) / plain:.1f}  "
            + "  ".join(f"{bpp:.4f} bpp {db:.2f} dB" for bpp, db in curve),
            flush=True,
        )
