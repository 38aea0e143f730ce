"""Captions and answers of a multimodal model, of images in which it said itself what matters.

One command for those who have a model behind a chat endpoint of OpenAI's form::

    python -m sdc_reference.evaluation vlm --vlm http://localhost:8000/v1#MODEL --data PHOTOGRAPHS --out OUT

First the model ranks the objects of every image, which the built-in analysis or ``--detector`` finds:
``OUT/objects`` gets what ``sdc analyze --chat`` would write.  What is there is not asked for again.
Then it is asked for captions (``OUT/captions``) and questions (``OUT/questions``) about what was coded: the
whole image and L1, and L1 to L3, alone, beside another codec on the whole and on the flattened image
(``--codecs``).  Its words are compared with those about the original; see ``accuracy``, whose arguments the
others are.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sdc.analysis import Options, analyze
from sdc.errors import SdcError
from sdc.paths import write_file

from ..dataset import LabelledImage
from ..evaluators.chat import options_of
from ..images import read_image
from ..request import add_coding, images_of
from . import accuracy

TASKS = ("captions", "questions")
CODECS = ("sdc", "sdc:1", "sdc:1-3", "avif", "avif:1", "avif:1-3")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    parser.add_argument("--vlm", required=True, metavar="URL#MODEL", help="a chat endpoint, and its model")
    add_coding(parser)


def run(args: argparse.Namespace) -> None:
    """Let the model rank what is in the images, and measure both tasks.

    Raises:
        SystemExit: something is not there, not installed, or fails.
    """
    given = vars(args) | {"network": args.vlm, "classes": None, "labels": None}
    given["codecs"] = args.codecs or list(CODECS)
    given["cache"] = args.cache or args.out / "cache"
    if not args.sources:
        given |= {"recorded": args.recorded or args.out / "objects", "sources": ["recorded+1"]}
    try:
        options = replace(options_of(args.vlm), detector=str(args.detector or ""))
        images = images_of(argparse.Namespace(**given, task=TASKS[0]))
        if not args.sources and not args.recorded:
            record(images, options, given["recorded"])
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(f"{error}")
    given["detector"] = args.detector if args.sources else None
    for task in TASKS:
        asked = args.questions if task == "questions" else None
        accuracy.run(argparse.Namespace(**given | {"task": task, "out": args.out / task, "questions": asked}))


def record(images: Sequence[LabelledImage], options: Options, folder: Path) -> None:
    """Write the objects of images with the model's levels, where they are not there yet.

    Raises:
        RuntimeError: the model gave no object of an image a level, or another model did; what was recorded
            before is kept.
        OSError, SdcError: from the analysis.
    """
    for image in images:
        path = (folder / image.name).with_suffix(".json")
        if path.is_file():
            _check_model(path, options.model)
            continue
        found = analyze(read_image(image.path), options)
        for warning in found.warnings:
            print(f"{image.name}: {warning}", file=sys.stderr)
        count = len(found.objects)
        silent = f"{count} of {count} objects have their levels from the default" in found.warnings
        if found.objects and (silent or found.provenance["ranking"]["provider"] != "chat"):
            raise RuntimeError(f"{image.name}: the model gave no levels")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, (json.dumps(found.as_dict(), indent=1, ensure_ascii=False) + "\n").encode())


def _check_model(path: Path, model: str) -> None:
    """Refuse what another model has ranked.

    Raises:
        RuntimeError: this.
    """
    about = json.loads(path.read_bytes()).get("analysis", {})
    other = about.get("ranking", {}).get("model")
    if other != model:
        raise RuntimeError(f"{path} has the levels of {other}, not of {model}: give another --out")
