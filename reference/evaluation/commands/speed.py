"""Times of decoding and encoding on every path of the compiled core, beside other codecs, in one run.

Each engine computes in a process of its own, and the first column names it.  Each run has fresh bytes and,
where there are so many, another image.  Nothing else should compute meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from sdc.codec.search import EFFORTS

from ..encoders import encoder_of
from ..options import add
from ..speed.inputs import prepared, sources
from ..speed.large import measured
from ..speed.report import machine, put_figures, tables_of
from ..speed.survey import Survey, processes


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data coco model")
    parser.add_argument("--qualities", type=int, nargs="+", default=[16, 32, 48])
    parser.add_argument("--quality", type=int, default=32, help="one of them, for what is measured once")
    parser.add_argument("--images", type=int, default=8, help="of each source, and runs of each thing")
    parser.add_argument(
        "--effort", type=int, default=3, choices=range(len(EFFORTS)), help="of the streams that are decoded"
    )
    parser.add_argument("--short", action="store_true", help="one quality, three images: about a minute")
    parser.add_argument("--large", action="store_true", help="also images of 6, 25 and 100 megapixels")
    parser.add_argument("--markdown", type=Path, help="file for the tables, or page with a place for them")


def run(args: argparse.Namespace) -> None:
    """Times of decoding and encoding on every path of the compiled core, beside other codecs, in one run."""
    qualities = [args.quality] if args.short else args.qualities
    count = min(args.images, 3) if args.short else args.images
    if args.quality not in qualities or count < 1:
        sys.exit("speed: --quality is one of --qualities, and --images at least 1")
    about = machine()
    print(about, flush=True)
    with tempfile.TemporaryDirectory() as name, processes(Path(name)) as (children, peers, variables):
        folder, coder = Path(name), encoder_of(args.model, args.effort)
        inputs = [
            prepared(source, images, folder, qualities, coder)
            for source, images in sources(args.data, args.coco, count)
        ]
        survey = Survey(children, peers, inputs, args.quality, count, args.model, variables)
        survey.everything(folder)
        if args.large:
            _large(survey, args, folder)
        text = "\n\n".join([about, *(f"### {title}\n\n{table}" for title, table in tables_of(survey))])
    print(f"\n{text}")
    if args.markdown:
        put_figures(args.markdown, text)


def _large(survey: Survey, args: argparse.Namespace, folder: Path) -> None:
    (_, ((image, _), *_)), *_ = sources(args.data, None, 1)
    for one in measured(image, folder, args.quality, 0, args.model, survey.variables):
        survey.large.append(one)
        print(one, flush=True)
