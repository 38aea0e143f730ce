"""Writes down what is asked of the compiled core, and what it answers: a tape that ``core/replay.c`` plays.

So a decode that Python drives here can be repeated without Python: on other processors, under sanitizers.
``python tests/core_tape.py FILE [--all]`` writes one of the decoding of vectors and of random streams, valid
and broken, of the encoding of a picture, and of random networks.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from core_paths import any_network, any_sites, using

import sdc
from sdc import core
from sdc.coding import core_engine
from sdc.networks import core_runner
from sdc.networks.core_runner import run_core
from sdc.networks.operators import Flow
from sdc.objects.object import Object
from sdc.types import Array
from sdc_conformance import fuzz
from sdc_conformance.adapter import answer
from sdc_conformance.runner.suite import VECTORS

CALLS = ("operator", "network", "run", "neighbours", "tables", "reader", "read_symbols", "finish_reader")
CALLS += ("writer", "write_symbols", "finish_writer", "decode_map", "encode_map", "parameters", "dequantise")
CALLS += ("differentiable", "tape", "backward", "read_side_by_side")
KINDS = ("pointwise", "depthwise", "quality", "modulate", "push", "add", "hyper", "shuffle", "unshuffle")


class Tape:
    """Stands in for the compiled module, and writes down each call.

    Attributes:
        bytes: the tape: numbers of 8 bytes, arrays with their count in front, little-endian.
    """

    def __init__(self) -> None:
        self.bytes, self._native, self._count = bytearray(), core.native(), 0
        self._shapes: dict[int, tuple[int, int, int]] = {}
        self._weights: dict[int, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def _say(self, call: str, *values: int | Array | None) -> None:
        self.bytes += _number(CALLS.index(call) + 1)
        self._add(*values)

    def _add(self, *values: int | Array | None) -> None:
        for value in values:
            if value is None:
                self.bytes += _number(-1)
            elif isinstance(value, np.ndarray):
                self.bytes += _number(value.size) + _plain(value)
            else:
                self.bytes += _number(int(value))

    def _new(self) -> int:
        """Number of the next object, which is written down."""
        self._add(self._count)
        self._count += 1
        return self._count - 1

    def operator(self, path: str, kind: str, *rest: int) -> Any:
        """See ``operator_`` in ``module.c``, and so on."""
        wide, out, factor, first, second, shift, low, high = rest
        sizes = {"pointwise": wide * out, "depthwise": 9 * out, "quality": 64 * out, "modulate": out}
        layer = kind in ("pointwise", "depthwise", "modulate")
        tensors = (
            _at(first, sizes.get(kind, 0), np.int32 if kind == "modulate" else np.int16),
            _at(second, out if layer else 0, np.int32),
            _at(shift, out if layer else 0, np.uint8),
        )
        self._say("operator", KINDS.index(kind), wide, out, factor, low, high, *tensors)
        number = self._new()
        self._weights[number] = sizes.get(kind, 0)
        return number, self._native.operator(path, kind, *rest)

    def network(self, path: str, channels: int, factor: int, hyper: int, operators: tuple[Any, ...]) -> Any:
        """Networks that the core does not take are left out."""
        made = self._native.network(path, channels, factor, hyper, tuple(op for _, op in operators))
        if made is None:
            return None
        numbers = [number for number, _ in operators]
        self._say("network", channels, factor, hyper, len(numbers), *numbers, 0)
        number = self._new()
        self._shapes[number] = (channels, factor, hyper)
        return number, made

    def run(self, network: Any, cells: int, *rest: int) -> Any:
        """A run; its output is as large as the array that the address given is of."""
        (number, made), (taps, qualities, x, hyper, only, wanted, threads, out, filled) = network, rest
        channels, factor, features = self._shapes[number]
        self._say(
            *("run", number, cells, _at(taps, 9 * cells, np.int32), _at(qualities, cells, np.uint8)),
            *(_at(x, cells * factor**2 * channels, np.int16), _at(hyper, cells * features, np.int16)),
            *(_at(only, wanted, np.int32), wanted, -1 if filled is None else filled[0]),
        )
        own = filled and filled[1]
        code = self._native.run(made, cells, taps, qualities, x, hyper, only, wanted, threads, out, own)
        self._add(code, _crc(_of_address[out]))
        return code

    def differentiable(self, path: str, operator: Any, weight: int) -> Any:
        """Weights of a layer for gradients."""
        number, made = operator
        code = self._native.differentiable(path, made, weight)
        self._say("differentiable", number, _at(weight, self._weights[number], np.int16), code)
        return code

    def tape(self, network: Any, cells: int) -> Any:
        """What a run fills for a gradient."""
        self._say("tape", network[0], cells)
        return self._new(), self._native.tape(network[1], cells)

    def backward(self, network: Any, filled: Any, cells: int, taps: int, threads: int, *arrays: int) -> Any:
        """A gradient."""
        gradient, out = (_of_address[a] for a in arrays)
        own = gradient.view(np.uint32)
        self._say("backward", network[0], filled[0], cells, _at(taps, 9 * cells, np.int32), own)
        code = self._native.backward(network[1], filled[1], cells, taps, threads, *arrays)
        self._add(code, _crc(out.view(np.uint32)))
        return code

    def neighbours(self, rows: int, cols: int, labels: int, cells: int, taps: int) -> Any:
        """Neighbours of cells."""
        self._say("neighbours", *(_at(a, cells, np.int32, some=True) for a in (rows, cols, labels)))
        code = self._native.neighbours(rows, cols, labels, cells, taps)
        self._add(code, _crc(_at(taps, 9 * cells, np.int32, some=True)))
        return code

    def tables(self, reach: int, frequencies: int) -> Any:
        """Symbol tables."""
        reaches = _at(reach, 64, np.int32)
        assert reaches is not None
        count = int((2 * reaches[1:] + 2).sum())
        self._say("tables", reaches, _at(frequencies, count, np.int32))
        return self._new(), self._native.tables(reach, frequencies)

    def reader(self, payload: bytes) -> Any:
        """A reader, or the code of an error."""
        made = self._native.reader(payload)
        self._say("reader", _bytes(payload), made if isinstance(made, int) else 0)
        number = self._new()
        return made if isinstance(made, int) else (number, made)

    def read_symbols(self, reader: Any, tables: Any, indices: int, count: int, residuals: int) -> Any:
        """Residuals."""
        self._say("read_symbols", reader[0], tables[0], _at(indices, count, np.uint8, some=True))
        code = self._native.read_symbols(reader[1], tables[1], indices, count, residuals)
        self._add(code, 0 if code else _crc(_at(residuals, count, np.int16, some=True)))
        return code

    def read_side_by_side(self, readers: Any, tables: Any, *arrays: int) -> None:
        """Residuals of several payloads."""
        indices, bounds, residuals, codes = arrays
        ends = _at(bounds, len(readers) + 1, np.int64)
        assert ends is not None
        count = int(ends[-1])
        self._say(
            *(
                "read_side_by_side",
                len(readers),
                *(-1 if reader is None else reader[0] for reader in readers),
            ),
            *(tables[0], _at(indices, count, np.uint8, some=True), ends),
        )
        own = tuple(reader and reader[1] for reader in readers)
        self._native.read_side_by_side(own, tables[1], *arrays)
        found = (_at(codes, len(readers), np.intc), _at(residuals, count, np.int16, some=True))
        self._add(*map(_crc, found))

    def finish_reader(self, reader: Any) -> Any:
        """The end of a payload."""
        code = self._native.finish_reader(reader[1])
        self._say("finish_reader", reader[0], code)
        return code

    def writer(self) -> Any:
        """A writer."""
        self._say("writer")
        return self._new(), self._native.writer()

    def write_symbols(self, writer: Any, tables: Any, indices: int, count: int, residuals: int) -> Any:
        """Residuals to a writer."""
        values = _at(indices, count, np.uint8, some=True), _at(residuals, count, np.int16, some=True)
        code = self._native.write_symbols(writer[1], tables[1], indices, count, residuals)
        self._say("write_symbols", writer[0], tables[0], *values, code)
        return code

    def finish_writer(self, writer: Any) -> Any:
        """A payload."""
        data = self._native.finish_writer(writer[1])
        self._say("finish_writer", writer[0], len(data), zlib.crc32(data))
        return data

    def decode_map(self, data: bytes, rows: int, cols: int, count: int, labels: int) -> Any:
        """A map of labels."""
        code = self._native.decode_map(data, rows, cols, count, labels)
        found = 0 if code else _crc(_at(labels, rows * cols, np.uint8))
        self._say("decode_map", rows, cols, count, _bytes(data), code, found)
        return code

    def encode_map(self, labels: int, rows: int, cols: int, count: int) -> Any:
        """The payload of a map."""
        data = self._native.encode_map(labels, rows, cols, count)
        own = _at(labels, rows * cols, np.uint8)
        self._say("encode_map", rows, cols, count, own, 0, len(data), zlib.crc32(data))
        return data

    def parameters(self, *args: int) -> None:
        """Entropy parameters."""
        raw, qualities, cells, channels, offset, inverse, stride, *shifts, index, mean = args
        table = 63 * stride + channels
        self._say(
            *("parameters", _at(raw, 2 * cells * channels, np.int16, some=True)),
            *(_at(qualities, cells, np.uint8, some=True), channels),
            *(_at(offset, table, np.int32), _at(inverse, table, np.int32), stride, *shifts),
        )
        self._native.parameters(*args)
        count = cells * channels
        self._add(_crc(_at(index, count, np.uint8, some=True)), _crc(_at(mean, count, np.int32, some=True)))

    def dequantise(self, *args: int) -> None:
        """Latents; of these only what is written and lies between."""
        residuals, mean, qualities, at, cells, channels, step, table, shift, low, high, latents, stride = args
        places = _at(at, cells, np.int32, some=True)
        assert places is not None
        count = int(places.max()) * stride + channels if cells else 0
        self._say(
            *("dequantise", _at(residuals, cells * channels, np.int16, some=True)),
            *(_at(mean, cells * channels, np.int32, some=True), _at(qualities, cells, np.uint8, some=True)),
            *(places, channels, _at(step, 63 * table + channels, np.int32), table, shift, low, high),
            *(_at(latents, count, np.int16, some=True), stride),
        )
        self._native.dequantise(*args)
        self._add(_crc(_at(latents, count, np.int16, some=True)))


_of_address: dict[int, Array] = {}
"""The last array whose address was asked for, by it."""


def _number(value: int) -> bytes:
    return value.to_bytes(8, "little", signed=True)


def _plain(values: Array) -> bytes:
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def _bytes(data: bytes) -> Array:
    return np.frombuffer(data, np.uint8)


def _crc(values: Array | None) -> int:
    assert values is not None
    return zlib.crc32(_plain(values))


def _at(address: int, count: int, dtype: Any, some: bool = False) -> Array | None:
    """A copy of the array at an address; nothing where there is none.

    Args:
        some: whether an array is there whatever the address of none may be.
    """
    if not address and not some:
        return None
    size = count * np.dtype(dtype).itemsize
    return np.frombuffer(ctypes.string_at(address, size) if size else b"", dtype)


@contextmanager
def recording(path: str = "portable") -> Iterator[Tape]:
    """Write down what is asked of the core until the end, and let a path do it."""
    tape, native, address = Tape(), core.native, core.address

    def noted(array: Array | None) -> int:
        found = address(array)
        if array is not None:
            _of_address[found] = array
        return found

    _forget()
    core.native, core.address = lambda: tape, noted  # type: ignore[assignment]
    try:
        with using(path):
            yield tape
    finally:
        core.native, core.address = native, address
        _forget()
        _of_address.clear()


def _forget() -> None:
    """Forget what the core made of models: it belongs to one tape, or to none."""
    core_runner._compiled.cache_clear()
    for made in (core_runner._handles, core_engine._tables, core_engine._quality_tables):
        made.clear()  # type: ignore[attr-defined]


def _pictures() -> list[tuple[Array, dict[str, Any]]]:
    """Pictures to encode, with options."""
    y, x = np.mgrid[:70, :120] / 9.0
    planes = [128 + 90 * np.sin(x + k) * np.cos(y * k) for k in range(3)]
    noise = np.random.default_rng(0).normal(0, 9, (70, 120, 3))
    picture = np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)
    things = [Object("one", (0, 0, 40, 50), "L1"), Object("two", (50, 20, 40, 40), "L2")]
    return [
        (picture, {"objects": things, "pixel_masks": True}),
        (picture[:33, :17], {"quality": 50, "effort": 1}),
    ]


def _streams(everything: bool) -> Iterator[bytes]:
    """Vectors and random streams."""
    for path in sorted(VECTORS.rglob("*.sdc")):
        if everything or path.parent.name in ("stages", "valid"):
            yield path.read_bytes()
    for number in range(1000 if everything else 60):
        yield fuzz.stream(3, number)


def _networks(count: int) -> None:
    """Run random networks."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        width, factor, peak = int(rng.integers(1, 70)), int(rng.integers(1, 3)), int(rng.choice([32767, 255]))
        network = any_network(rng, Flow(width, peak, (3, 2047), factor=factor))
        sites = any_sites(rng, int(rng.choice([1, 7, 300])))
        x = rng.integers(-peak, peak + 1, (len(sites) * factor**2, width)).astype(np.int16)
        hyper = rng.integers(-2047, 2048, (len(sites), 3)).astype(np.int16)
        only = np.flatnonzero(rng.random(len(sites)) < 0.5) if seed % 2 else None
        run_core(network, sites, x, factor=factor, hyper=hyper, only=only)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="core_tape", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--all", action="store_true", help="all vectors, and many streams")
    given = parser.parse_args(arguments)
    os.environ["SDC_MODELS"] = str(VECTORS / "models")
    with recording() as tape:
        for data in _streams(given.all):
            answer("decode", data)
            answer("decode", data, restored="stream")
        for picture, options in _pictures():
            sdc.encode(picture, **options)
        _networks(600 if given.all else 40)
    given.file.write_bytes(tape.bytes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
