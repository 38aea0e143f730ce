"""The search for the preset of a task, axis by axis."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sdc.codec.presets import EQUAL, Preset, with_option

from .curves import mean_log_rate
from .dataset import LabelledImage
from .figures import Figure, difference
from .lines import Line
from .report import in_words
from .request import plan_of
from .scoring import Scored, score_all
from .tables import markdown

WHOLE = "sdc"
AXES = (("margin0", "margin1", "margin2"), ("other+0", "other-8", "other-16", "other-24"))


@dataclass(frozen=True)
class Try:
    """A preset as it did on the first half.

    Attributes:
        preset: what was tried.
        top: the highest score, as a share of the originals'.
        cost: rate beside that of SDC's whole image, over the scores of ``--between``, as a share of it;
            None for one that does not reach far enough.
        whole: BD-rate against SDC's whole image, over all scores in common.
        chosen: whether it is the best of its axis.
    """

    preset: Preset
    top: float
    cost: float | None
    whole: Figure
    chosen: bool = False


def codec_of(preset: Preset, part: str = "all") -> str:
    """The name of a variant that codes by a preset and sends a part of it, one of ``PARTS``."""
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


def search(args: argparse.Namespace, images: Sequence[LabelledImage], score: str) -> list[list[Try]]:
    """The presets that were tried, axis by axis; the chosen one of the last is the best.

    Raises:
        ValueError: there is no such score, the originals have none, or nothing reaches ``--between``.
    """
    best, found = EQUAL, []
    for axis in args.axis or AXES:
        presets = candidates_of(best, axis)
        scored = score_codecs(args, images, [WHOLE, *map(codec_of, presets)])
        tries = _tried(scored.lines, presets, score, args.between)
        best = next(one.preset for one in tries if one.chosen)
        found.append(tries)
        print(table_of(tries), file=sys.stderr)
    return found


def _tried(
    scored: Sequence[Line], presets: Sequence[Preset], score: str, between: Sequence[float]
) -> list[Try]:
    """How presets did, and which is chosen; the first of the lines is that of the originals."""
    original, *rest = scored
    name = _name_of(original, score)
    highest = float(original.scores[name][0, 0])
    if not highest > 0:
        raise ValueError(f"the originals' score, {name}, is {highest:g}")
    by_codec = {line.codec: line for line in rest}
    whole, lines = by_codec[WHOLE], [by_codec[codec_of(preset)] for preset in presets]
    base, *costs = (cost_of(line, original, name, between) for line in (whole, *lines))
    known = [(cost, k) for k, cost in enumerate(costs) if cost is not None]
    if base is None or not known:
        raise ValueError(f"{between[1]:.0%} of the originals' score is not reached: --qualities")
    first = min(known)[1]
    return [
        Try(
            preset,
            line.curve(name)[-1][1] / highest,
            None if cost is None else float(np.exp(cost - base)) - 1,
            difference(line, whole, name),
            k == first,
        )
        for k, (preset, line, cost) in enumerate(zip(presets, lines, costs, strict=True))
    ]


def _name_of(original: Line, wanted: str) -> str:
    """The score that decides: the one asked for, or the first.

    Raises:
        ValueError: there is no such score.
    """
    if wanted and wanted not in original.scores:
        raise ValueError(f"there is no score {wanted!r}, only {', '.join(original.scores)}")
    return wanted or next(iter(original.scores))


def score_codecs(args: argparse.Namespace, images: Sequence[LabelledImage], codecs: Sequence[str]) -> Scored:
    """The lines of some codecs, with the objects and settings of the command line."""
    args.codecs = list(dict.fromkeys(codecs))
    return score_all(args, plan_of(args), images)


def table_of(tries: Sequence[Try]) -> str:
    """The presets of an axis in Markdown."""
    rows = [
        (
            f"{'**' * one.chosen}{str(one.preset) or 'equal'}{'**' * one.chosen}",
            f"{one.top:.0%}",
            "does not reach" if one.cost is None else f"{one.cost:+.1%}",
            in_words(one.whole),
        )
        for one in tries
    ]
    columns = ["preset", "highest score", "rate", "BD-rate against the whole image"]
    return markdown(pd.DataFrame(rows, columns=columns))
