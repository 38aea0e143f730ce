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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.codec.decoder import Decoded, decode
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

Denoise = Callable[[Pixels], Pixels]


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
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model; -1 for none")
    parser.add_argument("--denoisers", type=Path, nargs="*", default=[], help="FFDNet or DnCNN, weights")
    parser.add_argument("--side", type=int, default=256, help="of the middle that is measured; 0 for all")
    parser.add_argument("--images", type=int, default=24, help="how many photographs")
    parser.add_argument("--csv", type=Path, required=True, help="file of all rows, which is gone on with")
    parser.add_argument("--sheets", type=Path, help="folder of images to look at")


def middle(pixels: Pixels, side: int) -> Pixels:
    """The middle of an image, as far as it has so many pixels to each side; all of it for 0."""
    if not side:
        return pixels
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


class Ways:
    """The ways in which a degraded image is coded and restored; each is tried when it is asked for.

    Args:
        shown: ``uint8 [H, W, 3]``, degraded.
        setting: index of the qualities.
        model: number of the restoration model, or None for none.
        denoisers: by name.
    """

    def __init__(self, shown: Pixels, setting: int, model: int | None, denoisers: Mapping[str, Denoise]):
        self.shown, self.setting, self.denoisers = shown, setting, denoisers
        self.model = model

    @cached_property
    def _stream(self) -> bytes:
        return encode(self.shown, quality=QUALITIES[self.setting], effort=0)

    @cached_property
    def _decoded(self) -> Decoded:
        return decode(self._stream, restore=False if self.model is None else self.model)

    @cached_property
    def _avif(self) -> tuple[float, Pixels]:
        codec = avif(AVIF_SPEED)
        file = codec.encode(self.shown, AVIF_QUALITIES[self.setting])
        return bits_per_pixel(file, self.shown), codec.decode(file)

    def _restored(self) -> Pixels:
        assert self._decoded.restored is not None
        return self._decoded.restored

    def _sdc(self, pixels: Pixels) -> tuple[float, Pixels]:
        return bits_per_pixel(self._stream, self.shown), pixels

    def _first(self, denoise: Denoise) -> tuple[float, Pixels]:
        data = encode(denoise(self.shown), quality=QUALITIES[self.setting], effort=0)
        return bits_per_pixel(data, self.shown), decode(data).pixels

    def all(self) -> dict[str, Callable[[], tuple[float, Pixels]]]:
        """By name, what gives bits per pixel and the image."""
        ways: dict[str, Callable[[], tuple[float, Pixels]]] = {
            CAPTURED: lambda: self._sdc(self._decoded.pixels)
        }
        if self.model is not None:
            ways[RESTORED] = lambda: self._sdc(self._restored())
        ways["AVIF"] = lambda: self._avif
        for name, denoise in self.denoisers.items():
            ways[f"SDC, then {name}"] = partial(self._then, denoise)
            ways[f"AVIF, then {name}"] = partial(self._avif_then, denoise)
            ways[f"{name}, then SDC"] = partial(self._first, denoise)
        return ways

    def _then(self, denoise: Denoise) -> tuple[float, Pixels]:
        return self._sdc(denoise(self._decoded.pixels))

    def _avif_then(self, denoise: Denoise) -> tuple[float, Pixels]:
        bpp, pixels = self._avif
        return bpp, denoise(pixels)


def _tasks() -> Iterator[tuple[str, int]]:
    yield CLEAN, 0
    for task in TRIALS:
        yield from ((task, strength) for strength in (0, 1))


def measured(args: argparse.Namespace, known: Collection[tuple[str, str]]) -> Iterator[list[Row]]:
    """The rows of each image in ways that are not known yet; sheets are drawn of these on the way.

    Args:
        known: images and ways.
    """
    model = args.model if args.model >= 0 else None
    denoisers = {path.stem.partition("_")[0]: Denoiser(path).restored for path in args.denoisers}
    for number, (name, whole) in enumerate(photographs(args.data)):
        if number == args.images:
            return
        rows: list[Row] = []
        clean = middle(whole, args.side)
        strips: dict[str, list[Pixels]] = {}
        for task, strength in _tasks():
            shown = clean if task == CLEAN else trial_of(clean, task, strength)
            for setting in range(len(QUALITIES)):
                for way, result in Ways(shown, setting, model, denoisers).all().items():
                    if (name, way) in known:
                        continue
                    bpp, pixels = result()
                    score = ms_ssim(pixels, clean)
                    quality = psnr(pixels, clean)
                    rows.append(Row(name, task, strength, way, setting, bpp, quality, score or float("nan")))
                    if setting == len(QUALITIES) - 2:
                        strips.setdefault(f"{task} {strength}", [clean, shown]).append(pixels)
        if args.sheets and strips:
            args.sheets.mkdir(parents=True, exist_ok=True)
            lines = [np.concatenate(strip, 1) for strip in strips.values()]
            Image.fromarray(np.concatenate(lines)).save(args.sheets / f"{Path(name).stem}.png")
        yield rows


def read_rows(path: Path) -> list[Row]:
    """Rows that were written before; none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            Row(
                line["image"],
                line["task"],
                int(line["strength"]),
                line["way"],
                int(line["setting"]),
                *(float(line[name]) for name in ("bpp", "psnr", "ms_ssim")),
            )
            for line in csv.DictReader(file)
        ]


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
    """Two tables, a line for each task, as lines of Markdown: what restoring changes, and against other ways.

    Both are of the images that have been measured in all ways.
    """
    ways = list(dict.fromkeys(row.way for row in rows))
    if RESTORED not in ways:
        yield "nothing was restored yet"
        return
    whole = [name for name in dict.fromkeys(r.image for r in rows) if _ways(rows, name) == set(ways)]
    tasks = list(dict.fromkeys(row.task for row in rows))
    by: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.image in whole:
            by[row.task, row.way].append(row)
    yield f"{len(whole)} images, PSNR in dB and MS-SSIM, means over images, strengths and rates:"
    yield ""
    yield "| task | bpp | captured | restored | changes from, to | captured | restored |"
    yield "|---|---|---|---|---|---|---|"
    for task in tasks:
        yield _changes(task, by[task, CAPTURED], by[task, RESTORED])
    others = [way for way in ways if way not in (CAPTURED, RESTORED)]
    yield ""
    yield "Restored at the same rate, dB better in PSNR, and rate at the same PSNR where there is such:"
    yield ""
    yield "| task | " + " | ".join(others) + " |"
    yield "|---|" + "---|" * len(others)
    for task in tasks:
        ours = mean_curve(by[task, RESTORED], lambda r: r.psnr)
        cells = [_against(ours, mean_curve(by[task, way], lambda r: r.psnr)) for way in others]
        yield f"| {task} | " + " | ".join(cells) + " |"


def _ways(rows: Sequence[Row], image: str) -> set[str]:
    return {row.way for row in rows if row.image == image}


def _changes(task: str, captured: Sequence[Row], restored: Sequence[Row]) -> str:
    """A line on what restoring changes; both have the same images, strengths and settings in one order."""
    pairs = list(zip(captured, restored, strict=True))
    assert all((a.image, a.strength, a.setting) == (b.image, b.strength, b.setting) for a, b in pairs)
    change = [b.psnr - a.psnr for a, b in pairs]
    bpp, before, was = (
        statistics.mean(v) for v in zip(*((a.bpp, a.psnr, a.ms_ssim) for a in captured), strict=True)
    )
    after, now = (statistics.mean(v) for v in zip(*((b.psnr, b.ms_ssim) for b in restored), strict=True))
    span = f"{min(change):+.1f}, {max(change):+.1f}"
    return f"| {task} | {bpp:.3f} | {before:.2f} | {after:.2f} | {span} | {was:.4f} | {now:.4f} |"


def _against(ours: Curve, other: Curve) -> str:
    gain, less = gain_at_equal_rate(ours, other), saved(ours, other)
    return f"{gain:+.2f}" + ("" if less is None else f" ({100 * less:+.0f} %)")


def run(args: argparse.Namespace) -> None:
    """Measure what the file of rows lacks, add it, and print means of all."""
    rows = read_rows(args.csv)
    with args.csv.open("a", newline="") as file:
        writer = csv.writer(file)
        if not rows:
            writer.writerow(Row.__dataclass_fields__)
        for more in measured(args, {(row.image, row.way) for row in rows}):
            rows += more
            writer.writerows(vars(row).values() for row in more)
            file.flush()
    print("\n".join(summary(rows)))
