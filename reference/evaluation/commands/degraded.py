"""What a detector finds in degraded images, as captured and restored from the same stream.

Images of a data set with true boxes are degraded (:mod:`sdc_reference.restoration.trials`), coded with a
group for the objects of each level, and decoded as captured and restored: whole, and the objects alone.
With ``--analysis`` the streams are by the analysis for degraded images.
Average precision is by the true labels, and by the detector's own answers on the clean images.
Beside stand the degraded images before coding.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

import sdc
from sdc.codec.presets import Preset
from sdc.errors import SdcError
from sdc.networks.registry import load_restoration
from sdc.objects.object import Object
from sdc.paths import write_file
from sdc.types import Pixels

from ...restoration.trials import TRIALS, trial_of
from ..coders import SdcCoder, files_of
from ..evaluators import Evaluator, evaluator_of
from ..figures import interval
from ..images import coco_images
from ..lines import draws_of
from ..options import add
from ..precision import Floats, Weights, average_precision, sure_answers, true_objects
from ..restored import CLEAN, DRAWS

OBJECTS = "L1,L2,L3"
"""Levels that hold objects."""

UNCODED, WHOLE, ALONE = "uncoded", "whole images", "objects alone"
SHOWN = {False: "as captured", True: "restored"}

Row = dict[str, Any]
"""An answer: ``by`` whom and by what (:func:`made_by`), ``image``, ``task``, ``strength``, ``quality`` (none
for what is not coded), ``part``, ``restored``, ``bpp``, ``size`` (width, height), ``answer``.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "coco! every analysis")
    parser.add_argument("--network", required=True, help="a detector, as `accuracy` takes it")
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model")
    parser.add_argument("--tasks", nargs="*", choices=list(TRIALS), default=list(TRIALS))
    parser.add_argument("--strengths", nargs="*", type=int, choices=(0, 1), default=[1])
    parser.add_argument("--qualities", nargs="*", type=int, default=[24, 44])
    parser.add_argument("--images", type=int, default=30, help="how many images")
    parser.add_argument("--rows", type=Path, required=True, help="file of all answers, which is gone on with")


def key_of(row: Row) -> tuple[Any, ...]:
    """What a row is an answer to."""
    return tuple(row.get(name) for name in ("by", "image", "task", "strength", "quality", "part", "restored"))


def made_by(evaluator: Evaluator, model: int, analysis: int | None) -> str:
    """What answers depend on but the image, its degradation and its rate, in words.

    Args:
        model: number of the restoration model.
        analysis: number of the model with the analysis, none for the ordinary one.

    Raises:
        SdcError: ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    parts = [evaluator.version, SdcCoder(1).version, f"restored by {load_restoration(model).sha256[:8]}"]
    return "; ".join([*parts, *(f"analysis {one}" for one in files_of(Preset(analysis=analysis)))])


def views(
    shown: Pixels, objects: Sequence[Object], quality: int, model: int, analysis: int | None = None
) -> Iterator[tuple[str, bool, float, Pixels]]:
    """Part, whether restored, bits per pixel, and pixels, all of one stream.

    Args:
        shown: ``uint8 [H, W, 3]``, degraded.
        objects: whose cells are coded first.
        quality: of all groups.
        model: number of the restoration model.
        analysis: number of the model with the analysis, none for the ordinary one.

    Raises:
        SdcError: ``E_MODEL`` or ``E_MODEL_FILE``.
    """
    stream = sdc.encode(shown, objects=objects, quality=quality, effort=0, preset=Preset(analysis=analysis))
    alone = sdc.extract(stream, levels=OBJECTS)
    for part, data in ((WHOLE, stream), (ALONE, alone)):
        decoded = sdc.decode(data, restore=model)
        assert decoded.restored is not None
        bpp = 8 * len(data) / (shown.shape[0] * shown.shape[1])
        yield part, False, bpp, decoded.pixels
        yield part, True, bpp, decoded.restored


def answered(
    args: argparse.Namespace, evaluator: Evaluator, by: str, known: set[tuple[Any, ...]]
) -> Iterator[Row]:
    """The rows that are not known yet.

    Args:
        by: from :func:`made_by`.
        known: keys of rows.
    """
    cases = [(CLEAN, 0), *((task, strength) for task in args.tasks for strength in args.strengths)]
    some = islice(coco_images(args.coco), 0, args.images * args.every, args.every)
    for name, clean, objects in some:
        size = [clean.shape[1], clean.shape[0]]
        for task, strength in cases:
            about = {"by": by, "image": name, "task": task, "strength": strength, "size": size}
            shown = clean if task == CLEAN else trial_of(clean, task, strength)
            plain = {**about, "quality": None, "part": UNCODED, "restored": False, "bpp": 0.0}
            if key_of(plain) not in known:
                yield {**plain, "answer": evaluator.answer(shown, clean)}
            for quality in args.qualities:
                one = {**about, "quality": quality}
                if key_of({**one, "part": ALONE, "restored": True}) in known:
                    continue
                for part, restored, bpp, pixels in views(shown, objects, quality, args.model, args.analysis):
                    row = {**one, "part": part, "restored": restored, "bpp": bpp}
                    if key_of(row) not in known:
                        yield {**row, "answer": evaluator.answer(pixels, clean)}


def precision_of(
    rows: Iterable[Row], wanted: Mapping[str, Sequence[Mapping[str, Any]]], weights: Weights
) -> Floats:
    """Average precision in each draw, ``[draws]``.

    Args:
        rows: an answer for each image.
        wanted: annotations of each image, by its name.
        weights: how often each image counts, ``[draws, images]``, images by name.
    """
    ordered = sorted(rows, key=lambda row: row["image"])
    truth = [wanted[row["image"]] for row in ordered]
    score = average_precision(
        "bbox", truth, [row["answer"] for row in ordered], [row["size"] for row in ordered]
    )
    return score(weights)


def summary(rows: Sequence[Row], source: Mapping[str, Any]) -> Iterator[str]:
    """Two tables as lines of Markdown, by the true labels and by the detector's own answers.

    Args:
        rows: of :func:`answered`, all by the same; images that lack some are left out.
        source: ``instances.json``.
    """
    counts = Counter(row["image"] for row in rows)
    images = sorted(name for name, count in counts.items() if count == max(counts.values()))
    rows = [row for row in rows if row["image"] in images]
    weights = draws_of(len(images), DRAWS, 0)
    own = {row["image"]: row for row in rows if row["task"] == CLEAN and row["part"] == UNCODED}
    expected: dict[str, Callable[[str], Sequence[Mapping[str, Any]]]] = {
        "the true labels": lambda name: true_objects(source, name),
        "its own answers on clean images": lambda name: sure_answers(own[name]["answer"], *own[name]["size"]),
    }
    cases = list(dict.fromkeys((row["task"], row["strength"]) for row in rows))
    qualities = sorted({row["quality"] for row in rows if row["quality"] is not None})
    for words, of in expected.items():
        wanted = {name: of(name) for name in images}
        yield f"AP by {words}, {len(images)} images, differences with the middle 95 % of {DRAWS} draws:"
        yield ""
        yield "| task | quality | uncoded | bpp | captured | restored | difference | " + (
            "objects alone: bpp | captured | restored | difference |"
        )
        yield "|---" * 11 + "|"
        for task, strength in cases:
            case = [row for row in rows if (row["task"], row["strength"]) == (task, strength)]
            plain = precision_of([row for row in case if row["part"] == UNCODED], wanted, weights)[0]
            for quality in qualities:
                some = [row for row in case if row["quality"] == quality]
                cells = [
                    _compared([r for r in some if r["part"] == part], wanted, weights)
                    for part in (WHOLE, ALONE)
                ]
                called = task if task == CLEAN else f"{task} {strength}"
                yield f"| {called} | {quality} | {plain:.3f} | {' | '.join(cells)} |"
        yield ""


def _compared(
    rows: Sequence[Row], wanted: Mapping[str, Sequence[Mapping[str, Any]]], weights: Weights
) -> str:
    """Cells: bits per pixel, AP as captured and restored, and the difference with its interval."""
    captured, restored = (
        precision_of([row for row in rows if row["restored"] == which], wanted, weights) for which in SHOWN
    )
    bpp = float(np.mean([row["bpp"] for row in rows]))
    change = restored - captured
    low, high = interval(change[1:])
    span = "" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]"
    return f"{bpp:.3f} | {captured[0]:.3f} | {restored[0]:.3f} | {change[0]:+.3f}{span}"


def read_rows(path: Path) -> list[Row]:
    """Rows that were written before, but for a last line that was cut off; none where there is no file."""
    rows: list[Row] = []
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                continue
    return rows


def run(args: argparse.Namespace) -> None:
    """Ask for what the file of answers lacks, add it, and print the tables of what this network said.

    Raises:
        SystemExit: something is not there, not installed, or fails.
    """
    try:
        rows = _all_rows(args)
    except (ImportError, OSError, SdcError, ValueError) as error:
        sys.exit(f"degraded: {error}")
    print("\n".join(summary(rows, json.loads((args.coco / "instances.json").read_text()))))


def _all_rows(args: argparse.Namespace) -> list[Row]:
    """The rows of this network and these models, in the file from then on."""
    evaluator = evaluator_of("detection", args.network)
    by = made_by(evaluator, args.model, args.analysis)
    rows = read_rows(args.rows)
    write_file(args.rows, "".join(json.dumps(row) + "\n" for row in rows).encode())  # whole lines alone
    with args.rows.open("a", encoding="utf-8") as file:
        for row in answered(args, evaluator, by, {key_of(row) for row in rows}):
            rows.append(row)
            file.write(json.dumps(row) + "\n")
            file.flush()
    return [row for row in rows if row.get("by") == by]
