"""Restored images against restoring what other ways decode: noise, blur, compression, low light, haze, rain.

Each photograph, or the middle of it, is degraded at two strengths (:mod:`sdc_reference.restoration.trials`),
coded at several rates, decoded, and compared with what it was before.
The ways are: SDC as captured; SDC restored from the same bytes; SDC or AVIF, and then a denoiser on the
decoded image; the denoiser first, and then SDC.
``--denoisers`` are files of FFDNet or DnCNN for colour, which are made for noise and told a level of 25.
Photographs as they are stand beside: what restoring costs where nothing is wrong.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.types import Pixels

from ...restoration.trials import TRIALS, trial_of
from ..codecs import avif
from ..curves import Curve, rate_difference, rising
from ..evaluators.restoration import Denoiser
from ..images import photographs
from ..metrics import bits_per_pixel, ms_ssim, psnr
from ..options import add

CLEAN = "clean"
CAPTURED, RESTORED = "SDC as captured", "SDC restored"

QUALITIES = (14, 26, 38, 50)
AVIF_QUALITIES = (22, 38, 54, 70)
"""Settings of both, of about the same rates."""

AVIF_SPEED = 6


@dataclass(frozen=True)
class Row:
    """One image in one way.

    Attributes:
        image: its name.
        task: of the trials, or ``clean``.
        strength: 0 or 1.
        way: in which it was coded and restored.
        setting: index of the quality.
        bpp: bits per pixel.
        psnr: to the clean image, dB.
        ms_ssim: the same; 0 to 1.
    """

    image: str
    task: str
    strength: int
    way: str
    setting: int
    bpp: float
    psnr: float
    ms_ssim: float


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data!")
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model")
    parser.add_argument("--denoisers", type=Path, nargs="*", default=[], help="FFDNet or DnCNN, weights")
    parser.add_argument("--side", type=int, default=256, help="of the middle that is measured; 0 for all")
    parser.add_argument("--images", type=int, default=24, help="how many photographs")
    parser.add_argument("--csv", type=Path, required=True, help="file of all rows")
    parser.add_argument("--sheets", type=Path, help="folder of images to look at")


def middle(pixels: Pixels, side: int) -> Pixels:
    """The middle of an image, as far as it has so many pixels to each side; all of it for 0."""
    if not side:
        return pixels
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def ways_of(
    shown: Pixels, setting: int, model: int, denoisers: Mapping[str, Callable[[Pixels], Pixels]]
) -> Iterator[tuple[str, float, Pixels]]:
    """Names, bits per pixel and images of all ways in which a degraded image is coded and restored."""
    data = encode(shown, quality=QUALITIES[setting], effort=0)
    found = decode(data, restore=model)
    bpp = bits_per_pixel(data, shown)
    yield CAPTURED, bpp, found.pixels
    if found.restored is not None:
        yield RESTORED, bpp, found.restored
    codec = avif(AVIF_SPEED)
    file = codec.encode(shown, AVIF_QUALITIES[setting])
    other = codec.decode(file)
    yield "AVIF", bits_per_pixel(file, shown), other
    for name, denoise in denoisers.items():
        yield f"SDC, then {name}", bpp, denoise(found.pixels)
        yield f"AVIF, then {name}", bits_per_pixel(file, shown), denoise(other)
        first = encode(denoise(shown), quality=QUALITIES[setting], effort=0)
        yield f"{name}, then SDC", bits_per_pixel(first, shown), decode(first).pixels


def _tasks() -> Iterator[tuple[str, int]]:
    yield CLEAN, 0
    for task in TRIALS:
        yield from ((task, strength) for strength in (0, 1))


def measured(args: argparse.Namespace) -> Iterator[Row]:
    """All rows, image by image; sheets are drawn on the way."""
    denoisers = {path.stem.partition("_")[0]: Denoiser(path).restored for path in args.denoisers}
    for number, (name, whole) in enumerate(photographs(args.data)):
        if number == args.images:
            return
        clean = middle(whole, args.side)
        strips: dict[str, list[Pixels]] = {}
        for task, strength in _tasks():
            shown = clean if task == CLEAN else trial_of(clean, task, strength)
            for setting in range(len(QUALITIES)):
                for way, bpp, pixels in ways_of(shown, setting, args.model, denoisers):
                    score = ms_ssim(pixels, clean)
                    quality = psnr(pixels, clean)
                    yield Row(name, task, strength, way, setting, bpp, quality, score or float("nan"))
                    if setting == len(QUALITIES) - 2:
                        strips.setdefault(f"{task} {strength}", [clean, shown]).append(pixels)
        if args.sheets:
            args.sheets.mkdir(parents=True, exist_ok=True)
            rows = [np.concatenate(strip, 1) for strip in strips.values()]
            Image.fromarray(np.concatenate(rows)).save(args.sheets / f"{Path(name).stem}.png")


def mean_curve(rows: Sequence[Row], measure: Callable[[Row], float]) -> Curve:
    """Means over images and strengths at each setting."""
    by: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by[row.setting].append(row)
    return [
        (statistics.mean(r.bpp for r in some), statistics.mean(map(measure, some)))
        for _, some in sorted(by.items())
    ]


def gain_at_equal_rate(ours: Curve, other: Curve) -> float:
    """Mean difference of two qualities over the rates that both curves have, joined along logarithms.

    It is NaN where they have no rate in common.
    """
    (a, x), (b, y) = (np.array(sorted(curve)).T for curve in (ours, other))
    low, high = np.log(max(a[0], b[0])), np.log(min(a[-1], b[-1]))
    if low >= high:
        return float("nan")
    at = np.linspace(low, high, 50)
    return float((np.interp(at, np.log(a), x) - np.interp(at, np.log(b), y)).mean())


def saved(ours: Curve, other: Curve) -> float | None:
    """Relative difference of rate at equal quality; None where the curves share no quality."""
    try:
        return rate_difference(rising(ours), rising(other))
    except ValueError:
        return None


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """A table of means for each task, as lines of Markdown."""
    ways = list(dict.fromkeys(row.way for row in rows))
    yield "| task | way | bpp | PSNR | MS-SSIM | gain of restored at equal rate, dB | rate at equal PSNR |"
    yield "|---|---|---|---|---|---|---|"
    for task in dict.fromkeys(row.task for row in rows):
        own = [row for row in rows if row.task == task]
        curves = {way: mean_curve([r for r in own if r.way == way], lambda r: r.psnr) for way in ways}
        for way in ways:
            here = [row for row in own if row.way == way]
            bpp, quality, similarity = (
                statistics.mean(values)
                for values in zip(*((r.bpp, r.psnr, r.ms_ssim) for r in here), strict=True)
            )
            gain = gain_at_equal_rate(curves[RESTORED], curves[way])
            less = saved(curves[RESTORED], curves[way])
            words = "" if way == RESTORED else f"{gain:+.2f}"
            rate = "" if way == RESTORED else "none in common" if less is None else f"{100 * less:+.0f} %"
            yield f"| {task} | {way} | {bpp:.3f} | {quality:.2f} | {similarity:.4f} | {words} | {rate} |"


def run(args: argparse.Namespace) -> None:
    """Measure, write all rows, and print means."""
    rows: list[Row] = []
    with args.csv.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Row.__dataclass_fields__)
        for row in measured(args):
            rows.append(row)
            writer.writerow(vars(row).values())
            file.flush()
    print("\n".join(summary(rows)))
