"""Whether runs agree, what integers and independent groups cost, and what each part saves."""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdc.codec.decoder import decode
from sdc.codec.distortion import squared_error
from sdc.codec.encoder import encode
from sdc.codec.search import weight_of
from sdc.codec.tiles import pad_to_cells
from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.format.parse import parse
from sdc.networks.registry import PRIVATE, load_encoder, load_model
from sdc.objects.grouping import group_map
from sdc.objects.object import Object

from .common import (
    Encode,
    Pixels,
    bits_per_pixel,
    coco_pictures,
    encoder_of,
    four_levels,
    photographs,
    psnr,
    quality_for,
)
from .curves import PUBLISHED, rate_difference

RATES = (0.1, 0.3, 0.8)
"""Bits per pixel at which groups are compared."""
ASKED_DB, ASKED_UP_TO = 0.1, 34.0
"""PSNR that integers may cost, for pictures of up to this PSNR, both in dB."""


def agree(args: argparse.Namespace) -> None:
    """Torch against NumPy: files written and bits decoded."""
    from ..runner import TorchRunner

    runner = TorchRunner(args.device)
    coder = encoder_of(argparse.Namespace(model=args.model, effort=None))
    same, equal, total = 0, 0, 0
    for _, picture in photographs(args.data):
        objects = four_levels(*picture.shape[:2])
        for quality in (8, 32, 56):
            a = coder(picture, objects=objects, quality=quality)
            b = coder(picture, objects=objects, quality=quality, runner=runner)
            same += a == b
            equal += np.array_equal(decode(a).pixels, decode(a, runner=runner).pixels)
            total += 1
    print(f"{total} files: {same} the same from NumPy and torch ({args.device}), {equal} decode alike")
    if equal != total:
        sys.exit("decoders disagree")


@dataclass(frozen=True)
class Split:
    """Four groups against one at equal quality.

    Attributes:
        bpp: bits per pixel of the one.
        more: share of bytes that the four add, without the group map.
        mask: bytes of the group map.
        lost: PSNR that is lost, in dB.
        inside: PSNR of L1 in dB, the same alone and in the whole picture.
        outside: PSNR of the same cells in the picture of one group, in dB.
    """

    bpp: float
    more: float
    mask: int
    lost: float
    inside: float
    outside: float


def split(picture: Pixels, objects: list[Object], quality: int, coder: Encode) -> Split:
    """Measure a picture whose map has four groups.

    Raises:
        SystemExit: L1 alone has other pixels than in the whole picture.
    """
    four = coder(picture, objects=objects, quality=quality, metadata=False)
    one = coder(picture, quality=quality)
    whole, single, l1 = decode(four).pixels, decode(one).pixels, decode(four, levels=["L1"])
    if not (l1.covered.any() and np.array_equal(l1.pixels[l1.covered], whole[l1.covered])):
        sys.exit("L1 alone has other pixels than in the whole picture")
    mask = len(parse(four).mask or b"")
    return Split(
        bits_per_pixel(one, picture),
        (len(four) - mask) / len(one) - 1,
        mask,
        psnr(single, picture) - psnr(whole, picture),
        psnr(l1.pixels[l1.covered], picture[l1.covered]),
        psnr(single[l1.covered], picture[l1.covered]),
    )


def partial(args: argparse.Namespace) -> None:
    """L1 alone has the pixels of the whole picture, and what independent groups cost, drawn and real ones."""
    if not (args.data or args.coco):
        sys.exit("partial: --data, --coco or both")
    coder = encoder_of(args)

    def sources() -> Iterable[tuple[str, Iterable[tuple[Pixels, list[Object]]]]]:
        if args.data:
            yield "ellipses", ((p, four_levels(*p.shape[:2])) for _, p in photographs(args.data))
        if args.coco:
            yield "objects of COCO", ((p, objects) for _, p, objects in coco_pictures(args.coco))

    for name, pictures in sources():
        found: dict[float, list[Split]] = {rate: [] for rate in RATES}
        for picture, objects in pictures:
            if len(group_map(objects, picture.shape[1], picture.shape[0]).levels) == 4:
                for rate in RATES:
                    quality = quality_for(picture, rate, coder)
                    found[rate].append(split(picture, objects, quality, coder))
        for rows in found.values():
            if not rows:
                print(f"{name}: no picture with four groups")
                break
            mean = Split(*(statistics.mean(getattr(r, f) for r in rows) for f in Split.__annotations__))
            print(
                f"{name}, {len(rows)} pictures, {mean.bpp:.3f} bpp: four groups {mean.more:+.2%} bytes "
                f"beyond the map of {mean.mask:.0f}, {mean.lost:.3f} dB lost; "
                f"L1 alone and in the whole {mean.inside:.2f} dB, with one group {mean.outside:.2f} dB",
                flush=True,
            )


def parts(args: argparse.Namespace) -> None:
    """What context and hyperprior save: bytes, and bytes at an equal value of distortion."""
    model, encoder = load_model(args.model), load_encoder(args.model).networks

    class NoContext(GroupCoder):
        def parameters(self, k: int, band: Any, latents: Any, features: Any) -> Any:
            return super().parameters(k, band, np.zeros_like(latents), features)

    for quality in args.qualities:
        sums = np.zeros((3, 2))  # bits and lambda * squared error of: all, no context, no hyper-latents
        for _, picture in photographs(args.data):
            cells = np.ones((-(-picture.shape[0] // 16), -(-picture.shape[1] // 16)), np.uint8)
            sites = sites_of(cells, [quality], [0])
            latents = analysis_transform(picture, sites, encoder)
            coder = GroupCoder(sites, model, quality)
            hyper = hyper_analysis(latents, coder, encoder)
            ways = [
                (hyper, coder),
                (hyper, NoContext(sites, model, quality)),
                (np.zeros_like(hyper), coder),
            ]
            for row, (symbols, how) in zip(sums, ways, strict=True):
                payload, decoded = encode_group(latents, symbols, how)
                error, _ = squared_error(
                    decoded.latents, sites, model, pad_to_cells(picture), picture.shape[:2], gradient=False
                )
                row += len(payload) * 8, weight_of(quality) * error
        (full, _), *less = sums
        for name, (bits, _), cost in zip(
            ("context", "hyper-latents"), less, sums[1:].sum(1) - sums[0].sum(), strict=True
        ):
            print(
                f"quality {quality:2d}  without {name}: {bits / full - 1:+.1%} bytes, "
                f"{cost / full:+.1%} with the distortion that it adds",
                flush=True,
            )


def _float_codec(checkpoint: Path) -> Any:
    """A function of picture and quality: the decoded picture and ideal bits, in floating point."""
    import torch

    from ..model.checkpoints import load_model as load_reference

    model = load_reference(checkpoint).eval()

    @torch.inference_mode()
    def code(picture: Pixels, quality: int) -> tuple[Pixels, float]:
        x = torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1)[None]
        cells = torch.ones(1, 1, picture.shape[0] // 16, picture.shape[1] // 16)
        out = model(x, torch.tensor([float(quality)]), cells)
        pixels = out["image"][0].permute(1, 2, 0).clamp(0, 255).round().numpy().astype(np.uint8)
        return pixels, float(out["bits"] + out["hyper_bits"])

    return code


def checkpoints(args: argparse.Namespace) -> None:
    """Models in training, in floating point with ideal bits, against each other and mbt2018-mean."""
    curves = []
    published = [point[:2] for point in PUBLISHED["mbt2018-mean"]]
    pictures = [p[: p.shape[0] // 64 * 64, : p.shape[1] // 64 * 64] for _, p in photographs(args.data)]
    for path in args.checkpoints:
        code, curve = _float_codec(path), []
        for quality in args.qualities:
            rows = []
            for picture in pictures[:: args.every]:
                pixels, bits = code(picture, quality)
                rows.append((bits / (picture.shape[0] * picture.shape[1]), psnr(pixels, picture)))
            bpp, db = (statistics.mean(v) for v in zip(*rows, strict=True))
            curve.append((bpp, db))
        curves.append(curve)
        points = " ".join(f"{db:.2f}@{bpp:.3f}" for bpp, db in curve)
        print(
            f"{path}: {points}; rate {rate_difference(curve, published):+.1%} against mbt2018-mean, "
            f"{rate_difference(curve, curves[0]):+.1%} against the first",
            flush=True,
        )


@contextmanager
def _exported(checkpoint: Path, fit: Sequence[Path]) -> Iterator[Encode]:
    """The integer codec of a checkpoint, as :func:`sdc.encode`; its model has a private number."""
    from ..export import command

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


def integers(args: argparse.Namespace) -> None:
    """The integer codec against the same model in floating point; fails beyond what is asked.

    Both round latents to the nearest, but only integers leave out those whose scale index is 0.
    With ``--fit`` they are those of an export with these photographs, as of a model that is shipped.
    The rate of floats is ideal for Gaussians, that of integers the payload's, with what the coder adds.
    Pictures are cut to multiples of 64 pixels.
    """
    code = _float_codec(args.checkpoint)
    worst, curves = 0.0, ([], [])
    with _exported(args.checkpoint, args.fit or ()) as coder:
        for quality in args.qualities:
            rows = []
            for _, picture in photographs(args.data):
                picture = picture[: picture.shape[0] // 64 * 64, : picture.shape[1] // 64 * 64]
                pixels, bits = code(picture, quality)
                data = coder(picture, quality=quality)
                payload = len(parse(data).groups[0].payload or b"") * 8
                area = picture.shape[0] * picture.shape[1]
                whole = psnr(decode(data).pixels, picture)
                rows.append((psnr(pixels, picture), bits / area, whole, payload / area))
            real, ideal, whole, coded = (statistics.mean(v) for v in zip(*rows, strict=True))
            for curve, point in zip(curves, ((coded, whole), (ideal, real)), strict=True):
                curve.append(point)
            if real <= ASKED_UP_TO:
                worst = max(worst, real - whole)
            print(
                f"quality {quality:2d}  float {ideal:.4f} bpp {real:.2f} dB  integers {coded:.4f} bpp "
                f"{whole:.2f} dB  {whole - real:+.3f} dB {coded / ideal - 1:+.2%} bits",
                flush=True,
            )
    if len(args.qualities) > 1:
        print(f"bits of integers at equal PSNR: {rate_difference(*curves):+.2%}")
    print(f"at equal quality at most {worst:.3f} dB lost up to {ASKED_UP_TO:.0f} dB, asked {ASKED_DB}")
    if worst > ASKED_DB:
        sys.exit("integers cost more than asked")
