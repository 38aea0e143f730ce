"""Rate against accuracy: what machines see in coded pictures, ``python -m sdc_reference.accuracy``.

For example, with a folder of COCO's pictures and ``instances.json``::

    python -m sdc_reference.accuracy --task detection --network yolo11n.onnx --data COCO --out OUT \\
        --sources masks default --jobs 2

Pictures are coded in every way that ``--codecs`` names (:mod:`.coders`), with the objects of every source
(:mod:`.sources`), and shown to the network (:mod:`.judges`).
OUT gets ``results.json`` with every measurement, ``tables.md``, plots as PNG and SVG, and ``index.html``.
Whatever has been coded or judged is kept in the cache by its content, so that a run that was interrupted goes
on, and another one that shares something with it is faster.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sdc
from sdc.codec.presets import PRESETS
from sdc.errors import SdcError

from ..bench.codecs import PEERS
from .cluster import measured_by_ray
from .coders import PARTS, SETTINGS, Variant, coder_of, parse_variant
from .data import Picture, instances_of, load_pictures
from .external import load_external
from .judges import judge_of
from .lines import Groups, Line, asked_of, draws_of, grouped, lines_of
from .measure import ORIGINAL, Job, Plan, Row, Worker, count_of, jobs_of, measured
from .page import examples_of, pair_of, write_page
from .plots import draw
from .report import as_json, as_markdown, results_of
from .sources import Source
from .tasks import TASKS, Asked, left_out

WHOLE_NUMBERS = set(SETTINGS) - {"jxl"}
"""Codecs whose settings have no fractions."""
Engine = Callable[[Plan, Sequence[Job], int], Iterator[list[Row]]]


def _settings(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, numbers = text.partition("=")
    return name, tuple(float(n) for n in numbers.split(","))


def _slice(text: str) -> slice:
    return slice(*(int(part) if part else None for part in text.split(":")))


def parser_of(program: str, description: str) -> argparse.ArgumentParser:
    """The arguments that say what is measured, and how."""
    parser = argparse.ArgumentParser(
        prog=program, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument(
        "--network",
        required=True,
        help="ONNX file, MODULE:NAME of a Python callable, or for captions and questions URL#MODEL",
    )
    parser.add_argument("--data", required=True, type=Path, help="folder of pictures, perhaps instances.json")
    parser.add_argument(
        "--classes", type=Path, help="JSON list of class names; pictures are named after them"
    )
    parser.add_argument("--questions", type=Path, help="text file of what is asked of pictures, one a line")
    parser.add_argument("--out", required=True, type=Path, help="folder of results")
    parser.add_argument(
        "--cache", type=Path, help="folder of what was coded and judged; OUT/cache by default"
    )
    parser.add_argument("--codecs", nargs="+", metavar="NAME[:LEVELS][@OPTION,...]", help="see .coders")
    parser.add_argument(
        "--qualities",
        nargs="+",
        type=_settings,
        default=[],
        metavar="NAME=N,N,...",
        help="settings of a codec",
    )
    parser.add_argument(
        "--external", nargs="+", type=Path, default=[], help="JSON files of programs; see .external"
    )
    parser.add_argument(
        "--sources", nargs="*", default=[], help="of objects: masks, detector, default; +CELLS"
    )
    parser.add_argument("--detector", type=Path, help="ONNX file of a detector, better not the judge")
    parser.add_argument("--model", type=int, default=1, help="number of SDC's model")
    parser.add_argument(
        "--take", type=_slice, default=slice(None), metavar="START:STOP:STEP", help="of pictures"
    )
    parser.add_argument("--ms-ssim", action="store_true", help="measure MS-SSIM too, which takes its time")
    parser.add_argument("--draws", type=int, default=300, help="of pictures, for the intervals")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--ray", action="store_true", help="let Ray Data run them, on a cluster if there is one"
    )
    return parser


def variants_of(args: argparse.Namespace) -> tuple[tuple[Variant, tuple[float, ...]], ...]:
    """What is measured, with the settings of each; codecs by default that are not installed are left out.

    Raises:
        ValueError: a codec, an option or a setting does not exist.
        ImportError: a codec that was asked for is not installed.
    """
    externals = tuple(load_external(path) for path in args.external)
    known = ["sdc", *PEERS, *(codec.name for codec in externals)]
    if len(set(known)) < len(known):
        raise ValueError("--external: two codecs have the same name")
    wanted: dict[str, tuple[float, ...]] = dict(args.qualities)
    for name in wanted:
        if name.partition("@model")[0] not in known:
            raise ValueError(f"--qualities: no codec {name!r}; there are {', '.join(known)}")
    texts = args.codecs
    if texts is None:
        peers = [*PEERS, *(codec.name for codec in externals)]
        texts = ["sdc", *peers]
        if args.sources:
            texts += [*(f"sdc:{part}" for part in PARTS), *(f"{peer}:1-3" for peer in peers)]
    out: list[tuple[Variant, tuple[float, ...]]] = []
    for text in dict.fromkeys(texts):
        variant = parse_variant(text)
        if variant.levels and not args.sources:
            raise ValueError(f"{text!r} needs objects: --sources")
        try:
            coder = coder_of(variant.coder, args.model, externals)
        except ImportError as error:
            if args.codecs is not None:
                raise
            print(f"{text} left out: {error}")
            continue
        settings = wanted.get(variant.coder, wanted.get(variant.name, tuple(coder.settings)))
        if variant.name in WHOLE_NUMBERS and any(setting % 1 for setting in settings):
            raise ValueError(f"--qualities: {variant.name} takes whole numbers")
        out.append((variant, tuple(dict.fromkeys(settings))))
    if args.sources and not any(variant.levels for variant, _ in out):
        print("--sources has no effect: no codec names levels, as sdc:1-3 does", file=sys.stderr)
    return tuple(out)


def _progress(done: int, before: int, total: int, begun: float) -> None:
    """A line that stays where it is on a terminal; elsewhere a line for every twentieth."""
    terminal = sys.stderr.isatty()
    if terminal or done * 20 // total > before * 20 // total:
        left = (time.monotonic() - begun) / done * (total - done)
        line = f"{done}/{total} measurements, {left / 60:.1f} min left"
        start, end = ("\r", "\n" if done == total else "  ") if terminal else ("", "\n")
        print(start + line, end=end, file=sys.stderr, flush=True)


def plan_of(args: argparse.Namespace) -> Plan:
    """What the arguments ask for.

    Raises:
        ValueError: it does not exist.
        ImportError: it is not installed.
        OSError: it cannot be read.
    """
    texts = dict.fromkeys(args.sources)
    sources = tuple(Source(text, instances_of(args.data), args.detector) for text in texts)
    if args.questions and args.task != "questions":
        raise ValueError("--questions is for --task questions")
    lines = args.questions.read_text("utf-8").split("\n") if args.questions else []
    questions = tuple(line.strip() for line in lines if line.strip())
    if args.questions and not questions:
        raise ValueError(f"{args.questions} asks nothing")
    return Plan(
        args.task,
        args.network,
        args.cache or args.out / "cache",
        args.model,
        tuple(args.external),
        sources,
        variants_of(args),
        args.ms_ssim,
        questions,
    )


def pictures_of(args: argparse.Namespace) -> list[Picture]:
    """The pictures that the arguments ask for.

    Raises:
        ValueError: there are none, or what is known about them is not for the task.
    """
    if args.classes and args.task != "classification":
        raise ValueError("--classes is for --task classification")
    if args.task == "classification" and not args.classes and instances_of(args.data):
        raise ValueError("--task classification takes no labels from instances.json: --classes")
    pictures: list[Picture] = load_pictures(args.data, args.classes)[args.take]
    if not pictures:
        raise ValueError("--take leaves no picture")
    return pictures


def check(args: argparse.Namespace, measured: Collection[str]) -> None:
    """Refuse, before anything is measured, what could not be judged or scored, and say what has no effect.

    Args:
        measured: names of codecs, with the model where they name one.

    Raises:
        ImportError: something is not installed.
        OSError, SdcError, ValueError: there is no such judge.
    """
    for name in dict(args.qualities):
        if name not in measured:
            print(f"--qualities has no effect on {name}, which is not measured", file=sys.stderr)
    if args.detector and not any(text.partition("+")[0] == "detector" for text in args.sources):
        print("--detector has no effect: no source is detector", file=sys.stderr)
    judge_of(args.task, args.network)
    needed = [("pycocotools", "accuracy")] if args.task in ("detection", "segmentation") else []
    if args.ms_ssim or args.task == "restoration":
        needed += [("torch", "ms-ssim"), ("pytorch_msssim", "ms-ssim")]
    for package, extra in needed:
        if find_spec(package) is None:
            what = "MS-SSIM" if extra == "ms-ssim" else f"--task {args.task}"
            raise ImportError(f'{what} needs {package}: pip install ".[{extra}]"')


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of some pictures.

    Attributes:
        rows: the measurements, in the order in which they were asked for.
        groups: the same by source, codec and setting.
        asked: what the answers are held against.
        lines: curves of rate against score; the first is that of the originals.
    """

    rows: list[Row]
    groups: Groups
    asked: Asked
    lines: list[Line]


def measure_all(args: argparse.Namespace, plan: Plan, pictures: Sequence[Picture]) -> Measured:
    """Measure pictures as planned, by as many processes as the arguments say, and tell the progress.

    Raises:
        OSError, RuntimeError, SdcError, ValueError: from a codec or a judge.
    """
    engine: Engine = measured_by_ray if args.ray else measured
    jobs = jobs_of(plan, pictures)
    rows: list[Row] = []
    total, begun = sum(count_of(plan, job) for job in jobs), time.monotonic()
    for found in engine(plan, jobs, args.jobs):
        rows += found
        _progress(len(rows), len(rows) - len(found), total, begun)
    # In the order in which things were asked for, whichever process was faster.
    sources = ["", *(source.text for source in plan.sources)]
    codecs = [ORIGINAL, *(variant.text for variant, _ in plan.variants)]
    rows.sort(key=lambda r: (sources.index(r["source"]), codecs.index(r["codec"])))
    groups = grouped(rows)
    asked = asked_of(groups, {picture.name: picture.truth for picture in pictures})
    weights = draws_of(len(pictures), args.draws, args.seed)
    return Measured(rows, groups, asked, lines_of(args.task, groups, asked, weights, args.jobs))


def about_of(
    args: argparse.Namespace, plan: Plan, pictures: Sequence[Picture], rows: Sequence[Row]
) -> dict[str, Any]:
    """What was measured, in words and numbers."""
    coders = {variant.text: variant.coder for variant, _ in plan.variants}
    versions = {coders[row["codec"]]: row["version"] for row in rows if row["version"]}
    return {
        "task": args.task,
        "measure": TASKS[args.task].words,
        "judge": judge_of(args.task, args.network, plan.questions).version,
        "pictures": len(pictures),
        "left_out": left_out(args.task, [row["answer"] for row in rows if row["codec"] == ORIGINAL]),
        "sources": [source.text for source in plan.sources],
        "detector": args.detector.name if args.detector else "",
        "draws": args.draws,
        "seed": args.seed,
        "sdc": sdc.__version__,
        "versions": versions,
        "presets": {name: str(preset) for name, preset in PRESETS.items()},
    }


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    args = parser_of("sdc_reference.accuracy", __doc__ or "").parse_args(argv)
    try:
        plan = plan_of(args)
        pictures = pictures_of(args)
        check(args, {name for variant, _ in plan.variants for name in (variant.name, variant.coder)})
        args.out.mkdir(parents=True, exist_ok=True)
        found = measure_all(args, plan, pictures)
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    results = results_of(found.lines, about_of(args, plan, pictures, found.rows))
    text = as_markdown(results)
    (args.out / "results.json").write_text(json.dumps(as_json(results, found.rows), indent=1))
    (args.out / "tables.md").write_text(text)
    try:
        plots = draw(found.lines, results.about["measure"], args.out)
    except ImportError as error:
        plots = []
        print(f"plots left out: {error}")
    pair = pair_of(found.lines)
    examples = []
    if pair:
        jobs = jobs_of(plan, pictures)
        examples = examples_of(pair, found.groups, found.asked, Worker(plan), jobs, args.out)
    write_page(results, plots, examples, args.out / "index.html")
    print(text)
