"""``python -m sdc_reference.restoration``: samples, training and export of a restoration model.

``adapt`` fine-tunes another restoration network on images decoded from SDC; ``pixels`` trains a filter of
decoded images on the same samples as the model, to compare with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from sdc.errors import SdcError
from sdc.networks.registry import load_model, load_restoration, restoration_for
from sdc.types import CELL

from ..training.data import load_images
from .adapt import ADAPTED, Adaptation, adapt, file_hash, network_of
from .checkpoints import base_file, load_network, save_half, take_mean
from .clip import as_json, features_of, load_adapter, save_adapter, told_by, train_adapter
from .degradations import KINDS
from .export import restoration_file
from .joint import JointStage, add_options, joint_encoder_file
from .perceived import ST_LPIPS
from .pixels import PixelStage
from .samples import MARGIN, SIZE, make_samples, open_samples
from .told import told_of, told_table
from .training import calibrate, fit_strengths, train

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
    make.add_argument("--clean", action="store_true", help="without degradation, many of them dark")
    make.add_argument("--out", type=Path, required=True)
    run = steps.add_parser("train", help="train, or go on")
    together = steps.add_parser("joint", help="train together with an analysis for degraded images, or go on")
    beside = steps.add_parser("pixels", help="train a filter of decoded images of the same work, or go on")
    for one in (run, together, beside):
        _run_options(one)
    for one in (run, together):
        one.add_argument("--matrix-rate", type=float, default=0.01, help="learning rate of Muon")
        one.add_argument(
            "--start",
            type=Path,
            help="last.pt or weights of another run, whose tensors are taken as they fit",
        )
    add_options(together)
    run.add_argument("--teach", type=int, default=2000, help="steps in which it learns degradations first")
    write = steps.add_parser("export", help="write the model file, of integers")
    write.add_argument("checkpoint", type=Path, help="last.pt of a run, or weights in half precision")
    write.add_argument("--name", default="SDC restoration")
    write.add_argument("--out", type=Path, required=True)
    keep = steps.add_parser("keep", help="write the averaged weights in half precision")
    keep.add_argument("checkpoint", type=Path, help="last.pt of a run, or weights in half precision")
    keep.add_argument(
        "--mean", type=Path, help="weights of a run that it began with, to take the mean of what restores"
    )
    keep.add_argument("--out", type=Path, required=True)
    keep.add_argument("--samples", type=Path, help="to which the layer that tells strengths is fitted first")
    again = steps.add_parser(
        "calibrate", help="teach what derives vectors to find nothing in clean photographs"
    )
    again.add_argument("checkpoint", type=Path, help="last.pt of a run, or weights in half precision")
    again.add_argument("--samples", type=Path, required=True)
    again.add_argument("--clean", type=Path, required=True, help="samples of the option --clean")
    again.add_argument("--steps", type=int, default=700)
    again.add_argument("--weight", type=float, default=1.0, help="of what is found in clean samples")
    again.add_argument(
        "--low-light", type=float, default=1.0, help="weight of what is no longer found in low light"
    )
    again.add_argument("--seed", type=int, default=5)
    again.add_argument("--out", type=Path, required=True)
    other = steps.add_parser(
        "adapt", help="fine-tune another restoration network on decoded images, or go on"
    )
    _adapt_options(other)
    coding = steps.add_parser("encoder", help="write the encoder's file of a run of the joint stage")
    coding.add_argument("checkpoint", type=Path, help="its last.pt")
    coding.add_argument("--name", default="SDC restoration")
    coding.add_argument(
        "--part", type=float, default=1.0, help="of the way from the base's own encoder, 0 to 1"
    )
    coding.add_argument("--out", type=Path, required=True)
    _clip_options(steps)
    names = steps.add_parser("told", help="how often a restoration model names what was done to samples")
    names.add_argument("--samples", type=Path, required=True, help="of which the last file is looked at")
    names.add_argument("--model", type=int, default=4, help="number of the restoration model")
    for step in steps.choices.values():
        step.add_argument("--base", type=int, default=1, help="model whose latents are restored")
    args = parser.parse_args(argv)
    try:
        _carry_out(args)
    except (ImportError, OSError, RuntimeError, SdcError, ValueError) as error:
        sys.exit(str(error))


def _carry_out(args: argparse.Namespace) -> None:
    if args.step == "samples":
        torch.set_num_threads(1)
        images = load_images(args.data, SIZE + 2 * MARGIN)
        make_samples(images, args.count, args.seed, args.base, args.out, args.clean)
    elif args.step == "train":
        train(args)
    elif args.step == "joint":
        train(args, JointStage)
    elif args.step == "pixels":
        train(args, PixelStage)
    elif args.step == "encoder":
        args.out.write_bytes(joint_encoder_file(args.checkpoint, args.name, args.base, args.part))
    elif args.step == "adapt":
        _adapt(args)
    elif args.step in ("clip", "tell"):
        _clip(args)
    elif args.step == "told":
        _told(args)
    else:
        base = base_file(args.base)
        network = load_network(args.checkpoint, base)
        if args.step == "calibrate":
            torch.set_num_threads(1)
            samples = open_samples(args.samples)[:-1]
            clean = open_samples(args.clean)
            calibrate(network, samples, clean, args.steps, args.weight, args.low_light, args.seed)
            fit_strengths(network, samples, FITTED, 1)
            save_half(args.out, network)
        elif args.step == "export":
            args.out.write_bytes(restoration_file(network, args.name, args.base, base))
        else:
            if args.mean:
                take_mean(network, args.mean)
            if args.samples:
                fit_strengths(network, open_samples(args.samples)[:-1], FITTED, 1)
            save_half(args.out, network)


def _run_options(run: argparse.ArgumentParser) -> None:
    run.add_argument("--samples", type=Path, required=True)
    run.add_argument(
        "--features", type=Path, required=True, help=f"torchvision's weights of MobileNetV2, or {ST_LPIPS}"
    )
    run.add_argument(
        "--feature-weight",
        type=float,
        default=30.0,
        help="squared error that a variance of MobileNetV2's features, or an ST-LPIPS of 1, counts as",
    )
    run.add_argument("--out", type=Path, required=True)
    run.add_argument("--minutes", type=float, required=True)
    run.add_argument("--batch", type=int, default=8)
    run.add_argument("--rate", type=float, default=2e-3, help="learning rate of Adam")
    run.add_argument("--save-minutes", type=float, default=10.0)
    run.add_argument("--held", type=int, default=96, help="samples that are not trained on, but looked at")
    run.add_argument("--seed", type=int, default=1)
    run.add_argument("--threads", type=int, default=1)


def _adapt_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=Path, help="its weights: FFDNet or DnCNN for colour, or see --module")
    parser.add_argument("--module", help="MODULE:NAME of what gives the network, for weights of any other")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of clean photographs")
    parser.add_argument(
        "--kinds", nargs="+", choices=list(KINDS), default=["noise", "compression"], help="of degradations"
    )
    parser.add_argument("--level", type=float, default=25.0, help="of noise, of 255, that FFDNet is told")
    parser.add_argument("--out", type=Path, required=True, help=f"folder of the run, which gets {ADAPTED}")
    parser.add_argument(
        "--minutes", type=float, required=True, help="in all, those of earlier pieces included"
    )
    parser.add_argument("--batch", type=int, default=Adaptation.batch, help="crops in a step")
    parser.add_argument("--side", type=int, default=Adaptation.side, help="of a crop, a multiple of 16")
    parser.add_argument("--rate", type=float, default=Adaptation.rate, help="learning rate of Adam")
    parser.add_argument("--seed", type=int, default=Adaptation.seed)
    parser.add_argument("--threads", type=int, default=1)


def _clip_options(steps: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    learn = steps.add_parser("clip", help="train an adapter on the image features of a CLIP")
    tell = steps.add_parser(
        "tell", help="write what such an adapter says of a stream, for encode --restoration"
    )
    for one in (learn, tell):
        one.add_argument(
            "--clip", required=True, help="folder of transformers, or MODULE:NAME of any features"
        )
    learn.add_argument("checkpoint", type=Path, help="restoration model: last.pt, or half precision")
    learn.add_argument("--samples", type=Path, required=True)
    learn.add_argument("--steps", type=int, default=2000)
    learn.add_argument("--batch", type=int, default=8)
    learn.add_argument("--seed", type=int, default=1)
    tell.add_argument("stream", type=Path)
    tell.add_argument("--adapter", type=Path, required=True)
    tell.add_argument("--model", type=int, default=4, help="number of the restoration model")
    for one in (learn, tell):
        one.add_argument("--out", type=Path, required=True)


def _clip(args: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    features = features_of(args.clip)
    if args.step == "clip":
        network = load_network(args.checkpoint, base_file(args.base))
        samples = open_samples(args.samples)[:-1]
        adapter = train_adapter(features, network, samples, args.steps, args.batch, args.seed)
        save_adapter(args.out, adapter)
        return
    model = load_restoration(args.model)
    said = told_by(args.stream.read_bytes(), features, load_adapter(args.adapter), model)
    args.out.write_text(json.dumps(as_json(said)) + "\n", "utf-8")


def _told(args: argparse.Namespace) -> None:
    samples = open_samples(args.samples)
    if not samples:
        raise ValueError(f"no samples in {args.samples}")
    model = restoration_for(args.model, None, load_model(args.base))
    rows = list(samples[-1])
    print("\n".join(told_table([row["severity"] for row in rows], [told_of(row, model) for row in rows])))


def _adapt(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    if args.side < CELL or args.side % CELL or args.batch < 1 or args.minutes <= 0:
        sys.exit(f"--side wants a multiple of {CELL}, --batch and --minutes more than 0")
    network = network_of(args.network, args.level, args.module)
    how = Adaptation(
        file_hash(args.network),
        tuple(args.kinds),
        args.level,
        args.base,
        args.batch,
        args.side,
        args.rate,
        args.seed,
    )
    images = load_images(args.data, args.side + 2 * MARGIN)
    adapt(network, images, how, args.out, args.minutes)
