"""A sheet of one photograph with each degradation, weaker and stronger: as captured, and restored.

The degradations are those of ``restoration``, which measures what this shows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.codec.presets import Preset
from sdc.errors import SdcError
from sdc.images.drawing import panel_image
from sdc.images.panels import bpp_text
from sdc.types import Pixels

from ...restoration.trials import ALONE, TRIALS, trial_of
from ..images import read_image
from ..metrics import psnr
from ..options import add
from ..sheets import Panel, sheet_of

SIDE = 288
"""Most of a panel's sides in pixels."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "out! quality analysis")
    parser.add_argument("--image", type=Path, required=True, help="a clean photograph")
    parser.add_argument("--model", type=int, default=4, help="number of the restoration model")
    parser.add_argument("--tasks", nargs="+", choices=list(TRIALS), default=ALONE)


def row_of(clean: Pixels, task: str, args: argparse.Namespace) -> list[Panel]:
    """Four panels: the weaker degradation as captured and restored, and the stronger."""
    scale = min(1.0, SIDE / max(clean.shape))
    size = (round(clean.shape[1] * scale), round(clean.shape[0] * scale))
    row = []
    for strength in (0, 1):
        shown = trial_of(clean, task, strength)
        data = encode(shown, quality=args.quality, effort=0, preset=Preset(analysis=args.analysis))
        found = decode(data, restore=args.model)
        assert found.restored is not None
        rate = bpp_text(len(data), clean.shape[0] * clean.shape[1])
        for pixels, words in ((found.pixels, f"{task}, {rate}"), (found.restored, "restored")):
            row.append((panel_image(pixels, None, size), f"{words}, {psnr(pixels, clean):.1f} dB"))
    return row


def run(args: argparse.Namespace) -> None:
    """Draw the sheet.

    Raises:
        SystemExit: the photograph cannot be read, a model is not here, or the sheet cannot be written.
    """
    try:
        clean = read_image(args.image)
        rows = [row_of(clean, task, args) for task in args.tasks]
        title = "one stream each: as captured and restored, at the left the weaker degradation"
        sheet_of(title, rows, SIDE).save(args.out, quality=72, optimize=True)
    except (OSError, SdcError, ValueError) as error:
        sys.exit(str(error))
    print(f"{args.out}: {len(rows)} degradations")
