"""The command; see the package."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sdc.analysis.finder import finder, read_finder
from sdc.errors import SdcError

from .export import SEARCHED, export_run, with_first_layers
from .measure import measure
from .samples import Teachers, samples_of
from .teacher import learn, teach
from .training import train


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m sdc_reference.finder", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    make = steps.add_parser("samples", help="make samples of folders of images")
    make.add_argument("--data", type=Path, nargs="+", required=True)
    make.add_argument("--teachers", type=Path, required=True, help="folder of the ONNX networks")
    make.add_argument("--out", type=Path, required=True)
    head = steps.add_parser("head", help="heads on a vision transformer learn from outlined samples")
    head.add_argument("--samples", type=Path, required=True)
    head.add_argument("--weights", type=Path, required=True, help="DINOv2's, as a file of torch")
    head.add_argument("--out", type=Path, required=True)
    head.add_argument("--heads", type=int, default=2)
    head.add_argument("--steps", type=int, default=300)
    soft = steps.add_parser("teach", help="write samples whose maps the heads have taught")
    soft.add_argument("--samples", type=Path, required=True)
    soft.add_argument("--weights", type=Path, required=True, help="DINOv2's, as a file of torch")
    soft.add_argument("--heads", type=Path, required=True)
    soft.add_argument("--out", type=Path, required=True)
    run = steps.add_parser("train", help="train, or go on")
    run.add_argument("--samples", type=Path, required=True)
    run.add_argument(
        "--start", type=Path, required=True, help="torchvision's weights of MobileNetV2, or another run"
    )
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--minutes", type=float, required=True)
    run.add_argument("--batch", type=int, default=12)
    run.add_argument("--rate", type=float, default=2e-3)
    run.add_argument("--backbone-rate", type=float, default=1e-4)
    run.add_argument(
        "--keep",
        type=int,
        default=0,
        metavar="LAYERS",
        help=f"so many first layers stay as they are: {SEARCHED} for what the search compares images by",
    )
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--threads", type=int, default=1)
    run.add_argument("--single", action="store_true", help="compute in single precision, not in bfloat16")
    make = steps.add_parser("export", help="write the file of integers")
    make.add_argument("--network", type=Path, required=True, help="last.pt of a run")
    make.add_argument("--samples", type=Path, required=True)
    make.add_argument("--out", type=Path, required=True)
    make.add_argument(
        "--kept",
        type=Path,
        metavar="FILE",
        help=f"of integers, whose first {SEARCHED} layers training has kept",
    )
    test = steps.add_parser("measure", help="how much of true objects it finds")
    test.add_argument("--coco", type=Path, required=True)
    test.add_argument("--file", type=Path, help="of integers; by default the shipped one")
    args = parser.parse_args(argv)
    try:
        _carry_out(args)
    except (OSError, SdcError, ValueError) as error:
        raise SystemExit(str(error)) from None


def _carry_out(args: argparse.Namespace) -> None:
    if args.step == "samples":
        _samples(args)
    elif args.step == "head":
        learn(args.samples, args.weights, args.out, args.heads, args.steps)
    elif args.step == "teach":
        teach(args.samples, args.weights, args.heads, args.out)
    elif args.step == "train":
        train(args)
    elif args.step == "export":
        data = export_run(args.network, args.samples)
        args.out.write_bytes(with_first_layers(data, args.kept.read_bytes(), SEARCHED) if args.kept else data)
    else:
        measure(args.coco, read_finder(args.file.read_bytes()) if args.file else finder())


def _samples(args: argparse.Namespace) -> None:
    """Make the samples that are not there yet."""
    args.out.mkdir(parents=True, exist_ok=True)
    teachers = Teachers(args.teachers)
    for folder in args.data:
        for name, sample in samples_of(folder, teachers):
            sample.save(args.out / f"{folder.name}-{Path(name).stem}.npz")
