"""Finding the preset of a task.

For example::

    python -m sdc_reference.evaluation presets --task detection --network yolo11n.onnx --data COCO \\
        --out OUT --sources masks --axis margin0 margin1 margin2 --axis other+0 other-8 other-16 other-24

Every second image is for the search, and what it finds is reported on the others.
An axis is a list of options of :mod:`sdc.codec.presets`, of which one is chosen while the others stay as they
are; axes are gone through in their order, from a preset that changes nothing.
The choice is the one of the lowest mean logarithm of the rate, all over the same scores, which are shares of
the originals' score: ``--between``.
What does not reach the upper one is not chosen, whatever it saves below, and a curve that begins above the
lower one is charged its lowest rate there.

OUT gets ``presets.json`` and ``presets.md``.
On the second half the preset is measured against SDC's whole image, in one group and in groups that are all
alike, against its own stream without level other, as ``sdc extract`` makes it, and against ``--codecs``.
The other arguments are those of ``accuracy``, and so is the cache.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sdc.codec.presets import EQUAL, Preset
from sdc.errors import SdcError

from ..dataset import LabelledImage
from ..figures import Figure, difference
from ..preset_search import WHOLE, Try, codec_of, score_codecs, search, table_of
from ..report import as_figure, in_words
from ..request import add_arguments, check, images_of, plan_of
from ..scoring import about_of
from ..tables import markdown
from ..variants import parse_variant


@dataclass(frozen=True)
class Report:
    """What the search found, and what that does on the other images.

    Attributes:
        about: what was measured, in words and numbers.
        tries: the presets of each axis.
        scores: names of the scores.
        differences: ``(against, score, BD-rate of the best preset)`` on the other images.
    """

    about: dict[str, Any]
    tries: list[list[Try]]
    scores: list[str]
    differences: list[tuple[str, str, Figure]]

    @property
    def best(self) -> Preset:
        """The preset that was found."""
        return next(one.preset for one in self.tries[-1] if one.chosen)


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_arguments(parser)
    parser.add_argument("--axis", nargs="+", action="append", metavar="OPTION", help="values, see above")
    parser.add_argument(
        "--between",
        nargs=2,
        type=float,
        default=[0.7, 0.9],
        metavar=("LOW", "HIGH"),
        help="shares of the originals' score over which rates are compared (%(default)s)",
    )
    parser.add_argument("--score", default="", help="that decides; the first of the task by default")


def run(args: argparse.Namespace) -> None:
    """Search, report and write both files.

    Raises:
        SystemExit: something is not there, not installed, or fails.
    """
    try:
        images = _checked_images(args)
        args.out.mkdir(parents=True, exist_ok=True)
        report = report_of(args, [images[::2], images[1::2]])
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    text = as_words(report, args.sources[0])
    (args.out / "presets.json").write_text(json.dumps(as_json(report), indent=1))
    (args.out / "presets.md").write_text(text)
    print(text)


def _checked_images(args: argparse.Namespace) -> list[LabelledImage]:
    """The images, where the arguments make sense.

    Raises:
        ImportError, OSError, SdcError, ValueError: they do not.
    """
    if len(args.sources) != 1:
        raise ValueError("a preset is found with one source of objects: --sources")
    if "+" in args.sources[0]:
        raise ValueError(f"{args.sources[0]!r}: a source with a margin hides those of the presets")
    if not 0 < args.between[0] < args.between[1]:
        raise ValueError("--between is two shares above 0, the lower one first")
    images = images_of(args)
    if len(images) < 2:
        raise ValueError("one image has no halves")
    others = [parse_variant(text).name for text in args.codecs or ()]
    # Of which models SDC's are, the search decides.
    check(args, {WHOLE, *others, *(n for n, _ in args.qualities if n.startswith(f"{WHOLE}@"))})
    return images


def report_of(args: argparse.Namespace, halves: Sequence[Sequence[LabelledImage]]) -> Report:
    """Search on the first half, and measure on the second.

    Raises:
        ImportError, OSError, RuntimeError, SdcError, ValueError: as :func:`run` catches them.
    """
    others = list(args.codecs or ())
    tries = search(args, halves[0], args.score)
    best = next(one.preset for one in tries[-1] if one.chosen)
    # Other is what a receiver may do without; no encoder writes a stream that lacks it.
    ours = [codec_of(best), codec_of(EQUAL), codec_of(best, "1-3")]
    scored = score_codecs(args, halves[1], [WHOLE, *ours, *others])
    original, *rest = scored.lines
    by_codec = {line.codec: line for line in rest}
    against = [codec for codec in dict.fromkeys([WHOLE, *ours[1:], *others]) if codec != ours[0]]
    differences = [
        (codec, score, difference(by_codec[ours[0]], by_codec[codec], score))
        for codec in against
        for score in original.scores
    ]
    about = about_of(args, plan_of(args), halves[1], scored.rows)
    about |= {"searched": len(halves[0]), "between": args.between}
    return Report(about, tries, list(original.scores), differences)


def as_json(report: Report) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "about": report.about,
        "preset": str(report.best),
        "tries": [
            [
                {
                    "preset": str(one.preset),
                    "top": one.top,
                    "cost": one.cost,
                    "chosen": one.chosen,
                    "whole": as_figure(one.whole),
                }
                for one in axis
            ]
            for axis in report.tries
        ],
        "differences": [
            {"against": codec, "score": score, **as_figure(found)}
            for codec, score, found in report.differences
        ],
    }


def as_words(report: Report, source: str) -> str:
    """The report in Markdown.

    Args:
        source: of the objects.
    """
    about, best = report.about, report.best
    shares = " to ".join(f"{share:.0%}" for share in about["between"])
    words = [
        f"# A preset for {about['task']}: `{best}`",
        f"Searched on {about['searched']} images, objects from {source}; the rate is beside that of "
        f"the whole image, at {shares} of the originals' score:",
        *map(table_of, report.tries),
        f"What it saves on the {about['images']} others:",
        *([about["left_out"]] if about["left_out"] else []),
        markdown(_differences_table(report)),
        f'In `sdc/codec/presets.py`: `"{about["task"]}": "{best}"`',
    ]
    return "\n\n".join(words) + "\n"


def _differences_table(report: Report) -> pd.DataFrame:
    """A row for each codec, a column for each score."""
    rows: dict[str, list[str]] = {}
    for codec, _, found in report.differences:
        rows.setdefault(codec, [f"`{codec}`"]).append(in_words(found))
    return pd.DataFrame(list(rows.values()), columns=["against", *report.scores])
