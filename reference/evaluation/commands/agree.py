"""Torch against NumPy: files written and bits decoded."""

from __future__ import annotations

import argparse
import sys

import numpy as np

from sdc.codec.decoder import decode

from ..encoders import encoder_of, four_levels
from ..images import photographs
from ..options import add


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! device model")


def run(args: argparse.Namespace) -> None:
    """Torch against NumPy: files written and bits decoded."""
    from ...runner import TorchRunner

    runner = TorchRunner(args.device)
    coder = encoder_of(args.model)
    same, equal, total = 0, 0, 0
    for _, image in photographs(args.data):
        objects = four_levels(*image.shape[:2])
        for quality in (8, 32, 56):
            a = coder(image, objects=objects, quality=quality)
            b = coder(image, objects=objects, quality=quality, runner=runner)
            same += a == b
            equal += np.array_equal(decode(a).pixels, decode(a, runner=runner).pixels)
            total += 1
    print(f"{total} files: {same} the same from NumPy and torch ({args.device}), {equal} decode alike")
    if equal != total:
        sys.exit("decoders disagree")
