"""Multiply-adds per pixel of decoding and encoding, and bytes of weights."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sdc.coding.passes import BLOCK
from sdc.networks.model import Model
from sdc.networks.operators import Operator
from sdc.networks.registry import load_encoder, load_model

from ..encoders import model_files
from ..options import add

CELL_PIXELS = 256
TARGET_WORK, TARGET_BYTES = 15, 4_000_000
"""Thousands of multiply-adds per pixel of decoding, and bytes of the decoder's weights, at most."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "model")


def multiply_adds(network: Sequence[Operator], factor: int = 1, share: float = 1.0) -> float:
    """Multiply-adds of a network for each cell (or block) that it runs on.

    Args:
        factor: sites per side of a cell at its input.
        share: of the cells whose output is wanted; what comes before the last depthwise layer is needed
            for all of them.
    """
    last = max((k for k, op in enumerate(network) if op.radius), default=0)
    total = 0.0
    for k, op in enumerate(network):
        total += op.multiply_adds * factor**2 * (share if k >= last else 1)
        factor = op.factor_behind(factor)
    return total


def decoder_work(model: Model) -> dict[str, float]:
    """Multiply-adds per pixel of decoding a whole image by ``hyper``, ``contexts`` and ``synthesis``.

    A context's output is wanted in the cells of one parity, half of them.
    """
    nets = model.networks
    contexts = (n for name, n in nets.items() if name.startswith("context."))
    cell = {
        "hyper": multiply_adds(nets["hyper"]) / BLOCK**2,
        "contexts": sum(multiply_adds(n, share=0.5) for n in contexts),
        "synthesis": multiply_adds(nets["synthesis"]),
    }
    return {name: count / CELL_PIXELS for name, count in cell.items()}


def run(args: argparse.Namespace) -> None:
    """Multiply-adds per pixel of decoding and encoding, and bytes of weights."""
    decoder, encoder = load_model(args.model), load_encoder(args.model).networks
    parts = decoder_work(decoder)
    for name, count in parts.items():
        print(f"{name:16s} {count / 1000:7.2f} kMAC/pixel")
    print(f"{'decoding':16s} {sum(parts.values()) / 1000:7.2f} kMAC/pixel, target {TARGET_WORK}")
    cell = multiply_adds(encoder["analysis"], factor=2) + multiply_adds(encoder["hyper_cells"])
    analysis = (cell + multiply_adds(encoder["hyper_blocks"]) / BLOCK**2) / CELL_PIXELS
    print(f"{'analysis':16s} {analysis / 1000:7.2f} kMAC/pixel")
    total = analysis + parts["hyper"] + parts["contexts"]
    print(f"{'encoding':16s} {total / 1000:7.2f} kMAC/pixel, at ordinary effort: analysis, hyper, contexts")
    sizes = [len(data) for data in model_files(args.model)]
    print(f"weights of the decoder {sizes[0]} bytes, target {TARGET_BYTES}; of the encoder {sizes[1]} bytes")
