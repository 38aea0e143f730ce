"""Restored images against restoring what other ways decode: noise, blur, compression, low light, haze, rain.

Each photograph, or the middle of it, is degraded at two strengths (:mod:`sdc_reference.restoration.trials`),
coded at several rates, decoded, and compared with what it was before.
The ways are: SDC as captured; SDC restored from the same bytes, or, with ``--analysis``, from those of the
analysis for degraded images; SDC or another codec, and then a denoiser on the decoded image; the denoiser
first, and then a codec.
``--denoisers`` are files of FFDNet or DnCNN for colour, which are made for noise and told a level of 25;
``--adapted`` are such files that were fine-tuned on images of SDC, and are tried behind it alone.
Photographs as they are stand beside: what restoring costs where nothing is wrong.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.codec.decoder import Decoded, decode
from sdc.codec.encoder import encode
from sdc.codec.presets import Preset
from sdc.types import Pixels

from ...restoration.trials import TRIALS, Trials, trial_of, trials_of
from ..codecs import PEERS, Codec, avif
from ..curves import Curve
from ..evaluators.restoration import Denoiser
from ..figures import difference
from ..images import photographs
from ..lines import Line, draws_of
from ..metrics import bits_per_pixel, ms_ssim, psnr
from ..options import add
from ..precision import Floats

CLEAN = "clean"
CAPTURED, RESTORED = "SDC as captured", "SDC restored"
ORDINARY = "SDC, ordinary analysis, restored"
FOR_RESTORATION = "SDC for restoration, not restored"

QUALITIES = (14, 26, 38, 50)
OTHERS: dict[str, tuple[Codec, tuple[float, ...]]] = {
    "avif": (avif(6), (22, 38, 54, 70)),
    "jxl": (PEERS["jxl"], (8, 4.5, 2.4, 1.2)),
}
"""Other codecs, and their settings; those of all are of about the same rates."""

DRAWS = 300
"""Of the images, for intervals."""

Denoise = Callable[[Pixels], Pixels]
Tried = tuple[str, str, int, str, int]
"""Image, task, strength, way and setting."""


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

    @property
    def tried(self) -> Tried:
        """What it is a row of."""
        return self.image, self.task, self.strength, self.way, self.setting


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data!")
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model; -1 for none")
    parser.add_argument("--peers", nargs="*", choices=list(OTHERS), default=list(OTHERS), help="other codecs")
    parser.add_argument("--denoisers", type=Path, nargs="*", default=[], help="FFDNet or DnCNN, weights")
    parser.add_argument("--adapted", type=Path, nargs="*", default=[], help="such, tried behind SDC alone")
    parser.add_argument("--tasks", nargs="*", help=f"{CLEAN}, {', '.join(TRIALS)}; all by default")
    parser.add_argument(
        "--trials", metavar="MODULE:NAME", help="degradations of your own, as TRIALS has them"
    )
    parser.add_argument(
        "--analysis", type=int, help="number of the model with the analysis for degraded images"
    )
    parser.add_argument("--side", type=int, default=256, help="of the middle that is measured; 0 for all")
    parser.add_argument("--images", type=int, default=24, help="how many photographs")
    parser.add_argument("--every", type=int, default=1, help="take every n-th photograph")
    parser.add_argument("--csv", type=Path, required=True, help="file of all rows, which is gone on with")
    parser.add_argument("--sheets", type=Path, help="folder of images to look at")


def middle(pixels: Pixels, side: int) -> Pixels:
    """The middle of an image, as far as it has so many pixels to each side; all of it for 0."""
    if not side:
        return pixels
    height, width = pixels.shape[:2]
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


@dataclass(frozen=True)
class Tools:
    """What images are coded and restored with.

    Attributes:
        model: number of the restoration model, or None for none.
        codecs: keys of :data:`OTHERS`.
        denoisers: by name.
        adapted: by name, those that are tried behind SDC alone.
        analysis: number of the model whose encoder codes what is restored, or None for the ordinary one.
    """

    model: int | None
    codecs: Sequence[str] = ()
    denoisers: Mapping[str, Denoise] = dataclass_field(default_factory=dict)
    adapted: Mapping[str, Denoise] = dataclass_field(default_factory=dict)
    analysis: int | None = None

    @classmethod
    def of(cls, args: argparse.Namespace) -> Tools:
        """Those of the arguments.

        Raises:
            SystemExit: a codec is not installed, a file is no denoiser, or two are the same network.
        """
        try:
            for name in args.peers:
                OTHERS[name][0].version()
            denoisers, adapted = (
                [Denoiser(path) for path in some] for some in (args.denoisers, args.adapted)
            )
        except (ImportError, OSError, ValueError) as error:
            sys.exit(str(error))
        for some in (denoisers, adapted):
            if len({one.name for one in some}) < len(some):
                sys.exit(f"two files are both {some[0].name}")
        return cls(
            args.model if args.model >= 0 else None,
            args.peers,
            {one.name: one.restored for one in denoisers},
            {f"adapted {one.name}": one.restored for one in adapted},
            args.analysis,
        )


class Case:
    """A degraded image, and each denoiser's answer to it, which is asked for at most once.

    Args:
        shown: ``uint8 [H, W, 3]``, degraded.
        tools: as for :class:`Ways`.
    """

    def __init__(self, shown: Pixels, tools: Tools):
        self.shown, self.tools = shown, tools
        self._denoised: dict[str, Pixels] = {}

    def denoised(self, name: str) -> Pixels:
        """What a denoiser makes of the image before it is coded."""
        if name not in self._denoised:
            self._denoised[name] = self.tools.denoisers[name](self.shown)
        return self._denoised[name]


class Ways:
    """The ways in which a degraded image is coded and restored; each is tried when it is asked for.

    Args:
        case: the image, and what it is restored with.
        setting: index of the qualities.
    """

    def __init__(self, case: Case, setting: int):
        self.case, self.setting, self.tools = case, setting, case.tools
        self._files: dict[str, tuple[float, Pixels]] = {}

    @cached_property
    def _decoded(self) -> tuple[float, Decoded]:
        return self._by(None)

    @cached_property
    def _for_restoration(self) -> tuple[float, Decoded]:
        return self._by(self.tools.analysis)

    def _by(self, analysis: int | None) -> tuple[float, Decoded]:
        """Bits per pixel by an analysis, and what is decoded, restored too."""
        preset = Preset(analysis=analysis)
        data = encode(self.case.shown, quality=QUALITIES[self.setting], effort=0, preset=preset)
        found = decode(data, restore=False if self.tools.model is None else self.tools.model)
        return bits_per_pixel(data, self.case.shown), found

    def _coded(self, codec: str, pixels: Pixels) -> tuple[float, Pixels]:
        """Bits per pixel, and pixels after coding by another codec."""
        by, settings = OTHERS[codec]
        file = by.encode(pixels, settings[self.setting])
        return bits_per_pixel(file, pixels), by.decode(file)

    def _other(self, codec: str) -> tuple[float, Pixels]:
        if codec not in self._files:
            self._files[codec] = self._coded(codec, self.case.shown)
        return self._files[codec]

    def all(self) -> dict[str, Callable[[], tuple[float, Pixels]]]:
        """By name, what gives bits per pixel and the image."""
        ways: dict[str, Callable[[], tuple[float, Pixels]]] = {CAPTURED: lambda: _pixels(self._decoded)}
        if self.tools.model is not None:
            ways[RESTORED] = lambda: _restored(self._for_restoration)
        if self.tools.analysis is not None:
            ways[FOR_RESTORATION] = lambda: _pixels(self._for_restoration)
            if self.tools.model is not None:
                ways[ORDINARY] = lambda: _restored(self._decoded)
        names = {codec: OTHERS[codec][0].name for codec in self.tools.codecs}
        for codec, called in names.items():
            ways[called] = partial(self._other, codec)
        for name, denoise in {**self.tools.denoisers, **self.tools.adapted}.items():
            ways[f"SDC, then {name}"] = partial(self._then, denoise)
        for name, denoise in self.tools.denoisers.items():
            for codec, called in names.items():
                ways[f"{called}, then {name}"] = partial(self._other_then, codec, denoise)
            ways[f"{name}, then SDC"] = partial(self._first, name)
            for codec, called in names.items():
                ways[f"{name}, then {called}"] = partial(self._first_other, name, codec)
        return ways

    def _then(self, denoise: Denoise) -> tuple[float, Pixels]:
        bpp, found = self._decoded
        return bpp, denoise(found.pixels)

    def _other_then(self, codec: str, denoise: Denoise) -> tuple[float, Pixels]:
        bpp, pixels = self._other(codec)
        return bpp, denoise(pixels)

    def _first(self, name: str) -> tuple[float, Pixels]:
        data = encode(self.case.denoised(name), quality=QUALITIES[self.setting], effort=0)
        return bits_per_pixel(data, self.case.shown), decode(data).pixels

    def _first_other(self, name: str, codec: str) -> tuple[float, Pixels]:
        return self._coded(codec, self.case.denoised(name))


def _pixels(made: tuple[float, Decoded]) -> tuple[float, Pixels]:
    return made[0], made[1].pixels


def _restored(made: tuple[float, Decoded]) -> tuple[float, Pixels]:
    assert made[1].restored is not None
    return made[0], made[1].restored


def _cases(tasks: Iterable[str]) -> Iterator[tuple[str, int]]:
    for task in tasks:
        yield from ((task, strength) for strength in ((0,) if task == CLEAN else (0, 1)))


def _trials(args: argparse.Namespace) -> Trials:
    """The trials of the arguments, whose tasks are among them.

    Raises:
        SystemExit: there are no such.
    """
    try:
        trials = trials_of(args.trials)
    except (ImportError, ValueError) as error:
        sys.exit(str(error))
    unknown = set(args.tasks or ()) - {CLEAN, *trials}
    if unknown:
        sys.exit(f"no task {', '.join(sorted(unknown))}: there are {', '.join([CLEAN, *trials])}")
    return trials


def measured(args: argparse.Namespace, known: Collection[Tried]) -> Iterator[list[Row]]:
    """The rows of each image and task that are not known yet; sheets are drawn of these on the way."""
    tools, trials = Tools.of(args), _trials(args)
    for name, whole in islice(photographs(args.data), 0, args.images * args.every, args.every):
        clean = middle(whole, args.side)
        strips: list[Pixels] = []
        for task, strength in _cases(args.tasks or [CLEAN, *trials]):
            shown = clean if task == CLEAN else trial_of(clean, task, strength, trials)
            case, rows, strip = Case(shown, tools), [], [clean, shown]
            for setting in range(len(QUALITIES)):
                for way, result in Ways(case, setting).all().items():
                    if (name, task, strength, way, setting) in known:
                        continue
                    bpp, pixels = result()
                    score = ms_ssim(pixels, clean)
                    quality = psnr(pixels, clean)
                    rows.append(Row(name, task, strength, way, setting, bpp, quality, score or float("nan")))
                    if setting == len(QUALITIES) - 2:
                        strip.append(pixels)
            strips.append(np.concatenate(strip, 1))
            yield rows
        if args.sheets and strips[0].shape[1] > 2 * clean.shape[1]:
            args.sheets.mkdir(parents=True, exist_ok=True)
            alike = [strip for strip in strips if strip.shape == strips[0].shape]
            Image.fromarray(np.concatenate(alike)).save(args.sheets / f"{Path(name).stem}.png")


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


def line_of(rows: Sequence[Row], weights: Floats) -> Line:
    """Means over images and strengths at each setting, in each draw of the images.

    Args:
        rows: of one task and way; each image has all strengths and settings.
        weights: how often each image counts in each draw, ``[draws, images]``, images by name.
    """
    names = sorted({row.image for row in rows})
    settings = sorted({row.setting for row in rows})
    sums = np.zeros((2, len(settings), len(names)))
    for row in rows:
        sums[:, settings.index(row.setting), names.index(row.image)] += row.bpp, row.psnr
    each = len(rows) / len(names) / len(settings)
    bpp, quality = sums @ weights.T / (each * weights.sum(1))
    return Line("", rows[0].way, tuple(settings), bpp, {"PSNR": quality})


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


def summary(rows: Sequence[Row]) -> Iterator[str]:
    """Three tables as lines of Markdown: what restoring changes, and, against other ways, quality and rate.

    Of each task they are of the images that have been measured in all ways that the task has.
    """
    ways = [way for way in dict.fromkeys(row.way for row in rows) if way != RESTORED]
    found = dict.fromkeys((CLEAN, *TRIALS, *(row.task for row in rows)))
    by = {task: _whole([row for row in rows if row.task == task]) for task in found}
    tasks = [task for task, found in by.items() if CAPTURED in found and RESTORED in found]
    if not tasks:
        yield "nothing was restored yet"
        return
    yield "Bits per pixel, PSNR and MS-SSIM as captured and restored, means over images, strengths and rates:"
    yield ""
    yield "| task | images | bpp | restored | dB | restored | weaker, stronger | from, to | MS-SSIM | then |"
    yield "|---" * 10 + "|"
    for task in tasks:
        yield _changes(task, by[task][CAPTURED], by[task][RESTORED])
    lines = [_lines(by[task]) for task in tasks]
    yield ""
    yield "Restored at the same rate, dB better in PSNR:"
    yield from _table(tasks, {way: [_gain(one, way) for one in lines] for way in ways})
    yield ""
    yield f"Rate at the same PSNR, % (BD-rate), and the middle 95 % of {DRAWS} draws of the images:"
    yield from _table(tasks, {way: [_saved(one, way) for one in lines] for way in ways})


def _whole(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """By way the rows of a task, of the images that have all ways."""
    counts = Counter(row.image for row in rows)
    most = max(counts.values(), default=0)
    out: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if counts[row.image] == most:
            out[row.way].append(row)
    return out


def _lines(by: Mapping[str, Sequence[Row]]) -> dict[str, Line]:
    images = len({row.image for row in by[RESTORED]})
    weights = draws_of(images, DRAWS, 0)
    return {way: line_of(rows, weights) for way, rows in by.items()}


def _table(tasks: Sequence[str], rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"| against | {' | '.join(tasks)} |"
    yield "|---" * (1 + len(tasks)) + "|"
    for way, cells in rows.items():
        yield f"| {way} | {' | '.join(cells)} |"


def _changes(task: str, captured: Sequence[Row], restored: Sequence[Row]) -> str:
    """A line on what restoring changes; both have the same images, strengths and settings."""

    def of(rows: Sequence[Row]) -> Floats:
        ordered = sorted(rows, key=lambda row: (row.strength, row.image, row.setting))
        return np.array([(row.bpp, row.psnr, row.ms_ssim) for row in ordered])

    before, after = of(captured), of(restored)
    change = after[:, 1] - before[:, 1]
    (bpp, was, similar), (less, now, alike) = before.mean(0), after.mean(0)
    images = len({row.image for row in captured})
    each = np.array_split(change, len({row.strength for row in captured}))
    apart = ", ".join(f"{part.mean():+.2f}" for part in each)
    span = f"{change.min():+.1f}, {change.max():+.1f}"
    cells = f"{bpp:.3f} | {less:.3f} | {was:.2f} | {now:.2f} | {apart} | {span} | {similar:.4f} | {alike:.4f}"
    return f"| {task} | {images} | {cells} |"


def _gain(lines: Mapping[str, Line], way: str) -> str:
    if way not in lines:
        return ""
    ours, other = (
        list(zip(line.rates[:, 0].tolist(), line.scores["PSNR"][:, 0].tolist(), strict=True))
        for line in (lines[RESTORED], lines[way])
    )
    gain = gain_at_equal_rate(ours, other)
    return "no rate in common" if np.isnan(gain) else f"{gain:+.2f}"


def _saved(lines: Mapping[str, Line], way: str) -> str:
    """The difference of rate in percent, with its interval; a dash where no quality is common to both."""
    if way not in lines:
        return ""
    found = difference(lines[RESTORED], lines[way], "PSNR")
    if found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{100 * found.value:+.0f}"
    return f"{100 * found.value:+.0f} [{100 * found.low:+.0f}, {100 * found.high:+.0f}]"


def run(args: argparse.Namespace) -> None:
    """Measure what the file of rows lacks, add it, and print means of all."""
    rows = read_rows(args.csv)
    with args.csv.open("a", newline="") as file:
        writer = csv.writer(file)
        if not rows:
            writer.writerow(Row.__dataclass_fields__)
        for more in measured(args, {row.tried for row in rows}):
            rows += more
            writer.writerows(vars(row).values() for row in more)
            file.flush()
    print("\n".join(summary(rows)))
