"""Measurements, scored: curves of rate against what the evaluator saw."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sdc
from sdc.codec.presets import PRESETS

from .dataset import LabelledImage
from .evaluators import evaluator_of
from .lines import Groups, Line, draws_of, expected_of, grouped, lines_of
from .measure import Engine, measure, measured
from .plan import ORIGINAL, Plan, Row
from .tasks import TASKS, Expected, left_out


@dataclass(frozen=True, eq=False)
class Scored:
    """What was measured of some images.

    Attributes:
        rows: the measurements, in the order in which they were asked for.
        groups: the same by source, codec and setting.
        expected: what the answers are compared with.
        lines: curves of rate against score; the first is that of the originals.
    """

    rows: list[Row]
    groups: Groups
    expected: Expected
    lines: list[Line]


def score_all(args: argparse.Namespace, plan: Plan, images: Sequence[LabelledImage]) -> Scored:
    """Measure images as planned, by as many processes as the arguments say, and score the answers.

    Raises:
        ImportError: Ray is asked for and not installed.
        OSError, RuntimeError, SdcError, ValueError: from a codec or an evaluator.
    """
    engine: Engine = measured
    if args.ray:
        from .cluster import measured_by_ray

        engine = measured_by_ray
    rows = measure(plan, images, args.jobs, engine)
    groups = grouped(rows)
    expected = expected_of(groups, {image.name: image.truth for image in images})
    weights = draws_of(len(images), args.draws, args.seed)
    return Scored(rows, groups, expected, lines_of(args.task, groups, expected, weights, args.jobs))


def about_of(
    args: argparse.Namespace, plan: Plan, images: Sequence[LabelledImage], rows: Sequence[Row]
) -> dict[str, Any]:
    """What was measured, in words and numbers."""
    coders = {variant.text: variant.coder for variant, _ in plan.variants}
    versions = {coders[row["codec"]]: row["version"] for row in rows if row["version"]}
    return {
        "task": args.task,
        "measure": TASKS[args.task].words,
        "evaluator": evaluator_of(args.task, args.network, plan.questions).version,
        "images": len(images),
        "left_out": left_out(args.task, [row["answer"] for row in rows if row["codec"] == ORIGINAL]),
        "sources": [source.text for source in plan.sources],
        "detector": args.detector.name if args.detector else "",
        "draws": args.draws,
        "seed": args.seed,
        "sdc": sdc.__version__,
        "versions": versions,
        "presets": {name: str(preset) for name, preset in PRESETS.items()},
    }
