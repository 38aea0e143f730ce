"""Model files of a checkpoint: ``python -m sdc_reference.export CHECKPOINT --number N --out DIR``.

With photographs (``--data``) channels are scaled to the ranges of their integers (:mod:`.equalise`), weights
rounded so that they err together less (:mod:`.rounding`), and symbol tables fitted to what is coded
(:mod:`.symbols`).  Without, each weight goes to the nearest integer.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from sdc.networks.model import ENCODER_NETWORKS, LARGEST_ERROR_WEIGHT, LARGEST_FEATURE_WEIGHT, parse_model
from sdc.networks.network import networks_of
from sdc.networks.tensors import read_tensors

from ..model.checkpoints import load_model
from ..model.reference import ReferenceModel
from ..training.data import EXAMPLE_SIZE, examples_of, load_images
from .decoder import decoder_file
from .encoder import encoder_file
from .equalise import equalise
from .rounding import means_of, round_weights, settle_means
from .symbols import fitted_tables


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Options of the command line.

    Raises:
        SystemExit: an option is unknown, missing or out of its range.
    """
    parser = argparse.ArgumentParser(
        prog="python -m sdc_reference.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "checkpoint", type=Path, help="last.pt or weights.safetensors of a run, or a shipped model file"
    )
    parser.add_argument("--number", type=int, required=True, help="number in the registry of models")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="photographs that integers and symbol tables are fitted to"
    )
    parser.add_argument("--images", type=int, default=60, help="how many of them, evenly picked")
    parser.add_argument("--name", default="SDC reference")
    parser.add_argument(
        "--error-weights",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="how much distortion counts in the encoder's search, at qualities 0 and 63; 1 by default",
    )
    parser.add_argument(
        "--feature-weights",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="how much features count there beside squared error; not at all by default",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of model files")
    args = parser.parse_args(argv)
    if not all(0 < weight <= LARGEST_ERROR_WEIGHT for weight in args.error_weights or ()):
        parser.error(f"--error-weights are above 0, up to {LARGEST_ERROR_WEIGHT:g}")
    if not all(0 < weight <= LARGEST_FEATURE_WEIGHT for weight in args.feature_weights or ()):
        parser.error(f"--feature-weights are above 0, up to {LARGEST_FEATURE_WEIGHT:g}")
    return args


def fit_integers(model: ReferenceModel, images: Sequence[Tensor]) -> None:
    """Put a model, in place, on integers that lose little of what it does to images ``uint8 [3, H, W]``."""
    equalise(model, examples_of(images))
    crops, _, _ = next(examples_of(images))
    means = means_of(model, crops)
    round_weights(model, examples_of(images))
    settle_means(model, means, crops)


def export(
    model: ReferenceModel,
    number: int,
    name: str,
    images: Sequence[Tensor],
    *,
    error_weights: Sequence[float] | None = None,
    feature_weights: Sequence[float] | None = None,
) -> tuple[bytes, bytes]:
    """The decoder's and the encoder's file of a model, whose weights this changes.

    Args:
        model: a trained model.
        number: of the model in the registry.
        name: that the files give themselves.
        images: ``uint8 [3, H, W]``, to which integers and symbol tables are fitted; none: nothing is fitted.
        error_weights, feature_weights: as for :func:`.encoder.encoder_file`.

    Raises:
        ValueError: a layer breaks the bound of 2**24 (NETW-12), or a table leaves its type.
    """
    if images:
        fit_integers(model, images)
    decoder, encoder = decoder_file(model, name), encoder_file(model, name, error_weights, feature_weights)
    if images:
        networks = networks_of(*read_tensors(encoder), ENCODER_NETWORKS)
        decoder = decoder_file(model, name, fitted_tables(parse_model(decoder, number), networks, images))
    parse_model(decoder, number)  # proves the bound
    return decoder, encoder


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    args = arguments(argv)
    model = load_model(args.checkpoint)
    if not (model.sizes.gated and model.sizes.with_hyper):
        sys.exit("the model is an ablation: decoders gate every tap and read hyper-latents")
    images = load_images(args.data, EXAMPLE_SIZE) if args.data else []
    images = images[:: max(1, len(images) // args.images)]
    weights = {"error_weights": args.error_weights, "feature_weights": args.feature_weights}
    files = export(model, args.number, args.name, images, **weights)
    args.out.mkdir(parents=True, exist_ok=True)
    for suffix, data in zip(("", "-encoder"), files, strict=True):
        path = args.out / f"sdc-model-{args.number}{suffix}.safetensors"
        path.write_bytes(data)
        print(path, len(data), hashlib.sha256(data).hexdigest())
