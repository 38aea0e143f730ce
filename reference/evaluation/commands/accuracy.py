"""Rate against accuracy: what machines see in coded images.

For example, with a folder of COCO's images and ``instances.json``::

    python -m sdc_reference.evaluation accuracy --task detection --network yolo11n.onnx --data COCO \\
        --out OUT --sources masks default --jobs 2

Images are coded in every way that ``--codecs`` names (:mod:`sdc_reference.evaluation.coders`), with the
objects of every source (:mod:`sdc_reference.evaluation.sources`), and shown to the network
(:mod:`sdc_reference.evaluation.evaluators`).
OUT gets ``results.json`` with every measurement, ``tables.md``, plots as PNG and SVG, and ``index.html``.
Whatever has been coded or evaluated is kept in the cache by its content, so that a run that was interrupted
goes on, and another one that shares something with it is faster.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sdc.errors import SdcError

from ..dataset import LabelledImage
from ..page import Examples, examples_of, pair_of, write_page
from ..plan import Plan, jobs_of
from ..plots import draw_scores
from ..report import Results, as_json, as_markdown, results_of
from ..request import add_arguments, planned
from ..scoring import Scored, about_of, score_all
from ..worker import Worker


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Measure, score, write the results and print the tables.

    Raises:
        SystemExit: something is not there, not installed, or fails.
    """
    try:
        plan, images = planned(args)
        args.out.mkdir(parents=True, exist_ok=True)
        found = score_all(args, plan, images)
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    results = results_of(found.lines, about_of(args, plan, images, found.rows))
    text = as_markdown(results)
    (args.out / "results.json").write_text(json.dumps(as_json(results, found.rows), indent=1))
    (args.out / "tables.md").write_text(text)
    plots = _plots(found, results, args.out)
    write_page(results, plots, _examples(found, plan, images, args.out), args.out / "index.html")
    print(text)


def _plots(found: Scored, results: Results, folder: Path) -> list[str]:
    """Names of the plots that were written; none without matplotlib."""
    try:
        return draw_scores(found.lines, results.about["measure"], folder)
    except ImportError as error:
        print(f"plots left out: {error}")
        return []


def _examples(found: Scored, plan: Plan, images: Sequence[LabelledImage], folder: Path) -> Examples | None:
    """Images on which SDC wins and loses; None where there is nothing to compare."""
    pair = pair_of(found.lines)
    if pair is None:
        return None
    return examples_of(pair, found.groups, found.expected, Worker(plan), jobs_of(plan, images), folder)
