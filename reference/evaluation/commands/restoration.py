"""Restored images against restoring what other ways decode: noise, blur, compression, low light, haze, rain.

Each photograph, or the middle of it, is degraded at two strengths (:mod:`sdc_reference.restoration.trials`),
coded at several rates, decoded, and compared with what it was before.
The ways are: SDC as captured; SDC restored from the same bytes, or, with ``--analysis``, from those of the
analysis for degraded images; SDC or another codec, and then a denoiser on the decoded image; the denoiser
first, and then a codec.
``--denoisers`` are files of FFDNet or DnCNN for colour, which are made for noise and told a level of 25;
``--adapted`` are such files that were fine-tuned on images of SDC, and are tried behind it alone.
``--programs`` are JSON files of networks that are programs, by task (:mod:`..restorers`), which are tried in
the ways of the denoisers.
Photographs as they are stand beside: what restoring costs where nothing is wrong.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from sdc.codec.decoder import Decoded, decode
from sdc.codec.encoder import encode
from sdc.codec.presets import Preset
from sdc.errors import SdcError
from sdc.networks.registry import load_restoration
from sdc.types import Pixels

from ...restoration.trials import TRIALS, Trials, trial_of, trials_of
from ..codecs import PEERS, Codec, avif
from ..coders import files_of
from ..encoders import model_hash
from ..evaluators.restoration import Denoiser
from ..images import photographs
from ..metrics import bits_per_pixel, ms_ssim, psnr
from ..options import add
from ..perceptual import MEASURES, measures_of
from ..restored import (
    CAPTURED,
    CLEAN,
    FOR_RESTORATION,
    ORDINARY,
    RESTORED,
    Row,
    Tried,
    read_rows,
    summary,
    writing_rows,
)
from ..restorers import Restorer, RestorerError, load_restorer

QUALITIES = (14, 26, 38, 50)
OTHERS: dict[str, tuple[Codec, tuple[float, ...]]] = {
    "avif": (avif(6), (22, 38, 54, 70)),
    "jxl": (PEERS["jxl"], (8, 4.5, 2.4, 1.2)),
}
"""Other codecs, and their settings; those of all are of about the same rates."""

Denoise = Callable[[Pixels], Pixels]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! analysis")
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model; -1 for none")
    parser.add_argument("--peers", nargs="*", choices=list(OTHERS), default=list(OTHERS), help="other codecs")
    parser.add_argument("--denoisers", type=Path, nargs="*", default=[], help="FFDNet or DnCNN, weights")
    parser.add_argument("--adapted", type=Path, nargs="*", default=[], help="such, tried behind SDC alone")
    parser.add_argument(
        "--programs", type=Path, nargs="*", default=[], help="JSON files of networks; see restorers.py"
    )
    parser.add_argument(
        "--measures", nargs="*", choices=list(MEASURES), default=[], help="beside PSNR and MS-SSIM"
    )
    parser.add_argument("--tasks", nargs="*", help=f"{CLEAN}, {', '.join(TRIALS)}; all by default")
    parser.add_argument(
        "--trials", metavar="MODULE:NAME", help="degradations of your own, as TRIALS has them"
    )
    parser.add_argument(
        "--strengths", type=int, nargs="+", choices=(0, 1), default=[0, 1], help="0 weaker, 1 stronger"
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
        programs: networks that are tried as the denoisers are, in the tasks that they have.
    """

    model: int | None
    codecs: Sequence[str] = ()
    denoisers: Mapping[str, Denoise] = dataclass_field(default_factory=dict)
    adapted: Mapping[str, Denoise] = dataclass_field(default_factory=dict)
    analysis: int | None = None
    programs: Sequence[Restorer] = ()

    @classmethod
    def of(cls, args: argparse.Namespace, tasks: Collection[str]) -> Tools:
        """Those of the arguments.

        Args:
            args: as :func:`arguments` has them.
            tasks: that there are.

        Raises:
            SystemExit: a codec is not installed, a file is no network, or two have the same name.
        """
        try:
            for name in args.peers:
                OTHERS[name][0].version()
            denoisers, adapted = (
                [Denoiser(path) for path in some] for some in (args.denoisers, args.adapted)
            )
            programs = [load_restorer(path, tasks) for path in args.programs]
        except (ImportError, OSError, ValueError) as error:
            sys.exit(str(error))
        behind = [f"adapted {one.name}" for one in adapted]
        names = Counter(["SDC", *(OTHERS[codec][0].name for codec in args.peers), *behind])
        names.update(one.name for one in denoisers)
        names.update(one.name for one in programs)
        name, count = names.most_common(1)[0]
        if count > 1:
            sys.exit(f"two files are both {name}, or a codec is")
        return cls(
            args.model if args.model >= 0 else None,
            args.peers,
            {one.name: one.restored for one in denoisers},
            dict(zip(behind, (one.restored for one in adapted), strict=True)),
            args.analysis,
            programs,
        )

    def of_task(self, task: str) -> Tools:
        """Those of a task: the programs that it has are among the denoisers."""
        own = {one.name: partial(one.restored, task) for one in self.programs if task in one.commands}
        return replace(self, denoisers={**self.denoisers, **own}, programs=())


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


def _cases(tasks: Iterable[str], strengths: Collection[int]) -> Iterator[tuple[str, int]]:
    for task in tasks:
        yield from ((task, strength) for strength in ((0,) if task == CLEAN else sorted(set(strengths))))


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


def made_by(args: argparse.Namespace) -> str:
    """What rows depend on but their own cells, in words.

    Raises:
        SdcError: ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    parts = [f"model {model_hash(1)}"]
    if args.model >= 0:
        parts.append(f"restored by {load_restoration(args.model).sha256[:8]}")
    parts += [f"analysis {one}" for one in files_of(Preset(analysis=args.analysis))]
    parts.append(f"{args.side} pixels a side" if args.side else "whole images")
    return "; ".join([*parts, *([args.trials] if args.trials else [])])


def _left_out(programs: Iterable[Restorer], tasks: Sequence[str]) -> Iterator[str]:
    """A line for each network that some tasks have no program of."""
    for one in programs:
        lacking = [task for task in tasks if task not in one.commands]
        if lacking:
            yield f"{one.name} has no program for {', '.join(lacking)}, and is left out there"


def measured(args: argparse.Namespace, known: Collection[Tried]) -> Iterator[Row]:
    """Rows that are not known yet, as they come; sheets are drawn of these on the way.

    Raises:
        SystemExit: the arguments are wrong, a package is missing, or a program failed.
    """
    trials = _trials(args)
    tasks = args.tasks or [CLEAN, *trials]
    tools = Tools.of(args, [CLEAN, *trials])
    try:
        measures = measures_of(args.measures)
    except ImportError as error:
        sys.exit(str(error))
    for line in _left_out(tools.programs, tasks):
        print(line, file=sys.stderr)
    for name, whole in islice(photographs(args.data), 0, args.images * args.every, args.every):
        clean = middle(whole, args.side)
        strips: list[Pixels] = []
        for task, strength in _cases(tasks, args.strengths):
            shown = clean if task == CLEAN else trial_of(clean, task, strength, trials)
            case, strip = Case(shown, tools.of_task(task)), [clean, shown]
            for setting in range(len(QUALITIES)):
                for way, result in Ways(case, setting).all().items():
                    tried = (name, task, strength, way, setting)
                    if tried in known:
                        continue
                    try:
                        bpp, pixels = result()
                    except RestorerError as error:
                        sys.exit(f"{name}: {error}\nwhat was measured is kept in {args.csv}, for another run")
                    more = {key: measure(pixels, clean) for key, measure in measures.items()}
                    similar = ms_ssim(pixels, clean) or float("nan")
                    row = Row(*tried, bpp, psnr(pixels, clean), similar)
                    yield replace(row, st_lpips=more.get("st_lpips"), brisque=more.get("brisque"))
                    if setting == len(QUALITIES) - 2:
                        strip.append(pixels)
            strips.append(np.concatenate(strip, 1))
        if args.sheets and strips[0].shape[1] > 2 * clean.shape[1]:
            args.sheets.mkdir(parents=True, exist_ok=True)
            alike = [strip for strip in strips if strip.shape == strips[0].shape]
            Image.fromarray(np.concatenate(alike)).save(args.sheets / f"{Path(name).stem}.png")


def run(args: argparse.Namespace) -> None:
    """Measure what the file of rows lacks, add it, and print means of all.

    Raises:
        SystemExit: something is not there, not installed, or fails, or the file has rows of other models.
    """
    try:
        rows = {row.tried: row for row in read_rows(args.csv)}
        by = made_by(args)
    except (OSError, SdcError, ValueError) as error:
        sys.exit(str(error))
    if others := {row.by for row in rows.values()} - {by, ""}:
        sys.exit(f"{args.csv} has rows by {min(others)}, and these would be by {by}: name another file")
    asked = dict.fromkeys(args.measures)
    known = {tried for tried, row in rows.items() if all(getattr(row, name) is not None for name in asked)}
    with writing_rows(args.csv, rows.values()) as write:
        for measured_row in measured(args, known):
            row = replace(measured_row, by=by)
            write(row)
            rows[row.tried] = row
    print("\n".join(summary(list(rows.values()))))
