"""``python -m sdc_reference.restoration``: samples, training and export of a restoration model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from sdc.networks.registry import models_folder

from ..training.data import load_images
from .checkpoints import load_network, save_half
from .export import restoration_file
from .samples import MARGIN, SIZE, make_samples, open_samples
from .training import fit_strengths, train

FITTED = 6000
"""Samples to which strengths are fitted."""


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m sdc_reference.restoration", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    make = steps.add_parser("samples", help="make samples of folders of clean photographs")
    make.add_argument("--data", type=Path, nargs="+", required=True)
    make.add_argument("--count", type=int, default=14000)
    make.add_argument("--seed", type=int, default=7)
    make.add_argument("--out", type=Path, required=True)
    run = steps.add_parser("train", help="train, or go on")
    run.add_argument("--samples", type=Path, required=True)
    run.add_argument("--features", type=Path, required=True, help="torchvision's weights of MobileNetV2")
    run.add_argument("--feature-weight", type=float, default=30.0)
    run.add_argument(
        "--start", type=Path, help="last.pt or weights of another run, whose tensors are taken as they fit"
    )
    run.add_argument("--teach", type=int, default=2000, help="steps in which it learns degradations first")
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--minutes", type=float, required=True)
    run.add_argument("--batch", type=int, default=8)
    run.add_argument("--matrix-rate", type=float, default=0.01)
    run.add_argument("--rate", type=float, default=2e-3)
    run.add_argument("--save-minutes", type=float, default=10.0)
    run.add_argument("--held", type=int, default=96, help="samples that are not trained on, but looked at")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--threads", type=int, default=1)
    write = steps.add_parser("export", help="write the model file, of integers")
    write.add_argument("checkpoint", type=Path, help="last.pt of a run, or weights in half precision")
    write.add_argument("--name", default="SDC restoration")
    write.add_argument("--out", type=Path, required=True)
    keep = steps.add_parser("keep", help="write the averaged weights in half precision")
    keep.add_argument("checkpoint", type=Path, help="last.pt of a run")
    keep.add_argument("--out", type=Path, required=True)
    keep.add_argument("--samples", type=Path, help="to which the layer that tells strengths is fitted first")
    for step in (make, run, write, keep):
        step.add_argument("--base", type=int, default=1, help="model whose latents are restored")
    args = parser.parse_args(argv)
    if args.step == "samples":
        torch.set_num_threads(1)
        make_samples(load_images(args.data, SIZE + 2 * MARGIN), args.count, args.seed, args.base, args.out)
    elif args.step == "train":
        train(args)
    else:
        base = models_folder() / f"sdc-model-{args.base}.safetensors"
        network = load_network(args.checkpoint, base)
        if args.step == "export":
            args.out.write_bytes(restoration_file(network, args.name, args.base, base))
        else:
            if args.samples:
                fit_strengths(network, open_samples(args.samples)[:-1], FITTED, 1)
            save_half(args.out, network)
