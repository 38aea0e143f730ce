"""Model files of a checkpoint: ``python -m sdc_reference.export.export CHECKPOINT --number N --out DIR``.

The decoder's file holds integers only and is refused when any output channel could leave the
bound of 2**24 (NETW-12).  The encoder's file holds the integer analysis and the two small float
networks of the hyper analysis.

With photographs (``--data``) channels are scaled to the ranges of their integers (:mod:`.equalise`), weights
rounded so that they err together less (:mod:`.rounding`), and symbol tables fitted to what is coded.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.networks.model import ENCODER_NETWORKS, LARGEST_ERROR_WEIGHT, parse_model
from sdc.networks.model import Model as Decoder
from sdc.networks.network import Network, networks_of
from sdc.networks.profile import QUALITIES
from sdc.networks.tensors import read_tensors, write_tensors

from ..model.layers import HIDDEN, HYPER, LATENT, STREAM, Block, Depthwise, Pointwise, QualityBias
from ..model.networks import SCALE_MIN, SCALE_STEP, SCALES, Context, Model, shuffled
from ..training.data import EXAMPLE_SIZE, examples_of, load_pictures
from ..training.train import load_model
from .equalise import equalise
from .rounding import means_of, round_weights, settle_means

Tensors = dict[str, np.ndarray[Any, Any]]
Ops = list[dict[str, Any]]

REACH_SIGMAS = 4.5
"""Residuals up to this many standard deviations stand in the tables; the rest are escapes."""


PRIOR_WEIGHT = 200
"""Counted symbols that the Gaussian weighs as much as, in a fitted table."""


FIT_SIZE = 320
FIT_QUALITIES = range(4, QUALITIES, 8)


def gaussian_mass(sigma: float) -> list[float]:
    """Probabilities of a rounded zero-mean Gaussian: residuals -R..R, then all others."""
    reach = min(127, max(1, math.ceil(REACH_SIGMAS * sigma)))
    edges = [0.5 * (1 + math.erf((r - 0.5) / sigma / math.sqrt(2))) for r in range(-reach, reach + 2)]
    mass = [b - a for a, b in pairwise(edges)]
    return [*mass, max(1 - sum(mass), 0.0)]


def frequencies_of(mass: Sequence[float]) -> list[int]:
    """Frequencies of at least 1 that sum to 2**15; what rounding leaves goes to the residual 0."""
    room = (1 << 15) - len(mass)
    freqs = [1 + int(m * room) for m in mass]
    freqs[(len(mass) - 2) // 2] += (1 << 15) - sum(freqs)
    return freqs


def gaussian_tables() -> list[list[float]]:
    """Probabilities of the tables of scale indices 1 to 63."""
    return [gaussian_mass(SCALE_MIN * math.exp(t * SCALE_STEP)) for t in range(1, SCALES)]


def fitted_tables(
    model: Decoder, encoder: Mapping[str, Network], pictures: Sequence[torch.Tensor]
) -> list[list[float]]:
    """Tables of a model fitted to what it codes, made symmetric.

    Args:
        model, encoder: the model with Gaussian tables.
        pictures: ``uint8 [3, H, W]``; a crop from the middle of each is coded at several qualities.
    """
    past = 1 << 11
    counts = np.zeros((SCALES, 2 * past + 1), np.int64)

    def count(index: np.ndarray[Any, Any], residuals: np.ndarray[Any, Any]) -> None:
        flat = index.reshape(-1) * (2 * past + 1) + np.clip(residuals.reshape(-1), -past, past) + past
        counts.reshape(-1)[:] += np.bincount(flat, minlength=counts.size)

    for picture in pictures:
        y, x = ((n - min(n, FIT_SIZE)) // 2 for n in picture.shape[1:])
        crop = picture[:, y : y + FIT_SIZE, x : x + FIT_SIZE].permute(1, 2, 0).contiguous().numpy()
        cells = np.ones((-(-crop.shape[0] // 16), -(-crop.shape[1] // 16)), np.uint8)
        for quality in FIT_QUALITIES:
            sites = sites_of(cells, [quality], [0])
            targets = analysis_transform(crop, sites, encoder)
            coder = GroupCoder(sites, model, quality)
            hyper = hyper_analysis(targets, coder, encoder)
            count(np.tile(model.hyper_index[quality], (len(hyper), 1)).astype(np.int64), hyper)
            _, symbols = encode_group(targets, hyper, coder)
            latents = np.zeros_like(symbols.latents)
            for k, at, index, _ in coder.coding_passes(coder.hyper_values(hyper), latents):
                _, a, b = model.passes[k]
                count(index, symbols.residuals[at, a:b].astype(np.int64))
                latents[at, a:b] = symbols.latents[at, a:b]
    tables = []
    for gaussian, seen in zip(gaussian_tables(), counts[1:], strict=True):
        reach = (len(gaussian) - 2) // 2
        inside = seen[past - reach : past + reach + 1]
        inside = (inside + inside[::-1]) / 2
        mass = np.append(inside, seen.sum() - inside.sum()) + np.array(gaussian) * PRIOR_WEIGHT
        tables.append((mass / mass.sum()).tolist())
    return tables


class _Writer:
    """Collects the tensors and operators of one file."""

    def __init__(self) -> None:
        self.tensors: Tensors = {}

    def affine(
        self, name: str, layers: list[Pointwise] | Depthwise, rows: Any = None, cols: Any = None
    ) -> Ops:
        """A pointwise layer (several side by side become one) or a depthwise one.

        ``rows`` and ``cols`` reorder output and input channels from torch's order to ours.
        """
        parts = [layers] if isinstance(layers, Depthwise) else layers
        weight, bias, shift = (torch.cat(t) for t in zip(*(p.integers() for p in parts), strict=True))
        weight = weight.flatten(1)
        if cols is not None:
            weight = weight[:, cols]
        if rows is not None:
            weight, bias, shift = weight[rows], bias[rows], shift[rows]
        self.tensors[name + ".weight"] = weight.numpy().astype("<i2")
        self.tensors[name + ".bias"] = bias.numpy().astype("<i4")
        self.tensors[name + ".shift"] = shift.numpy().astype("u1")
        lo, hi = min(p.dst.lo for p in parts), max(p.dst.hi for p in parts)
        kind = "depthwise" if isinstance(layers, Depthwise) else "pointwise"
        return [{"op": kind, "name": name, "clamp": [lo, hi]}]

    def quality(self, name: str, layer: QualityBias) -> Ops:
        table = torch.round(layer.rows().detach() * 2.0**layer.dst.frac)
        if float(table.abs().max()) > 32767:
            raise ValueError(f"table of {name} leaves 16 bits: {float(table.abs().max()):.0f}")
        self.tensors[name + ".table"] = table.numpy().astype("<i2")
        return [{"op": "quality", "name": name, "clamp": [layer.dst.lo, layer.dst.hi]}]

    def block(self, name: str, block: Block) -> Ops:
        add = {"op": "add", "clamp": [STREAM.lo, STREAM.hi]}
        return [
            {"op": "push"},
            *self.affine(f"{name}.reduce", [block.reduce]),
            *self.affine(f"{name}.spatial", block.spatial),
            *self.affine(f"{name}.project", [block.project]),
            add,
            {"op": "push"},
            *self.affine(f"{name}.expand", [block.expand]),
            *self.affine(f"{name}.contract", [block.contract]),
            add,
        ]

    def blocks(self, name: str, stages: Iterable[tuple[QualityBias | None, Block]]) -> Ops:
        ops: Ops = []
        for k, (bias, block) in enumerate(stages):
            ops += [] if bias is None else self.quality(f"{name}.{k}.quality", bias)
            ops += self.block(f"{name}.{k}", block)
        return ops

    def real(self, name: str, weight: torch.Tensor, bias: torch.Tensor, clamp: list[int]) -> Ops:
        self.tensors[name + ".weight"] = weight.detach().flatten(1).numpy().astype("<f4")
        self.tensors[name + ".bias"] = bias.detach().numpy().astype("<f4")
        return [{"op": "pointwise", "name": name, "clamp": clamp}]


def _context(w: _Writer, name: str, context: Context) -> Ops:
    local: Ops = []
    if context.local:
        local = w.affine(f"{name}.embed", [context.embed]) + w.affine(f"{name}.spatial", context.spatial)
    return [
        *local,
        {"op": "hyper"},
        *w.affine(f"{name}.merge", [context.merge]),
        *w.affine(f"{name}.mix", [context.mix]),
        *w.affine(f"{name}.heads", [context.index, context.mean]),
    ]


@torch.no_grad()
def decoder_file(model: Model, name: str, probabilities: Sequence[Sequence[float]] | None = None) -> bytes:
    """The normative model file; with tables of Gaussians unless it is given others."""
    s, w = model.sizes, _Writer()
    hyper, synthesis = model.hyper, model.synthesis
    networks = {
        "hyper": [
            *w.affine("hyper.expand", [hyper.expand]),
            *w.quality("hyper.quality", hyper.quality),
            *w.affine("hyper.spread", [hyper.spread], rows=shuffled(16 * s.features, 4)),
            {"op": "shuffle", "factor": 4},
        ],
        **{f"context.{k}": _context(w, f"context.{k}", c) for k, c in enumerate(model.context)},
        "synthesis": [
            *w.affine("synthesis.first", [synthesis.first], rows=shuffled(4 * s.channels, 2)),
            {"op": "shuffle", "factor": 2},
            *w.blocks("synthesis", synthesis.stages()),
            *w.affine("synthesis.last", [synthesis.last], rows=shuffled(192, 8)),
            {"op": "shuffle", "factor": 8},
        ],
    }
    tables = {n: t.numpy() for n, t in model.tables().items()}
    frequencies = [frequencies_of(mass) for mass in probabilities or gaussian_tables()]
    w.tensors |= {n: t.astype("u1" if n == "hyper_index" else "<i2") for n, t in tables.items()}
    for n, t in tables.items():
        if not np.array_equal(t, w.tensors[n]):
            raise ValueError(f"table {n} leaves 16 bits: {t.min()} to {t.max()}")
    w.tensors["reach"] = np.array([0, *((len(f) - 2) // 2 for f in frequencies)], "u1")
    w.tensors["frequency"] = np.concatenate([np.array(f) for f in frequencies]).astype("<i2")
    return write_tensors(
        w.tensors,
        {
            "profile": 1,
            "name": name,
            "latents": s.latents,
            "hyper": s.hyper,
            "passes": [list(p) for p in model.passes],
            "shifts": {"index": 3, "mean": 10, "step": 10, "hyper": 4},
            "ranges": {"latent": [LATENT.lo, LATENT.hi], "hyper": [HYPER.lo, HYPER.hi]},
            "networks": networks,
        },
    )


@torch.no_grad()
def encoder_file(model: Model, name: str, error_weight: float = 1.0) -> bytes:
    """What encodes for a model; not normative.

    Args:
        error_weight: how much squared error counts in the search (:class:`sdc.networks.model.Encoder`).
    """
    s, w = model.sizes, _Writer()
    analysis, hyper = model.analysis, model.hyper
    gather: nn.Conv2d = hyper.gather
    unit = 2.0**-LATENT.frac
    wide = 1 << 30
    cell = hyper.cell
    # Real-valued networks take and give integers: scale the weights at either end.
    cell_ops = w.real(
        "hyper_cells.0", cell.weight * unit * 2.0**HIDDEN.frac, cell.bias * 2.0**HIDDEN.frac, [0, HIDDEN.hi]
    )
    gather_weight = gather.weight.permute(0, 2, 3, 1).flatten(1) * 2.0**-HIDDEN.frac
    code = hyper.code
    block_ops = [
        *w.real("hyper_blocks.0", gather_weight, gather.bias, [0, wide]),
        *w.real("hyper_blocks.1", code.weight * 2.0**HYPER.frac, code.bias * 2.0**HYPER.frac, [-wide, wide]),
    ]
    networks = {
        "analysis": [
            *w.affine("analysis.first", [analysis.first], cols=shuffled(192, 8)),
            *w.blocks("analysis", analysis.stages()),
            {"op": "unshuffle", "factor": 2},
            *w.affine("analysis.last", [analysis.last], cols=shuffled(4 * s.channels, 2)),
            *(
                op
                for k, bias in enumerate(analysis.offsets)
                for op in w.quality(f"analysis.offsets.{k}", bias)
            ),
        ],
        "hyper_cells": cell_ops,
        "hyper_blocks": block_ops,
    }
    weight = {} if error_weight == 1 else {"error_weight": error_weight}
    return write_tensors(w.tensors, {"profile": 1, "name": name + " encoder", **weight, "networks": networks})


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path, help="last.pt of a training run")
    parser.add_argument("--number", type=int, required=True, help="number in the registry of models")
    parser.add_argument(
        "--data", type=Path, nargs="+", help="photographs that integers and symbol tables are fitted to"
    )
    parser.add_argument("--pictures", type=int, default=60, help="how many of them, evenly picked")
    parser.add_argument("--name", default="SDC reference")
    parser.add_argument(
        "--error-weight",
        type=float,
        default=1.0,
        help="how much squared error counts in the encoder's search: above 1 if trained for more than it",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of model files")
    args = parser.parse_args(argv)
    if not 0 < args.error_weight <= LARGEST_ERROR_WEIGHT:
        parser.error(f"--error-weight is above 0, up to {LARGEST_ERROR_WEIGHT:g}")
    model = load_model(args.checkpoint)
    if not (model.sizes.gated and model.sizes.with_hyper):
        sys.exit("the model is an ablation: decoders gate every tap and read hyper-latents")
    if args.data:
        pictures = load_pictures(args.data, EXAMPLE_SIZE)
        pictures = pictures[:: max(1, len(pictures) // args.pictures)]
        equalise(model, examples_of(pictures))
        crops, _, _ = next(examples_of(pictures))
        means = means_of(model, crops)
        round_weights(model, examples_of(pictures))
        settle_means(model, means, crops)
    decoder, encoder = decoder_file(model, args.name), encoder_file(model, args.name, args.error_weight)
    if args.data:
        tables = fitted_tables(
            parse_model(decoder, args.number), networks_of(*read_tensors(encoder), ENCODER_NETWORKS), pictures
        )
        decoder = decoder_file(model, args.name, tables)
    parse_model(decoder, args.number)  # proves the bound
    args.out.mkdir(parents=True, exist_ok=True)
    for suffix, data in (("", decoder), ("-encoder", encoder)):
        path = args.out / f"sdc-model-{args.number}{suffix}.safetensors"
        path.write_bytes(data)
        print(path, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
