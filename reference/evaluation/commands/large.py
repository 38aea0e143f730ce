"""Time and peak memory of decoding and encoding up to 100 megapixels."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ..options import add
from ..speed.large import measured
from ..speed.process import environment
from ..timing import first_image


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data quality effort model")


def run(args: argparse.Namespace) -> None:
    """Time and peak memory of decoding and encoding up to 100 megapixels."""
    with tempfile.TemporaryDirectory() as folder:
        variables = environment("", f"{folder}/bytecode")
        image, effort = first_image(args.data), args.effort or 0
        for one in measured(image, Path(folder), args.quality, effort, args.model, variables):
            print(one, flush=True)
