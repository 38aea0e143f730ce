"""Figures: ``python -m sdc_reference.bench COMMAND``.

How well it codes:

- ``rate --data DIR --csv FILE [--peers jpeg webp avif jxl] [--plot FILE]``: bits per pixel of whole files
  against PSNR and MS-SSIM of the integer decoder's pictures, and of other codecs in the same run.
- ``compare --csv FILE``: rate at equal PSNR and MS-SSIM against those and against published figures.
- ``partial --data DIR --coco DIR``: L1 alone has the pixels of the whole picture, and what that costs.
- ``parts --data DIR``: bytes with the context or the hyperprior switched off.
- ``integers --checkpoint FILE --data DIR --fit DIR ...``: the integer codec against the same model in floats.
- ``checkpoints --checkpoints FILE ... --data DIR``: models in training against each other.
- ``efforts --data DIR [--efforts N ...]``: what a longer search of the encoder buys.
- ``sheet --coco DIR --out FILE``: ten photographs, whole and in part, to look at.

How much it takes:

- ``work``: multiply-adds per pixel and bytes of weights.
- ``speed``: decoding and encoding times, in process, of a 768x512 picture with four groups.
- ``peers --data DIR``: the same times beside those of other codecs, as ratios.
- ``entropy --data DIR``: symbols per second, skipped symbols, escapes, and bytes above the ideal.
- ``large``: a picture of 100 megapixels, decoded in a process of its own; its peak memory.
- ``budget --coco DIR``: bytes of framing and of group maps of streams of COCO pictures with four levels.
- ``agree --data DIR``: how often torch and NumPy write the same file, and that they decode the same bits.

``--data`` is a folder of photographs, ``--coco`` one with COCO's ``instances.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sdc.codec.search import EFFORTS

from .codecs import PEERS
from .common import QUALITIES
from .curves import compare
from .efforts import efforts
from .fidelity import agree, checkpoints, integers, partial, parts
from .rates import rate
from .sheets import sheet
from .size import budget, entropy, work
from .times import large, peers, speed

OPTIONS: dict[str, dict[str, Any]] = {
    "data": {"type": Path, "help": "folder of photographs"},
    "coco": {"type": Path, "help": "folder with instances.json, and the pictures there or in images/"},
    "csv": {"type": Path, "help": "a row per codec, setting and picture; `rate` goes on where it ends"},
    "out": {"type": Path, "help": "picture to write"},
    "plot": {"type": Path, "help": "picture of the curves to write: PNG or SVG"},
    "checkpoint": {"type": Path, "help": "last.pt of a training run"},
    "fit": {
        "type": Path,
        "nargs": "+",
        "help": "photographs to which an export fits integers",
    },
    "checkpoints": {"type": Path, "nargs": "+", "help": "last.pt of training runs"},
    "efforts": {"type": int, "nargs": "+", "default": list(range(len(EFFORTS)))},
    "every": {"type": int, "default": 1, "help": "take every n-th picture"},
    "model": {"type": int, "default": 1, "help": "number of the model"},
    "effort": {"type": int, "help": "effort of the encoder"},
    "quality": {"type": int, "default": 32, "help": "quality index, 0 to 63"},
    "qualities": {"type": int, "nargs": "+", "default": list(QUALITIES)},
    "peers": {"nargs": "*", "choices": list(PEERS), "default": [], "help": "codecs beside SDC"},
    "jobs": {"type": int, "choices": (1, 2), "default": 2, "help": "processes"},
    "device": {"default": "cpu", "help": "of torch"},
    "threads": {"type": int, "help": argparse.SUPPRESS},
    "decode": {"help": argparse.SUPPRESS},
}

COMMANDS = {
    rate: "data! csv! qualities effort model peers jobs plot",
    compare: "csv!",
    partial: "data coco effort model",
    parts: "data! qualities model",
    integers: "checkpoint! data! fit qualities",
    efforts: "data! qualities efforts every model",
    checkpoints: "checkpoints! data! qualities every",
    sheet: "coco! out! effort model",
    work: "model",
    speed: "data device effort model",
    peers: "data! quality effort model threads",
    entropy: "data! qualities effort model",
    large: "data quality effort model decode",
    budget: "coco! model",
    agree: "data! device model",
}
"""Commands and the options of each; those with a mark must be given."""


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="sdc_reference.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command, options in COMMANDS.items():
        sub = commands.add_parser(command.__name__, help=(command.__doc__ or "").partition("\n")[0])
        sub.set_defaults(work=command)
        for name in options.split():
            option = name.rstrip("!")
            sub.add_argument(f"--{option}", required=name != option, **OPTIONS[option])
    args = parser.parse_args(argv)
    args.work(args)
