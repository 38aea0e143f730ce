"""From the command line of ``accuracy`` and ``presets`` to what is to be measured."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from .codecs import PEERS
from .coders import SETTINGS, coder_of
from .dataset import LabelledImage, instances_of, load_images
from .evaluators import evaluator_of
from .external import load_external
from .plan import Plan
from .sources import Source
from .tasks import TASKS
from .variants import PARTS, Variant, parse_variant

WHOLE_NUMBERS = set(SETTINGS) - {"jxl"}
"""Codecs whose settings have no fractions."""


def _settings(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, numbers = text.partition("=")
    return name, tuple(float(n) for n in numbers.split(","))


def _slice(text: str) -> slice:
    return slice(*(int(part) if part else None for part in text.split(":")))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that say what is measured, and how."""
    add_evaluator(parser)
    add_coding(parser)


def add_evaluator(parser: argparse.ArgumentParser) -> None:
    """The arguments that say who looks at the images, and what is known about them."""
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument(
        "--network",
        required=True,
        help="ONNX file, MODULE:NAME of a Python callable, or for captions and questions URL#MODEL",
    )
    parser.add_argument("--classes", type=Path, help="JSON list of class names; images are named after them")
    parser.add_argument(
        "--labels",
        type=_slice,
        metavar="START:STOP",
        help="images of these classes alone, by their places in --classes; ImageNet's dogs are 151:269",
    )


def add_coding(parser: argparse.ArgumentParser) -> None:
    """The arguments that say which images are coded, and how."""
    parser.add_argument("--data", required=True, type=Path, help="folder of images, perhaps instances.json")
    parser.add_argument("--questions", type=Path, help="text file of what is asked of images, one a line")
    parser.add_argument("--out", required=True, type=Path, help="folder of results")
    parser.add_argument(
        "--cache", type=Path, help="folder of what was coded and evaluated; OUT/cache by default"
    )
    parser.add_argument(
        "--codecs",
        nargs="+",
        metavar="NAME[:LEVELS][@OPTION,...]",
        help="see sdc_reference.evaluation.variants",
    )
    parser.add_argument(
        "--qualities",
        nargs="+",
        type=_settings,
        default=[],
        metavar="NAME=N,N,...",
        help="settings of a codec",
    )
    parser.add_argument(
        "--external", nargs="+", type=Path, default=[], help="JSON files of programs; see external.py"
    )
    parser.add_argument(
        "--sources",
        nargs="*",
        default=[],
        help="of objects: masks, detector, default, recorded; @RANKING; +CELLS",
    )
    parser.add_argument("--detector", type=Path, help="ONNX file of a detector, better not the evaluator")
    parser.add_argument("--recorded", type=Path, help="folder of what sdc analyze found of the images")
    parser.add_argument("--model", type=int, default=1, help="number of SDC's model")
    parser.add_argument(
        "--take", type=_slice, default=slice(None), metavar="START:STOP:STEP", help="of images"
    )
    parser.add_argument("--ms-ssim", action="store_true", help="measure MS-SSIM too, which takes its time")
    parser.add_argument("--draws", type=int, default=300, help="of images, for the intervals")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument(
        "--ray", action="store_true", help="let Ray Data run them, on a cluster if there is one"
    )


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


def plan_of(args: argparse.Namespace) -> Plan:
    """What the arguments ask for.

    Raises:
        ValueError: it does not exist.
        ImportError: it is not installed.
        OSError: it cannot be read.
    """
    texts = dict.fromkeys(args.sources)
    instances = instances_of(args.data)
    sources = tuple(Source(text, instances, args.detector, args.recorded) for text in texts)
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


def images_of(args: argparse.Namespace) -> list[LabelledImage]:
    """The images that the arguments ask for.

    Raises:
        ValueError: there are none, or what is known about them is not for the task.
    """
    if args.classes and args.task != "classification":
        raise ValueError("--classes is for --task classification")
    if args.task == "classification" and not args.classes and instances_of(args.data):
        raise ValueError("--task classification takes no labels from instances.json: --classes")
    if args.labels and not args.classes:
        raise ValueError("--labels are places in --classes, which is not given")
    images = load_images(args.data, args.classes)
    if args.labels:
        classes = range(len(json.loads(args.classes.read_text())))[args.labels]
        images = [image for image in images if image.truth in classes]
        if not images:
            raise ValueError("--labels leaves no image")
    images = images[args.take]
    if not images:
        raise ValueError("--take leaves no image")
    return images


def planned(args: argparse.Namespace) -> tuple[Plan, list[LabelledImage]]:
    """What the arguments ask for, checked: what to measure, and of which images.

    Raises:
        ImportError, OSError, SdcError, ValueError: as :func:`plan_of`, :func:`images_of` and :func:`check`.
    """
    plan, images = plan_of(args), images_of(args)
    check(args, {name for variant, _ in plan.variants for name in (variant.name, variant.coder)})
    return plan, images


def check(args: argparse.Namespace, measured: Collection[str]) -> None:
    """Refuse, before anything is measured, what could not be evaluated or scored, and say what has no effect.

    Args:
        measured: names of codecs, with the model where they name one.

    Raises:
        ImportError: something is not installed.
        OSError, SdcError, ValueError: there is no such evaluator.
    """
    for name in dict(args.qualities):
        if name not in measured:
            print(f"--qualities has no effect on {name}, which is not measured", file=sys.stderr)
    for option in ("detector", "recorded"):
        if getattr(args, option) and not any(text.startswith(option) for text in args.sources):
            print(f"--{option} has no effect: no source is {option}", file=sys.stderr)
    evaluator_of(args.task, args.network)
    needed = [("pycocotools", "accuracy")] if args.task in ("detection", "segmentation") else []
    if args.ms_ssim or args.task == "restoration":
        needed += [("torch", "ms-ssim"), ("pytorch_msssim", "ms-ssim")]
    for package, extra in needed:
        if find_spec(package) is None:
            what = "MS-SSIM" if extra == "ms-ssim" else f"--task {args.task}"
            raise ImportError(f'{what} needs {package}: pip install ".[{extra}]"')
