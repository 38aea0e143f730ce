"""Finding presets: ``python -m sdc_reference.accuracy.presets``, for example::

    python -m sdc_reference.accuracy.presets --task detection --network yolo11n.onnx --data COCO --out OUT \\
        --sources masks --axis margin0 margin1 margin2 --axis other+0 other-8 other-16 other-24

Every second picture is for the search, and what it finds is reported on the others.
An axis is a list of options of :mod:`sdc.codec.presets`, of which one is chosen while the others stay as they
are; axes are gone through in their order, from a preset that changes nothing.
The choice is the one of the lowest mean logarithm of the rate, all over the same scores, which are shares of
the originals' score: ``--between``.
What does not reach the upper one is not chosen, whatever it saves below, and a curve that begins above the
lower one is charged its lowest rate there.

OUT gets ``presets.json`` and ``presets.md``.
On the second half the preset is measured against SDC's whole picture, in one group and in groups that are all
alike, against its own stream without level other, as ``sdc extract`` makes it, and against ``--codecs``.
The other arguments are those of ``python -m sdc_reference.accuracy``, and so is the cache.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdc.codec.presets import EQUAL, Preset, with_option
from sdc.errors import SdcError

from . import Measured, about_of, check, measure_all, parser_of, pictures_of, plan_of
from .coders import parse_variant
from .data import Picture
from .lines import Figure, Line, difference, mean_log_rate
from .report import as_figure, in_words

WHOLE = "sdc"
AXES = (("margin0", "margin1", "margin2"), ("other+0", "other-8", "other-16", "other-24"))


@dataclass(frozen=True)
class Try:
    """A preset as it did on the first half.

    Attributes:
        preset: what was tried.
        top: the highest score, as a share of the originals'.
        cost: rate beside that of SDC's whole picture, over the scores of ``--between``, as a share of it;
            None for one that does not reach far enough.
        whole: BD-rate against SDC's whole picture, over all scores in common.
        chosen: whether it is the best of its axis.
    """

    preset: Preset
    top: float
    cost: float | None
    whole: Figure
    chosen: bool = False


def codec_of(preset: Preset, part: str = "all") -> str:
    """The name of a codec of the bench that codes by a preset and sends a part of it, one of ``PARTS``."""
    return f"sdc:{part}@{preset}" if str(preset) else f"sdc:{part}"


def candidates_of(preset: Preset, axis: Sequence[str]) -> list[Preset]:
    """A preset with each of the options of an axis, each once.

    Raises:
        ValueError: one is no option of presets.
    """
    found = []
    for option in axis:
        one = with_option(preset, option)
        if one is None:
            raise ValueError(f"{option!r} is no option of presets")
        found.append(one)
    return list(dict.fromkeys(found))


def cost_of(line: Line, original: Line, score: str, between: Sequence[float]) -> float | None:
    """Mean logarithm of the rate over some scores; None for a line that does not reach the highest.

    Below its lowest score a line costs its lowest rate.

    Args:
        between: the lowest and the highest of these scores, as shares of the original's.
    """
    low, high = (share * original.scores[score][0, 0] for share in between)
    curve = line.curve(score)
    if not curve or curve[-1][1] < high:
        return None
    return mean_log_rate(curve, low, high)


def search(args: argparse.Namespace, pictures: Sequence[Picture], score: str) -> list[list[Try]]:
    """The presets that were tried, axis by axis; the chosen one of the last is the best."""
    best, found = EQUAL, []
    for axis in args.axis or AXES:
        presets = candidates_of(best, axis)
        measured = _measured(args, pictures, [WHOLE, *map(codec_of, presets)])
        original, *rest = measured.lines
        name = _score(original, score)
        if not original.scores[name][0, 0] > 0:
            raise ValueError(f"the originals' score, {name}, is {original.scores[name][0, 0]:g}")
        by_codec = {line.codec: line for line in rest}
        lines = [by_codec[codec_of(preset)] for preset in presets]
        base, *costs = (cost_of(ln, original, name, args.between) for ln in (by_codec[WHOLE], *lines))
        known = [(cost, k) for k, cost in enumerate(costs) if cost is not None]
        if base is None or not known:
            raise ValueError(f"{args.between[1]:.0%} of the originals' score is not reached: --qualities")
        first = min(known)[1]
        best = presets[first]
        found.append(
            [
                Try(
                    preset,
                    line.curve(name)[-1][1] / float(original.scores[name][0, 0]),
                    None if cost is None else float(np.exp(cost - base)) - 1,
                    difference(line, by_codec[WHOLE], name),
                    k == first,
                )
                for k, (preset, line, cost) in enumerate(zip(presets, lines, costs, strict=True))
            ]
        )
        print(_table_of(found[-1]), file=sys.stderr)
    return found


def _score(original: Line, wanted: str) -> str:
    """The score that decides: the one asked for, or the first.

    Raises:
        ValueError: there is no such score.
    """
    if wanted and wanted not in original.scores:
        raise ValueError(f"there is no score {wanted!r}, only {', '.join(original.scores)}")
    return wanted or next(iter(original.scores))


def _measured(args: argparse.Namespace, pictures: Sequence[Picture], codecs: Sequence[str]) -> Measured:
    args.codecs = list(dict.fromkeys(codecs))
    return measure_all(args, plan_of(args), pictures)


def _table_of(tries: Sequence[Try]) -> str:
    rows = [
        f"| {'**' * one.chosen}{str(one.preset) or 'equal'}{'**' * one.chosen} | {one.top:.0%} |"
        f" {'does not reach' if one.cost is None else f'{one.cost:+.1%}'} | {in_words(one.whole)} |"
        for one in tries
    ]
    head = ["| preset | highest score | rate | BD-rate against the whole picture |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def report(args: argparse.Namespace, halves: Sequence[Sequence[Picture]]) -> tuple[dict[str, Any], str]:
    """Search on the first half, measure on the second; JSON and Markdown of both."""
    others = list(args.codecs or ())
    tries = search(args, halves[0], args.score)
    best = next(one.preset for one in tries[-1] if one.chosen)
    # Other is what a receiver may do without; no encoder writes a stream that lacks it.
    ours = [codec_of(best), codec_of(EQUAL), codec_of(best, "1-3")]
    measured = _measured(args, halves[1], [WHOLE, *ours, *others])
    original, *rest = measured.lines
    by_codec = {line.codec: line for line in rest}
    against = [codec for codec in dict.fromkeys([WHOLE, *ours[1:], *others]) if codec != ours[0]]
    kept = [
        (codec, score, difference(by_codec[ours[0]], by_codec[codec], score))
        for codec in against
        for score in original.scores
    ]
    about = about_of(args, plan_of(args), halves[1], measured.rows)
    data = {
        "about": {**about, "searched": len(halves[0]), "between": args.between},
        "preset": str(best),
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
            for axis in tries
        ],
        "differences": [{"against": c, "score": score, **as_figure(found)} for c, score, found in kept],
    }
    words = [
        f"# A preset for {args.task}: `{best}`",
        f"Searched on {len(halves[0])} pictures, objects from {args.sources[0]}; the rate is beside that of "
        f"the whole picture, at {' to '.join(f'{n:.0%}' for n in args.between)} of the originals' score:",
        *map(_table_of, tries),
        f"What it saves on the {len(halves[1])} others:",
        *([about["left_out"]] if about["left_out"] else []),
        "\n".join(
            [
                f"| against | {' | '.join(original.scores)} |",
                f"|---|{'---|' * len(original.scores)}",
                *(
                    f"| `{codec}` | {' | '.join(in_words(f) for c, _, f in kept if c == codec)} |"
                    for codec in against
                ),
            ]
        ),
        f'In `sdc/codec/presets.py`: `"{args.task}": "{best}"`',
    ]
    return data, "\n\n".join(words) + "\n"


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = parser_of("sdc_reference.accuracy.presets", __doc__ or "")
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
    args = parser.parse_args(argv)
    try:
        if len(args.sources) != 1:
            raise ValueError("a preset is found with one source of objects: --sources")
        if "+" in args.sources[0]:
            raise ValueError(f"{args.sources[0]!r}: a source with a margin hides those of the presets")
        if not 0 < args.between[0] < args.between[1]:
            raise ValueError("--between is two shares above 0, the lower one first")
        pictures = pictures_of(args)
        if len(pictures) < 2:
            raise ValueError("one picture has no halves")
        others = [parse_variant(text).name for text in args.codecs or ()]
        # Of which models SDC's are, the search decides.
        check(args, {WHOLE, *others, *(n for n, _ in args.qualities if n.startswith(f"{WHOLE}@"))})
        args.out.mkdir(parents=True, exist_ok=True)
        data, text = report(args, [pictures[::2], pictures[1::2]])
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    (args.out / "presets.json").write_text(json.dumps(data, indent=1))
    (args.out / "presets.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
