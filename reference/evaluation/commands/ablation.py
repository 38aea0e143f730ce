"""What context and hyperprior save: bytes, and bytes at an equal value of distortion."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from sdc.codec.distortion import squared_error
from sdc.codec.search import weight_of
from sdc.codec.tiles import pad_to_cells
from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.networks.registry import load_encoder, load_model

from ..images import photographs
from ..options import add


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! qualities model")


def run(args: argparse.Namespace) -> None:
    """What context and hyperprior save: bytes, and bytes at an equal value of distortion."""
    model, encoder = load_model(args.model), load_encoder(args.model).networks

    class NoContext(GroupCoder):
        def parameters(self, k: int, band: Any, latents: Any, features: Any) -> Any:
            return super().parameters(k, band, np.zeros_like(latents), features)

    for quality in args.qualities:
        sums = np.zeros((3, 2))  # bits and lambda * squared error of: all, no context, no hyper-latents
        for _, image in photographs(args.data):
            size = (image.shape[0], image.shape[1])
            cells = np.ones((-(-image.shape[0] // 16), -(-image.shape[1] // 16)), np.uint8)
            sites = sites_of(cells, [quality], [0])
            latents = analysis_transform(image, sites, encoder)
            coder = GroupCoder(sites, model)
            hyper = hyper_analysis(latents, coder, encoder)
            ways = [
                (hyper, coder),
                (hyper, NoContext(sites, model)),
                (np.zeros_like(hyper), coder),
            ]
            for row, (symbols, how) in zip(sums, ways, strict=True):
                payload, decoded = encode_group(latents, symbols, how)
                error, _ = squared_error(
                    decoded.latents, sites, model, pad_to_cells(image), size, gradient=False
                )
                row += len(payload) * 8, weight_of(quality) * error
        (full, _), *less = sums
        for name, (bits, _), cost in zip(
            ("context", "hyper-latents"), less, sums[1:].sum(1) - sums[0].sum(), strict=True
        ):
            print(
                f"quality {quality:2d}  without {name}: {bits / full - 1:+.1%} bytes, "
                f"{cost / full:+.1%} with the distortion that it adds",
                flush=True,
            )
