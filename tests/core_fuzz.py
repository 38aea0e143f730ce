"""Garbage for the compiled core, which must make of it what NumPy and Python make of it.

``python tests/core_fuzz.py --count 10000 [--seed 1] [--first 0]`` puts mutated payloads, label maps and whole
streams of model 0, and random networks, through every path in turn.  ``tests/try_core.py fuzz`` does the same
with a core that was built with sanitizers.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from core_paths import PATHS, WIDTHS, any_network, any_sites, engine_of, using

from sdc import core
from sdc.coding.engine import PythonEngine
from sdc.coding.passes import GroupCoder, decode_groups, encode_group
from sdc.coding.symbols import tables_of
from sdc.errors import SdcError
from sdc.networks.core_runner import run_core
from sdc.networks.numpy_runner import run_numpy
from sdc.networks.operators import Flow
from sdc.networks.registry import load_model
from sdc.networks.sites import Sites
from sdc_conformance import fuzz
from sdc_conformance.adapter import answer
from sdc_conformance.runner.suite import VECTORS

Work = Callable[[], Any]
"""Something that is done by whatever is in use."""


class Item:
    """What is done with one number: its random numbers, and where garbage comes from.

    Args:
        seed, number: of the item.
    """

    def __init__(self, seed: int, number: int):
        self.rng, self.own = np.random.default_rng([seed, number]), fuzz.Rng(f"{seed} {number} core")
        self.seed, self.number = seed, number

    def below(self, count: int) -> int:
        """A number below another."""
        return int(self.rng.integers(count))

    def hurt(self, data: bytes) -> bytes:
        """Bytes with one to three changes, or others."""
        if self.below(8) == 0:
            return bytes(self.rng.bytes(self.below(40)))
        for _ in range(1 + self.below(3)):
            data = fuzz.hurt(self.own, data)
        return data

    def symbols(self) -> Work:
        """Residuals from a payload."""
        model = load_model(0)
        indices = self.rng.integers(0, 64, 1 + self.below(40))
        spread = float(self.rng.choice([1, 3, 300]))
        drawn = np.rint(self.rng.normal(0, spread * (1 + indices / 9))).clip(-32767, 32767)
        writer = PythonEngine().writer(tables_of(model))
        writer.write(indices, np.where(indices > 0, drawn, 0).astype(np.int64))
        data = self.hurt(writer.finish())
        parts = np.array_split(indices, 1 + self.below(3))

        def work() -> Any:
            out: list[Any] = []
            reader = engine_in_use().reader(data, tables_of(model))
            try:
                for part in parts:
                    out.append(reader.read(part).tolist())
                reader.finish()
            except SdcError as error:
                return error.code, *out
            return out

        return work

    def map(self) -> Work:
        """A map of labels from a payload."""
        rows, cols, count = 1 + self.below(9), 1 + self.below(9), int(self.rng.choice([1, 2, 3, 5, 200, 255]))
        used = int(self.rng.choice([count, min(count, 2)]))
        labels = self.rng.integers(0, used + 1, (rows, cols)).astype(np.uint8)
        if self.below(2):
            labels[self.below(rows) :] = used
        data = self.hurt(PythonEngine().encode_map(labels, count))
        size = (rows, cols) if self.below(3) else (cols, rows)
        return lambda: [
            engine_in_use().decode_map(data, *size, count).tolist(),
            engine_in_use().encode_map(labels, count),
        ]

    def groups(self) -> Work:
        """Small groups side by side, whose payloads are wrong."""
        model = load_model(0)
        sites = any_sites(self.rng, 1 + self.below(12))
        order = np.lexsort((sites.cols, sites.rows, sites.labels))
        quality = self.rng.integers(0, 64, 3)
        sites = sites.take(order)
        sites = Sites(sites.rows, sites.cols, sites.labels, quality[sites.labels])
        payloads = []
        for label in np.unique(sites.labels):
            coder = GroupCoder(sites.take(np.flatnonzero(sites.labels == label)), model)
            targets = self.rng.integers(-900, 900, (len(coder.sites), model.latents)) // (1 + self.below(200))
            hyper = self.rng.integers(-3, 4, (coder.blocks[0], model.hyper)) * (
                model.hyper_index[coder.quality] > 0
            )
            data = encode_group(targets, hyper, coder)[0]
            payloads.append(self.hurt(data) if self.below(3) else data)

        def work() -> Any:
            found = decode_groups(payloads, GroupCoder(sites, model), keep_residuals=True)
            return [
                one.code
                if isinstance(one, SdcError)
                else [one.hyper.tolist(), one.residuals.tolist(), one.latents.tolist()]
                for one in found
            ]

        return work

    def stream(self) -> Work:
        """A whole stream, most of them wrong."""
        data = fuzz.stream(self.seed, self.number | 1 if self.below(4) else self.number)
        return lambda: [answer("decode", data), answer("validate", data)]

    def network(self) -> Work:
        """A random network."""
        width, factor, peak = (
            int(self.rng.choice(WIDTHS)),
            1 + self.below(2),
            int(self.rng.choice([32767, 255])),
        )
        network = any_network(self.rng, Flow(width, peak, (3, 2047), factor=factor), 1 + self.below(9))
        sites = any_sites(self.rng, 1 + self.below(30))
        x = self.rng.choice([-peak, 0, 1, peak], (len(sites) * factor**2, width)).astype(np.int16)
        hyper = self.rng.integers(-2047, 2048, (len(sites), 3)).astype(np.int16)
        only = np.flatnonzero(self.rng.random(len(sites)) < 0.5) if self.below(2) else None

        def work() -> Any:
            run = run_numpy if core.path() == core.NUMPY else run_core
            out = run(network, sites, x, factor=factor, hyper=hyper, only=only)
            return [] if not len(out) else out.astype(np.int64).tolist()

        return work


KINDS = ("symbols", "map", "symbols", "map", "groups", "symbols", "map", "network", "symbols", "map") * 2
KINDS = (*KINDS[:-1], "stream")
"""What is done with a number, by its last two digits."""


def engine_in_use() -> Any:
    """The engine of the path in use."""
    return engine_of(core.path())


def outcome(work: Work) -> Any:
    """What comes of it: values, or an error with all that it says."""
    try:
        return work()
    except SdcError as error:
        return error.code, error.offset, str(error)


def disagreement(seed: int, number: int, seen: Counter[str]) -> str | None:
    """What NumPy and the core disagree on about an item, if anything.

    Args:
        seen: is told of what came out.
    """
    kind = KINDS[number % len(KINDS)]
    work = getattr(Item(seed, number), kind)()
    path, threads = PATHS[number // 7 % len(PATHS)], 1 + number // 3 % 2
    with using(core.NUMPY):
        want = outcome(work)
    with using(path, threads):
        got = outcome(work)
    for said in want if kind == "groups" else [want]:
        code = said[0] if isinstance(said, tuple) else said if isinstance(said, str) else "values"
        seen[f"{kind}: {said[1]['exit'] if kind == 'stream' else code}"] += 1
    if got == want:
        return None
    return (
        f"{seed}-{number}, {kind}, {path}, {threads} threads: {str(got)[:200]} in place of {str(want)[:200]}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 where they disagree."""
    parser = argparse.ArgumentParser(prog="core_fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first item")
    given = parser.parse_args(arguments)
    os.environ["SDC_MODELS"] = str(VECTORS / "models")
    if not PATHS:
        print(f"core_fuzz: no core: {core.about()}", file=sys.stderr)
        return 2
    began, seen, bad = time.monotonic(), Counter[str](), 0
    for number in range(given.first, given.first + given.count):
        said = disagreement(given.seed, number, seen)
        if said:
            bad += 1
            print(said, flush=True)
    for name, count in sorted(seen.items()):
        print(f"{count:8d} {name}")
    print(
        f"{given.count} items by {', '.join(PATHS)}, {bad} disagreements, {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
