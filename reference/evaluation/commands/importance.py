"""What the levels are worth: the same objects, ranked in several ways.

For example, with objects of a detector that is not the evaluator::

    python -m sdc_reference.evaluation importance --task detection --network yolo11n.onnx --data COCO \\
        --out OUT --detector yolov8s.onnx --model 2

The objects of one source get their levels by the default rule, by their score alone, and by lot
(``--rankings``); a source that brings levels of its own, such as what a multimodal model said, is measured
with these, too.  For a model's levels, record them first, with the detector that finds the objects::

    sdc analyze COCO/images -o ANSWERS --detector yolov8s.onnx --chat http://localhost:8000/v1
    python -m sdc_reference.evaluation importance ... --recorded ANSWERS

Two ways of coding are compared (``--codecs``): L1 alone, and L1 to L3 with qualities that fall by level.
With one quality for all of them L1 to L3 would be the same cells in every ranking, and all rankings alike.
The report has, for each way and score, the score at the same bits per pixel, the highest score, and the
BD-rate against levels by lot; OUT gets ``importance.json`` and ``importance.md``.
The other arguments are those of ``accuracy``, and so is the cache.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sdc.errors import SdcError

from ..figures import Figure, difference, score_at, spread
from ..lines import Line
from ..rankings import RANKINGS
from ..report import as_figure, in_words, score_words
from ..request import add_arguments, planned
from ..scoring import about_of, score_all
from ..tables import markdown
from ..variants import parse_variant

CODECS = ("sdc:1", "sdc:1-3@L2-8,L3-16")
OWN = "as recorded"
"""Levels that the source brings."""


@dataclass(frozen=True, eq=False)
class Ranked:
    """A way of coding and a score, for every ranking.

    Attributes:
        codec, score: names.
        rates: bits per pixel at which scores are compared.
        rows: ``(ranking, score at each rate, highest score, BD-rate against levels by lot)``.
    """

    codec: str
    score: str
    rates: list[float]
    rows: list[tuple[str, list[Figure], Figure, Figure | None]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_arguments(parser)
    parser.add_argument("--rankings", nargs="+", choices=RANKINGS, default=list(RANKINGS))


def run(args: argparse.Namespace) -> None:
    """Measure, write the report and print it.

    Raises:
        SystemExit: something is not there, not installed, or fails.
    """
    try:
        base = _base_of(args)
        named = _sources_of(base, args.rankings)
        args.sources = list(named)
        args.codecs = list(args.codecs or CODECS)
        plan, images = planned(args)
        if not all(variant.levels for variant, _ in plan.variants):
            raise ValueError("--codecs: a whole image has no levels to rank")
        args.out.mkdir(parents=True, exist_ok=True)
        scored = score_all(args, plan, images)
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    about = about_of(args, plan, images, scored.rows) | {"objects": base}
    found = list(compared(scored.lines, named, [variant.text for variant, _ in plan.variants]))
    text = as_words(about, found)
    (args.out / "importance.json").write_text(json.dumps(as_json(about, found), indent=1))
    (args.out / "importance.md").write_text(text)
    print(text)


def _base_of(args: argparse.Namespace) -> str:
    """The source of the objects that are ranked.

    Raises:
        ValueError: there is not one, or it names a ranking.
    """
    given = args.sources or (["recorded+1"] if args.recorded else ["detector+1"] if args.detector else [])
    if len(given) != 1:
        raise ValueError(
            "levels are compared on the objects of one source: --detector, --recorded or --sources"
        )
    if "@" in given[0]:
        raise ValueError(f"{given[0]!r}: rankings are named by --rankings")
    return str(given[0])


def _sources_of(base: str, rankings: Sequence[str]) -> dict[str, str]:
    """The name of each ranking, by source."""
    kind, plus, margin = base.partition("+")
    own = {base: OWN} if kind == "recorded" else {}
    return own | {f"{kind}@{ranking}{plus}{margin}": ranking for ranking in dict.fromkeys(rankings)}


def compared(lines: Sequence[Line], named: dict[str, str], codecs: Sequence[str]) -> Iterator[Ranked]:
    """The rankings beside each other, for every way of coding and score.

    Args:
        lines: that of the originals first, and those of all sources and codecs.
        named: the ranking of each source.
        codecs: in their order.
    """
    original, *rest = lines
    for codec in codecs:
        ours = {named[line.source]: line for line in rest if line.codec == codec}
        rates = common_rates(list(ours.values()))
        for score in original.scores:
            lot = ours.get("random")
            rows = [
                (
                    ranking,
                    [score_at(line, score, rate) for rate in rates],
                    spread(np.fmax.reduce(line.scores[score], axis=0)),
                    difference(line, lot, score) if lot is not None and lot is not line else None,
                )
                for ranking, line in ours.items()
            ]
            yield Ranked(codec, score, rates, rows)


def common_rates(lines: Sequence[Line]) -> list[float]:
    """The lowest and the highest rate that all lines have, and the one between; none where there is none."""
    low = max(float(line.rates[:, 0].min()) for line in lines)
    high = min(float(line.rates[:, 0].max()) for line in lines)
    return [low, float(np.sqrt(low * high)), high] if low < high else []


def as_json(about: dict[str, Any], found: Sequence[Ranked]) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "about": about,
        "rankings": [
            {
                "codec": one.codec,
                "score": one.score,
                "ranking": ranking,
                "at": [{"bpp": rate, **as_figure(at)} for rate, at in zip(one.rates, scores, strict=True)],
                "highest": as_figure(highest),
                **({} if bd is None else {"random": as_figure(bd)}),
            }
            for one in found
            for ranking, scores, highest, bd in one.rows
        ],
    }


def as_words(about: dict[str, Any], found: Sequence[Ranked]) -> str:
    """The report in Markdown."""
    parts = [
        f"# What levels are worth: {about['task']}",
        f"{about['images']} images, evaluated by {about['evaluator']}; objects from {about['objects']}. "
        f"{about['left_out']}".rstrip(),
        "\n".join(f"- {name}: {version}" for name, version in about["versions"].items()),
    ]
    for one in found:
        where = " of the levels alone" if parse_variant(one.codec).partial else ""
        parts += [f"## `{one.codec}`, {one.score}, at equal bits per pixel{where}", markdown(_table(one))]
    return "\n\n".join(parts) + "\n"


def _table(one: Ranked) -> pd.DataFrame:
    """A row for each ranking."""
    rows = [
        [
            ranking,
            *(score_words(at) for at in scores),
            score_words(highest),
            "" if bd is None else in_words(bd),
        ]
        for ranking, scores, highest, bd in one.rows
    ]
    heads = ["levels by", *(f"at {rate:.3f}" for rate in one.rates), "highest", "BD-rate against random"]
    return pd.DataFrame(rows, columns=heads)
