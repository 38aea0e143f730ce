"""Stage vectors: every number between the bytes and the pixels of two small pictures.

The networks are computed here operator by operator as section 10 says, with dictionaries of sites and
integers, and not by the runner of ``sdc``; the end must agree with it all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sdc.coding.rans import Decoder
from sdc.format.chunks import REST
from sdc.format.parse import parse
from sdc.format.rest import read_restoration
from sdc.networks.model import Model
from sdc.networks.operators import (
    Add,
    Depthwise,
    Hyper,
    Modulate,
    Operator,
    Pointwise,
    Push,
    Quality,
    Shuffle,
)
from sdc.networks.registry import load_model, load_restoration
from sdc.networks.restoration import RestorationModel
from sdc.types import Array

from ..adapter import decode_answer
from .restored import rest
from .streams import Parts, compose, small, within

Site = tuple[int, int]
Field = dict[Site, list[int]]
"""Vectors by site; ``(row, col)`` at the scale in question, counted from the picture's origin."""


def pictures() -> Iterator[tuple[str, Parts, str]]:
    """Name, parts and purpose of the pictures."""
    yield "one-cell", compose(5, 4, ((2, 24),), None, within(1)), "one cell, a few residuals"
    vectors = rest([(0, (-128, 90, 3, 127))])
    yield (
        "restored",
        compose(
            30, 20, ((0, 45), (3, 12)), [[1, 2], [2, 2]], [small(5), within(6)], before=((REST, vectors),)
        ),
        "two groups with restoration: a vector of REST for the first, a derived one for the second",
    )
    yield (
        "two-groups",
        compose(76, 30, ((0, 45), (3, 12)), [[1, 1, 2, 2, 1], [2, 1, 0, 2, 1]], [small(3), within(4)]),
        "two groups with neighbours, two blocks, a cell of no group, odd size",
    )


def clamp(value: int, bounds: tuple[int, int]) -> int:
    """``value``, held between two bounds."""
    return min(max(value, bounds[0]), bounds[1])


def requantise(total: int, bias: int, shift: int, bounds: tuple[int, int]) -> int:
    """The end of NETW-03 and NETW-07."""
    return clamp((total + bias + (1 << (shift - 1))) >> shift, bounds)


def pointwise(op: Pointwise, x: list[int]) -> list[int]:
    """NETW-03."""
    assert op.shift is not None
    return [
        requantise(sum(int(w) * v for w, v in zip(row, x, strict=True)), int(b), int(s), op.clamp)
        for row, b, s in zip(op.weight.tolist(), op.bias.tolist(), op.shift.tolist(), strict=True)
    ]


def depthwise(op: Depthwise, field: Field, site: Site) -> list[int]:
    """NETW-07 and NETW-08; ``field`` holds sites of one group only."""
    assert op.shift is not None
    taps = [field.get((site[0] + dy, site[1] + dx)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    return [
        requantise(
            sum(int(w[j]) * tap[c] for j, tap in enumerate(taps) if tap is not None), int(b), int(s), op.clamp
        )
        for c, (w, b, s) in enumerate(
            zip(op.weight.tolist(), op.bias.tolist(), op.shift.tolist(), strict=True)
        )
    ]


def shuffled(op: Shuffle, field: Field) -> Field:
    """NETW-05."""
    f = op.factor
    out: Field = {}
    for (row, col), x in field.items():
        count = len(x) // (f * f)
        for sy in range(f):
            for sx in range(f):
                start = (sy * f + sx) * count
                out[row * f + sy, col * f + sx] = x[start : start + count]
    return out


def modulated(op: Modulate, x: list[int], gains: list[int], offsets: list[int]) -> list[int]:
    """RMOD-05."""
    shifts = op.shift.tolist()
    return [
        clamp(((v * g + (1 << (s - 1))) >> s) + o, op.clamp)
        for v, g, s, o in zip(x, gains, shifts, offsets, strict=True)
    ]


def run(
    network: tuple[Operator, ...],
    field: Field,
    quality: int,
    features: Field | None = None,
    condition: list[int] | None = None,
) -> tuple[Field, list[dict[str, Any]]]:
    """Run a network on the sites of one group.

    Args:
        condition: features of the group, for ``modulate``.

    Returns:
        ``(output, rows with the output of each operator)``.
    """
    stack: list[Field] = []
    rows = []
    for op in network:
        more: dict[str, Any] = {}
        if isinstance(op, Pointwise):
            field = {site: pointwise(op, x) for site, x in field.items()}
        elif isinstance(op, Depthwise):
            field = {site: depthwise(op, field, site) for site in field}
        elif isinstance(op, Quality):
            table = op.table[quality].tolist()
            field = {
                site: [clamp(a + b, op.clamp) for a, b in zip(x, table, strict=True)]
                for site, x in field.items()
            }
        elif isinstance(op, Shuffle):
            field = shuffled(op, field)
        elif isinstance(op, Modulate):
            assert condition is not None
            gains, offsets = pointwise(op.gain, condition), pointwise(op.offset, condition)
            field = {site: modulated(op, x, gains, offsets) for site, x in field.items()}
            more = {"gains": gains, "offsets": offsets}
        elif isinstance(op, Push):
            stack.append(field)
        elif isinstance(op, Add):
            last = stack.pop()
            field = {
                site: [clamp(a + b, op.clamp) for a, b in zip(x, last[site], strict=True)]
                for site, x in field.items()
            }
        elif isinstance(op, Hyper):
            assert features is not None
            field = {site: x + features[site] for site, x in field.items()}
        rows.append({"op": op.kind, **more, "output": listed(field)})
    return field, rows


def listed(field: Field) -> list[list[int]]:
    """Vectors in raster order of their sites."""
    return [field[site] for site in sorted(field)]


def read_residual(decoder: Decoder, model: Model, t: int) -> int:
    """Section 9.3."""
    if t == 0:
        return 0
    frequency = model.frequencies[t].tolist()
    reach = int(model.reach[t])
    slot, s, start = decoder.slot(), 0, 0
    while slot >= start + frequency[s]:
        start += frequency[s]
        s += 1
    decoder.advance(start, frequency[s])
    if s <= 2 * reach:
        return s - reach
    negative, n = decoder.raw(1), 0
    while decoder.raw(1):
        n += 1
    size = reach + 1 + (1 << n) - 1 + decoder.raw(n)
    return -size if negative else size


def group_stages(model: Model, labels: Array, k: int, quality: int, payload: bytes) -> dict[str, Any]:
    """All stages of one group, in the order of ``decode_group``."""
    cells = [(int(y), int(x)) for y, x in np.argwhere(labels == k + 1)]
    blocks = sorted({(y >> 2, x >> 2) for y, x in cells})
    decoder = Decoder(payload)
    indices = model.hyper_index[quality].tolist()
    steps = model.hyper_step[quality].tolist()
    shift = model.shifts["hyper"]
    residuals = [[read_residual(decoder, model, t) for t in indices] for _ in blocks]
    values = [
        [
            clamp((r * s + (1 << (shift - 1))) >> shift, model.hyper_range)
            for r, s in zip(row, steps, strict=True)
        ]
        for row in residuals
    ]
    everywhere, hyper_rows = run(model.networks["hyper"], dict(zip(blocks, values, strict=True)), quality)
    features = {cell: everywhere[cell] for cell in cells}
    hyper_rows[-1]["output"] = listed(features)
    d: Field = {cell: [0] * model.latents for cell in cells}
    passes = []
    for number, (parity, first, past) in enumerate(model.passes):
        network = model.networks[f"context.{number}"]
        begins = isinstance(network[0], Hyper)
        out, rows = run(network, {c: [] if begins else list(d[c]) for c in cells}, quality, features)
        own = [(y, x) for y, x in cells if (y + x) % 2 == parity]
        row: dict[str, Any] = {"parity": parity, "first": first, "past": past, "network": rows}
        row |= {"cells": own, "scale_indices": [], "means": [], "residuals": [], "latents": []}
        for cell in own:
            said: dict[str, list[int]] = {"scale_indices": [], "means": [], "residuals": [], "latents": []}
            for c in range(first, past):
                a, u = out[cell][c - first], out[cell][c - first + past - first]
                s = model.shifts["index"]
                t = clamp((a + int(model.offset[quality, c]) + (1 << (s - 1))) >> s, (0, 63))
                s = model.shifts["mean"]
                m = (u * int(model.inverse[quality, c]) + (1 << (s - 1))) >> s
                r = read_residual(decoder, model, t)
                v = clamp((r << 4) + m, (-65536, 65535))
                s = model.shifts["step"]
                d[cell][c] = clamp(
                    (v * int(model.step[quality, c]) + (1 << (s - 1))) >> s, model.latent_range
                )
                for name, value in (
                    ("scale_indices", t),
                    ("means", m),
                    ("residuals", r),
                    ("latents", d[cell][c]),
                ):
                    said[name].append(value)
            for name, line in said.items():
                row[name].append(line)
        passes.append(row)
    decoder.finish()
    _, synthesis = run(model.networks["synthesis"], dict(d), quality)
    return {
        "index": k,
        "quality": quality,
        "payload": payload.hex(),
        "cells": cells,
        "blocks": blocks,
        "hyper": {"scale_indices": indices, "residuals": residuals, "values": values, "network": hyper_rows},
        "passes": passes,
        "latents": listed(d),
        "synthesis": synthesis,
    }


def restoration_stages(
    model: RestorationModel, latents: Field, quality: int, vector: Sequence[int] | None
) -> dict[str, Any]:
    """All stages of the restoration of one group (section 12.1)."""
    cells, rows = run(model.derive, dict(latents), quality)
    count = len(cells)
    sums = [sum(column) for column in zip(*(cells[site] for site in sorted(cells)), strict=True)]
    mean = [(2 * (total + 32768 * count) + count) // (2 * count) - 32768 for total in sums]
    derived, behind = run(model.derived, {(0, 0): mean}, quality)
    rows += [{"op": "pool", "output": [mean]}, *behind]
    used = derived[0, 0] if vector is None else list(vector)
    features, condition = run(model.condition, {(0, 0): used}, quality)
    _, restore = run(model.restore, dict(latents), quality, condition=features[0, 0])
    return {"derive": rows, "vector": used, "condition": condition, "restore": restore}


def stage_files() -> dict[str, bytes]:
    """Files of ``vectors/stages/`` by path; two for each picture."""
    model = load_model(0)
    files: dict[str, bytes] = {}
    for name, parts, why in pictures():
        data = parts.build()
        stream = parse(data)
        said = read_restoration(stream).restoration
        better = None if said is None else decode_answer(data, restored="stream")[1]["restored.rgb"]
        pixels = decode_answer(data)[1]["pixels.rgb"]
        groups = []
        for g in stream.groups:
            assert g.payload is not None
            stages = group_stages(model, stream.labels, g.index, g.quality, g.payload)
            groups.append(stages)
            _agree(stages, parts, g.index, pixels)
            if said is not None and better is not None:
                latents = {(y, x): d for (y, x), d in zip(stages["cells"], stages["latents"], strict=True)}
                stages["restoration"] = restoration_stages(
                    load_restoration(said.model), latents, g.quality, said.vector_of(g.index)
                )
                _shown(stages["cells"], stages["restoration"]["restore"], better)
        report = {
            "about": f"{why}; see README.md of the suite, 'Stage vectors'",
            "stream": f"stages/{name}.sdc",
            "width": stream.head.width,
            "height": stream.head.height,
            "map": stream.labels.tolist(),
            "groups": groups,
            "pixels": pixels.tobytes().hex(),
            **({} if better is None else {"restored": better.tobytes().hex()}),
        }
        files[f"stages/{name}.sdc"] = data
        files[f"stages/{name}.json"] = (json.dumps(report, separators=(",", ":")) + "\n").encode()
    return files


def _agree(stages: dict[str, Any], parts: Parts, k: int, pixels: Array) -> None:
    """Check stages against what was coded and what the reference decoder shows."""
    said = [np.array(stages["hyper"]["residuals"]).astype("<i2").tobytes()]
    said += [np.array(row["residuals"]).astype("<i2").tobytes() for row in stages["passes"]]
    assert b"".join(said) == parts.symbols[k]
    _shown(stages["cells"], stages["synthesis"], pixels)


def _shown(cells: list[Site], network: list[dict[str, Any]], pixels: Array) -> None:
    """Check that the samples of cells are those that a network gives."""
    sites = sorted((y * 16 + sy, x * 16 + sx) for y, x in cells for sy in range(16) for sx in range(16))
    height, width = pixels.shape[:2]
    for (y, x), rgb in zip(sites, network[-1]["output"], strict=True):
        assert y >= height or x >= width or pixels[y, x].tolist() == rgb, (y, x)
