"""Options that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sdc.codec.search import EFFORTS

from .codecs import PEERS

QUALITIES = (0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 63)

OPTIONS: dict[str, dict[str, Any]] = {
    "data": {"type": Path, "help": "folder of photographs"},
    "coco": {"type": Path, "help": "folder with instances.json, and the images there or in images/"},
    "csv": {"type": Path, "help": "a row per codec, setting and image, as `rate` writes it"},
    "cache": {"type": Path, "help": "folder of what was coded and measured, by its content"},
    "out": {"type": Path, "help": "image to write"},
    "plot": {"type": Path, "help": "plot of the curves to write: PNG or SVG"},
    "checkpoint": {"type": Path, "help": "last.pt of a training run"},
    "fit": {"type": Path, "nargs": "+", "help": "photographs to which an export fits integers"},
    "checkpoints": {"type": Path, "nargs": "+", "help": "last.pt of training runs"},
    "efforts": {"type": int, "nargs": "+", "default": list(range(len(EFFORTS)))},
    "every": {"type": int, "default": 1, "help": "take every n-th image"},
    "model": {"type": int, "default": 1, "help": "number of the model"},
    "analysis": {"type": int, "help": "number of the model with the analysis for degraded images"},
    "effort": {"type": int, "choices": range(len(EFFORTS)), "help": "effort of the encoder"},
    "quality": {"type": int, "default": 32, "help": "quality index, 0 to 63"},
    "qualities": {"type": int, "nargs": "+", "default": list(QUALITIES)},
    "peers": {"nargs": "*", "choices": list(PEERS), "default": [], "help": "codecs beside SDC"},
    "jobs": {"type": int, "default": 2, "help": "processes"},
    "device": {"default": "cpu", "help": "of torch"},
    "threads": {"type": int, "help": argparse.SUPPRESS},
}


def add(parser: argparse.ArgumentParser, names: str) -> None:
    """Give a command some of the ``OPTIONS``; those with a mark, as in ``data!``, must be given."""
    for name in names.split():
        option = name.rstrip("!")
        parser.add_argument(f"--{option}", required=name != option, **OPTIONS[option])
