"""Speed of the entropy coder, shares of skipped symbols and escapes, bytes above the ideal."""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass

import numpy as np

from sdc.coding.passes import GroupCoder, Symbols
from sdc.coding.rans import TOTAL, Decoder, Encoder
from sdc.coding.symbols import read_symbols, tables_of, write_symbols
from sdc.format.latn import decode_symbols
from sdc.format.parse import parse
from sdc.networks.model import Model
from sdc.networks.registry import load_model
from sdc.types import Array

from ..encoders import encoder_of
from ..images import photographs
from ..options import add
from ..timing import median_time


def arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add(parser, "data! qualities effort model")


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
    ((_, sites, symbols),) = decode_symbols(stream, model, [0], keep_residuals=True)
    assert isinstance(symbols, Symbols)
    coder = GroupCoder(sites, model)
    indices = [np.tile(model.hyper_index[group.quality], len(symbols.hyper))]
    residuals = [symbols.hyper.reshape(-1)]
    known = np.zeros_like(symbols.latents)
    for k, cells, index, _ in coder.coding_passes(coder.hyper_values(symbols.hyper), known):
        _, a, b = model.passes[k]
        known[cells, a:b] = symbols.latents[cells, a:b]
        indices.append(index.reshape(-1).astype(np.int64))
        residuals.append(symbols.residuals[cells, a:b].reshape(-1).astype(np.int64))
    assert group.payload is not None
    return Coded(np.concatenate(indices), np.concatenate(residuals), group.payload, model)


def ideal_bits(coded: Coded) -> tuple[float, int]:
    """``(-log2 of the tables' probabilities, with the plain bits of escapes; number of escapes)``."""
    kept = np.flatnonzero(coded.indices)
    t, r = coded.indices[kept], coded.residuals[kept]
    tables = tables_of(coded.model)
    entry, beyond = tables.entries(t, r)
    bits = -np.log2(tables.frequencies[entry] / TOTAL).sum()
    rest, escaped = np.floor(np.log2(np.maximum(beyond, 1))), beyond > 0
    return float(bits + (2 * rest + 2)[escaped].sum()), int(escaped.sum())


def run(args: argparse.Namespace) -> None:
    """Speed of the entropy coder, shares of skipped symbols and escapes, bytes above the ideal."""
    coder = encoder_of(args.model, args.effort)
    print("quality  coded/pixel  skipped  escapes  above ideal  encoded/s  decoded/s")
    for quality in args.qualities:
        found = [
            figures_of(coded_symbols(coder(image, quality=quality)), image.shape[0] * image.shape[1])
            for _, image in photographs(args.data)
        ]
        rows = [row for row in found if row is not None]
        if rows:
            each, skipped, escapes, above, encoded, decoded = map(statistics.mean, zip(*rows, strict=True))
            print(
                f"{quality:7d}  {each:11.3f}  {skipped:7.1%}  {escapes:7.3%}  {above:11.3%}  "
                f"{encoded / 1e6:7.2f} M  {decoded / 1e6:7.2f} M",
                flush=True,
            )


def figures_of(coded: Coded, area: int) -> tuple[float, ...] | None:
    """What the command prints of one image, as numbers; None where no symbol is coded.

    Args:
        area: of the image, in pixels.

    Raises:
        AssertionError: the symbols do not make the stream.
    """
    tables, count = tables_of(coded.model), int(np.count_nonzero(coded.indices))

    def write() -> bytes:
        encoder = Encoder()
        write_symbols(encoder, coded.indices, coded.residuals, tables)
        return encoder.finish()

    if write() != coded.payload:
        raise AssertionError("the symbols do not make the stream")
    if not count:
        return None
    bits, escapes = ideal_bits(coded)
    return (
        count / area,
        1 - count / len(coded.indices),
        escapes / count,
        len(coded.payload) * 8 / bits - 1,
        count / median_time(write, 1),
        count / median_time(lambda: read_symbols(Decoder(coded.payload), coded.indices, tables), 1),
    )
