"""The integer codec against the same model in floating point; fails beyond its target.

Both round latents to the nearest, but only integers leave out those whose scale index is 0.
With ``--fit`` they are those of an export with these photographs, as of a model that is shipped.
The rate of floats is ideal for Gaussians, that of integers the payload's, with what the coder adds.
Images are cut to multiples of 64 pixels.
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.format.parse import parse
from sdc.networks.registry import PRIVATE, load_encoder, load_model

from ..curves import rate_difference
from ..encoders import Encode
from ..float_codec import float_codec
from ..images import photographs
from ..metrics import psnr
from ..options import add

TARGET_DB, UP_TO = 0.1, 34.0
"""PSNR that integers may cost, for images of up to this PSNR, both in dB."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "checkpoint! data! fit qualities")


@contextmanager
def _exported(checkpoint: Path, fit: Sequence[Path]) -> Iterator[Encode]:
    """The integer codec of a checkpoint, as :func:`sdc.encode`; its model has a private number."""
    from ...export import command

    before = os.environ.get("SDC_MODELS", "")
    with tempfile.TemporaryDirectory() as folder:
        fitted = ["--data", *map(str, fit)] if fit else []
        command.main([str(checkpoint), "--number", str(PRIVATE), "--out", folder, *fitted])
        os.environ["SDC_MODELS"] = folder
        try:
            yield functools.partial(encode, model=PRIVATE, effort=0)
        finally:
            os.environ["SDC_MODELS"] = before
            load_model.cache_clear()
            load_encoder.cache_clear()


def run(args: argparse.Namespace) -> None:
    """The integer codec against the same model in floating point; fails beyond its target.

    Both round latents to the nearest, but only integers leave out those whose scale index is 0.
    With ``--fit`` they are those of an export with these photographs, as of a model that is shipped.
    The rate of floats is ideal for Gaussians, that of integers the payload's, with what the coder adds.
    Images are cut to multiples of 64 pixels.
    """
    code = float_codec(args.checkpoint)
    worst = 0.0
    curves: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    with _exported(args.checkpoint, args.fit or ()) as coder:
        for quality in args.qualities:
            rows = []
            for _, image in photographs(args.data):
                image = image[: image.shape[0] // 64 * 64, : image.shape[1] // 64 * 64]
                pixels, bits = code(image, quality)
                data = coder(image, quality=quality)
                payload = len(parse(data).groups[0].payload or b"") * 8
                area = image.shape[0] * image.shape[1]
                whole = psnr(decode(data).pixels, image)
                rows.append((psnr(pixels, image), bits / area, whole, payload / area))
            real, ideal, whole, coded = (statistics.mean(v) for v in zip(*rows, strict=True))
            for curve, point in zip(curves, ((coded, whole), (ideal, real)), strict=True):
                curve.append(point)
            if real <= UP_TO:
                worst = max(worst, real - whole)
            print(
                f"quality {quality:2d}  float {ideal:.4f} bpp {real:.2f} dB  integers {coded:.4f} bpp "
                f"{whole:.2f} dB  {whole - real:+.3f} dB {coded / ideal - 1:+.2%} bits",
                flush=True,
            )
    if len(args.qualities) > 1:
        print(f"bits of integers at equal PSNR: {rate_difference(*curves):+.2%}")
    print(f"at equal quality at most {worst:.3f} dB lost up to {UP_TO:.0f} dB, target {TARGET_DB}")
    if worst > TARGET_DB:
        sys.exit("integers cost more than the target")
