"""Models in training, in floating point with ideal bits, against each other and mbt2018-mean."""

from __future__ import annotations

import argparse
import statistics

from ..curves import rate_difference
from ..float_codec import float_codec
from ..images import photographs
from ..metrics import psnr
from ..options import add
from ..published import PUBLISHED


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "checkpoints! data! qualities every")


def run(args: argparse.Namespace) -> None:
    """Models in training, in floating point with ideal bits, against each other and mbt2018-mean."""
    curves = []
    published = [point[:2] for point in PUBLISHED["mbt2018-mean"]]
    images = [p[: p.shape[0] // 64 * 64, : p.shape[1] // 64 * 64] for _, p in photographs(args.data)]
    for path in args.checkpoints:
        code, curve = float_codec(path), []
        for quality in args.qualities:
            rows = []
            for image in images[:: args.every]:
                pixels, bits = code(image, quality)
                rows.append((bits / (image.shape[0] * image.shape[1]), psnr(pixels, image)))
            bpp, db = (statistics.mean(v) for v in zip(*rows, strict=True))
            curve.append((bpp, db))
        curves.append(curve)
        points = " ".join(f"{db:.2f}@{bpp:.3f}" for bpp, db in curve)
        print(
            f"{path}: {points}; rate {rate_difference(curve, published):+.1%} against mbt2018-mean, "
            f"{rate_difference(curve, curves[0]):+.1%} against the first",
            flush=True,
        )
