"""What it takes in numbers: multiply-adds, weights, framing, symbols."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdc.coding.labels import encode_map
from sdc.coding.passes import BLOCK, GroupCoder
from sdc.coding.rans import TOTAL, Decoder, Encoder
from sdc.coding.symbols import read_symbols, tables_of, write_symbols
from sdc.format.latn import decode_symbols
from sdc.format.parse import parse
from sdc.networks.model import Model
from sdc.networks.operators import Op
from sdc.networks.registry import load_encoder, load_model
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import Array

from .common import encoder_of, model_files, photographs
from .times import median_time

CELL_PIXELS = 256


def multiply_adds(network: Sequence[Op], factor: int = 1, share: float = 1.0) -> float:
    """Multiply-adds of a network for each cell (or block) that it runs on.

    Args:
        factor: sites per side of a cell at its input.
        share: of the cells whose output is wanted; what comes before the last depthwise layer is needed
            for all of them.
    """
    last = max((k for k, op in enumerate(network) if op.kind == "depthwise"), default=0)
    total = 0.0
    for k, op in enumerate(network):
        if op.weight is not None:
            total += op.weight.size * factor**2 * (share if k >= last else 1)
        elif op.kind == "shuffle":
            factor *= op.factor
        elif op.kind == "unshuffle":
            factor //= op.factor
    return total


def decoder_work(model: Model) -> dict[str, float]:
    """Multiply-adds per pixel of decoding a whole picture by ``hyper``, ``contexts`` and ``synthesis``.

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


def work(args: argparse.Namespace) -> None:
    """Multiply-adds per pixel of decoding and encoding, and bytes of weights."""
    decoder, encoder = load_model(args.model), load_encoder(args.model).networks
    parts = decoder_work(decoder)
    for name, count in parts.items():
        print(f"{name:16s} {count / 1000:7.2f} kMAC/pixel")
    print(f"{'decoding':16s} {sum(parts.values()) / 1000:7.2f} kMAC/pixel, asked 15")
    cell = multiply_adds(encoder["analysis"], factor=2) + multiply_adds(encoder["hyper_cells"])
    analysis = (cell + multiply_adds(encoder["hyper_blocks"]) / BLOCK**2) / CELL_PIXELS
    print(f"{'analysis':16s} {analysis / 1000:7.2f} kMAC/pixel")
    total = analysis + parts["hyper"] + parts["contexts"]
    print(f"{'encoding':16s} {total / 1000:7.2f} kMAC/pixel, at ordinary effort: analysis, hyper, contexts")
    sizes = [len(data) for data in model_files(args.model)]
    print(f"weights of the decoder {sizes[0]} bytes, asked 4000000; of the encoder {sizes[1]} bytes")


@dataclass(frozen=True, eq=False)
class Coded:
    """Symbols of a group in coding order: ``int64 [n]`` each, and the payload that holds them."""

    indices: Array
    residuals: Array
    payload: bytes
    model: Model


def coded_symbols(data: bytes) -> Coded:
    """All symbols of a stream's first group, hyper residuals first."""
    stream = parse(data)
    model, group = load_model(stream.head.model), stream.groups[0]
    sites, symbols = decode_symbols(stream, model, 0, keep_residuals=True)
    coder = GroupCoder(sites, model, group.quality)
    indices = [np.tile(model.hyper_index[group.quality], len(symbols.hyper))]
    residuals = [symbols.hyper.reshape(-1)]
    known = np.zeros_like(symbols.latents)
    for k, cells, index, _ in coder.walk(coder.hyper_values(symbols.hyper), known):
        _, a, b = model.passes[k]
        known[cells, a:b] = symbols.latents[cells, a:b]
        indices.append(index.reshape(-1))
        residuals.append(symbols.residuals[cells, a:b].reshape(-1).astype(np.int64))
    assert group.payload is not None
    return Coded(np.concatenate(indices), np.concatenate(residuals), group.payload, model)


def ideal_bits(coded: Coded) -> tuple[float, int]:
    """``(-log2 of the tables' probabilities, with the plain bits of escapes; number of escapes)``."""
    kept = np.flatnonzero(coded.indices)
    t, r = coded.indices[kept], coded.residuals[kept]
    reach = coded.model.reach[t]
    escaped = np.abs(r) > reach
    base, _, freqs = tables_of(coded.model).encoding
    entry = base[t] + np.where(escaped, 2 * reach + 1, r + reach)
    bits = -np.log2(freqs[entry] / TOTAL).sum()
    rest = np.floor(np.log2(np.maximum(np.abs(r) - reach, 1)))
    return float(bits + (2 * rest + 2)[escaped].sum()), int(escaped.sum())


def entropy(args: argparse.Namespace) -> None:
    """Speed of the entropy coder, shares of skipped symbols and escapes, bytes above the ideal."""
    coder = encoder_of(args)
    print("quality  coded/pixel  skipped  escapes  above ideal  encoded/s  decoded/s")
    for quality in args.qualities:
        rows = []
        for _, picture in photographs(args.data):
            coded = coded_symbols(coder(picture, quality=quality))
            tables, count = tables_of(coded.model), int(np.count_nonzero(coded.indices))

            def write(coded: Coded = coded) -> bytes:
                encoder = Encoder()
                write_symbols(encoder, coded.indices, coded.residuals, tables_of(coded.model))
                return encoder.finish()

            if write() != coded.payload:
                raise AssertionError("the symbols do not make the stream")
            if not count:
                continue
            bits, escapes = ideal_bits(coded)
            reading = median_time(lambda c=coded, t=tables: read_symbols(Decoder(c.payload), c.indices, t), 1)
            rows.append(
                (
                    count / (picture.size / 3),
                    1 - count / len(coded.indices),
                    escapes / count,
                    len(coded.payload) * 8 / bits - 1,
                    count / median_time(write, 1),
                    count / reading,
                )
            )
        if rows:
            each, skipped, escapes, above, encoded, decoded = (
                statistics.mean(v) for v in zip(*rows, strict=True)
            )
            print(
                f"{quality:7d}  {each:11.3f}  {skipped:7.1%}  {escapes:7.3%}  {above:11.3%}  "
                f"{encoded / 1e6:7.2f} M  {decoded / 1e6:7.2f} M",
                flush=True,
            )


def budget(args: argparse.Namespace) -> None:
    """Framing and mask bytes."""
    source = json.loads((args.coco / "instances.json").read_text())
    coder = encoder_of(argparse.Namespace(model=args.model, effort=None))
    masks, framing = [], []
    for row in source["images"]:
        height, width = row["height"], row["width"]
        objects = Object.load(source, width, height, row["file_name"])
        # The budget is stated for 48x32 cells: the objects stretched to 768x512, on their side if upright.
        size = (768, 512) if width >= height else (512, 768)
        grouped = group_map(Object.load(source, *size, row["file_name"]), *size)
        masks.append(len(encode_map(grouped.labels, len(grouped.levels))))
        noise = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
        data = coder(noise, objects=objects, metadata=False)
        stream = parse(data)
        payloads = sum(len(g.payload or b"") for g in stream.groups) + len(stream.mask or b"")
        if len(stream.groups) == 4:
            framing.append(len(data) - payloads)
    print(f"{len(masks)} maps of 48x32 cells: mean {statistics.mean(masks):.1f} bytes, largest {max(masks)}")
    print(
        f"framing of the {len(framing)} streams with four groups: mean {statistics.mean(framing):.1f} bytes, "
        f"largest {max(framing)}"
    )
