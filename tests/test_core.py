"""Every path of the compiled core computes what NumPy and plain Python compute, errors included.

Paths that this machine does not have are skipped and named; ``tests/try_core.py`` tries some of them.
Without the compiled core these tests are skipped, unless the environment variable ``SDC_REQUIRE_CORE`` is
set.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from core_paths import CLAMPS, PATHS, WIDTHS, any_network, any_sites, engine_of, using, weights
from hypothesis import given, settings
from hypothesis import strategies as st

import sdc
from sdc import core
from sdc.coding.engine import PythonEngine
from sdc.coding.rans import Encoder
from sdc.coding.symbols import tables_of
from sdc.errors import SdcError
from sdc.format.build import build
from sdc.format.parse import parse
from sdc.networks.core_runner import run_core
from sdc.networks.gradient import backward
from sdc.networks.numpy_runner import run_numpy
from sdc.networks.operators import Add, Depthwise, Flow, Operator, Pointwise, Pool, Push, Quality
from sdc.networks.registry import load_model
from sdc.networks.run import run
from sdc.networks.sites import Sites
from sdc.objects.object import Object
from sdc.testing.streams import random_stream
from sdc_conformance import fuzz
from sdc_conformance.adapter import answer
from sdc_conformance.runner.suite import VECTORS

KNOWN = ("avx512", "avx2", "sse4", "neon", "portable")

if not PATHS and not os.environ.get("SDC_REQUIRE_CORE"):
    pytest.skip(f"the compiled core is not there: {core.about()}", allow_module_level=True)


def test_there_is_a_core() -> None:
    assert PATHS, core.about()


@pytest.fixture(params=KNOWN)
def path(request: pytest.FixtureRequest) -> str:
    """A path of the core."""
    name: str = request.param
    if name not in PATHS:
        pytest.skip(f"this machine does not have {name}; it has {', '.join(PATHS)}")
    return name


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths whose networks ran, one for each run."""
    native, names = core.native(), list[str]()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(native, name)

        def network(self, name: str, *args: Any) -> Any:
            made = native.network(name, *args)
            return None if made is None else (name, made)

        def run(self, network: tuple[str, Any], *args: Any) -> Any:
            names.append(network[0])
            return native.run(network[1], *args)

        def tape(self, network: tuple[str, Any], cells: int) -> Any:
            return native.tape(network[1], cells)

        def backward(self, network: tuple[str, Any], *args: Any) -> Any:
            names.append(network[0])
            return native.backward(network[1], *args)

    from sdc.networks import core_runner

    core_runner._compiled.cache_clear()
    monkeypatch.setattr(core, "native", Watched)
    yield names
    core_runner._compiled.cache_clear()


# --- networks ---------------------------------------------------------------------------------------


def compare(
    network: tuple[Operator, ...], sites: Sites, x: np.ndarray, path: str, **options: Any
) -> np.ndarray:
    """Run by NumPy and by the core with one, two and five threads; returns what all say."""
    want = run_numpy(network, sites, x, **options)
    for threads in (1, 2, 5):
        with using(path, threads):
            got = run_core(network, sites, x, **options)
        assert len(got) == len(want) == 0 or np.array_equal(got, want), [op.kind for op in network]
    return want


@pytest.mark.parametrize("seed", range(8))
def test_any_network(seed: int, path: str, ran: list[str]) -> None:
    """Every operator and factor, odd widths, one cell and many, some of them only, sums up to 2^24 - 1."""
    rng = np.random.default_rng(seed)
    kinds, varied, runs = set[str](), 0, 0
    for number in range(25):
        width, factor, peak = (
            int(rng.choice(WIDTHS)),
            1 + (number % 3 == 0),
            int(rng.choice([32767, 2047, 1])),
        )
        features = int(rng.choice([0, 3, 32, 40]))
        network = any_network(rng, Flow(width, peak, (features, 2047), factor=factor))
        kinds |= {op.kind for op in network}
        sites = any_sites(rng, int(rng.choice([1, 2, 5, 60])))
        x = rng.choice([-peak, 0, 1, peak], (len(sites) * factor**2, width)).astype(np.int16)
        hyper = rng.integers(-2047, 2048, (len(sites), features)).astype(np.int16)
        x[0, 0] = peak
        only = np.flatnonzero(rng.random(len(sites)) < 0.5) if rng.random() < 0.5 else None
        out = compare(network, sites, x, path, factor=factor, hyper=hyper, only=only)
        varied, runs = varied + (len(np.unique(out)) > 2), runs + 3
    assert ran == [path] * runs, "the core did not run them all"
    assert {"pointwise", "depthwise", "quality", "push", "add"} <= kinds and varied > 12


def test_a_network_over_many_tiles(path: str) -> None:
    """Cells of one group in all tiles see one another, with one thread and with several."""
    rng = np.random.default_rng(1)
    flow = Flow(33, 255)
    first = Pointwise((-2048, 2047), *weights(rng, 130, 33, 255))
    taps = Depthwise((-2048, 2047), *weights(rng, 130, 9, 2048))
    network = (first, Push(), taps, Push(), taps, Add((-2048, 2047)), Add((0, 900)), taps)
    for sites in (
        any_sites(rng, 1500),
        Sites(*np.mgrid[:40, :40].reshape(2, -1), np.zeros(1600), np.arange(1600) % 64),
    ):
        x = rng.integers(-255, 256, (len(sites), flow.channels)).astype(np.int16)
        out = compare(network, sites, x, path)
        assert len(np.unique(out)) > 100
        compare(network, sites, x, path, only=np.flatnonzero(sites.rows % 3 == 0))
        compare(network, sites, x, path, only=np.array([len(sites) - 1]))


def layer(
    w: list[list[int]], bias: list[int], shift: int, clamp: tuple[int, int] = (-32768, 32767)
) -> Pointwise:
    return Pointwise(clamp, np.array(w, "<i2"), np.array(bias, "<i4"), np.full(len(w), shift, "u1"))


@pytest.mark.parametrize("shift", range(1, 25))
def test_sums_at_their_bounds(shift: int, path: str, ran: list[str]) -> None:
    """Sums of 2^24 - 1 and its negative, by every shift, halves up."""
    half = 1 << shift - 1
    for weight, value in ((511, 32767), (512, 32767), (32767, 255), (8191, 2047), (1, 1)):
        room = (1 << 24) - 1 - half - weight * value
        if room < 0:
            continue
        near = min(room, 5)
        rows = [[weight]] * 8 + [[-weight]] * 8
        bias = [room, -room, room - near, near - room, 0, 1, -1, -near] * 2
        x = np.array([[value], [-value], [0], [1], [-1], [value - 1]], np.int16)
        cells = np.arange(6)
        sites = Sites(cells, cells * 0, cells * 0, cells)
        compare((layer(rows, bias, shift),), sites, x, path)
        taps = np.zeros((16, 9), "<i2")
        taps[:, 4] = np.array(rows)[:, 0]
        deep = Depthwise((-32768, 32767), taps, np.array(bias, "<i4"), np.full(16, shift, "u1"))
        compare((deep,), sites, np.repeat(x, 16, 1), path)
    assert set(ran) == {path}


def test_the_least_int16(path: str, ran: list[str]) -> None:
    """-32768 comes out of a clamp and goes on: into products of pairs, taps, sums and tables."""
    n, wide = 7, 34
    at = np.arange(n)
    sites = Sites(at // 3, at % 3, at * 0, at * 9)
    x = np.full((n, 2), 32767, np.int16)
    low = layer([[-255, -255]] * wide, [0] * wide, 8)
    for k in (255, -255):
        pairs = layer([[k, k] + [0] * (wide - 2)] * wide, [0] * wide, 3)
        taps = Depthwise(
            (-32768, 32767),
            np.full((wide, 9), k // 5, "<i2"),
            np.zeros(wide, "<i4"),
            np.full(wide, 2, "u1"),
        )
        table = Quality((-32768, 32767), np.full((64, wide), -32768, "<i2"))
        for network in (
            (low, low_of(wide), pairs),
            (low, low_of(wide), taps),
            (low, low_of(wide), Push(), Add((-32768, 32767)), pairs),
            (low, low_of(wide), table, Push(), Add((-32768, 0)), taps, Push(), table, Add((-5, 32767))),
        ):
            compare(network, sites, x, path)
    assert set(ran) == {path}


def low_of(wide: int) -> Quality:
    """Every value becomes -32768."""
    return Quality((-32768, -32768), np.full((64, wide), -32768, "<i2"))


@pytest.mark.parametrize("factor", [1, 2])
def test_no_cell(factor: int, path: str) -> None:
    none = np.zeros(0, np.int64)
    sites = Sites(none, none, none, none)
    rng = np.random.default_rng(0)
    network = (
        Pointwise(CLAMPS[0], *weights(rng, 5, 3, 255)),
        Depthwise(CLAMPS[0], *weights(rng, 5, 9, 2048)),
    )
    assert len(compare(network, sites, np.zeros((0, 3), np.int16), path, factor=factor)) == 0
    some = any_sites(rng, 9)
    x = rng.integers(-255, 256, (9 * factor**2, 3)).astype(np.int16)
    assert len(compare(network, some, x, path, factor=factor, only=none)) == 0


@pytest.mark.parametrize("depth", [1, 15, 16, 17, 40])
def test_deep_pushes(depth: int, path: str, ran: list[str]) -> None:
    """What is deeper than the core goes to NumPy."""
    rng = np.random.default_rng(depth)
    one = Pointwise((-31, 31), *weights(rng, 3, 3, 31))
    taps = Depthwise((-31, 31), *weights(rng, 3, 9, 31))
    network: list[Operator] = [one]
    for k in range(depth):
        network += [Push(), taps] if k % 4 == 1 else [Push(), one] if k % 3 else [Push()]
    network += [Add((-31, 31)), one] * depth
    sites = any_sites(rng, 20)
    x = rng.integers(-31, 32, (20, 3)).astype(np.int16)
    compare(tuple(network), sites, x, path)
    compare(tuple(network), sites, x, path, only=np.arange(0, 20, 3))
    assert set(ran) == ({path} if depth <= 16 else set())


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257])
def test_long_networks(length: int, path: str, ran: list[str]) -> None:
    one = layer([[2, -1], [1, 3]], [5, -7], 1, (-99, 99))
    sites = any_sites(np.random.default_rng(0), 5)
    x = np.arange(10).reshape(5, 2).astype(np.int16)
    compare((one,) * length, sites, x, path)
    out = compare((one,) * length, sites, x, path, only=np.array([1, 4]))
    assert length or np.array_equal(out, x[[1, 4]])
    assert set(ran) == ({path} if length <= 256 else set())


def test_networks_that_are_not_for_the_core(path: str, ran: list[str]) -> None:
    """Sums beyond 2^24, floats, other arithmetics, inputs beyond 16 bits, another operator: NumPy's."""
    sites = any_sites(np.random.default_rng(0), 5)
    x = np.array([[3, -4]] * 5, np.int16)
    small = layer([[1, 2]], [3], 1)
    floating = Pointwise((-9, 9), np.array([[0.5, 0.25]], np.float32), np.array([0.5], np.float32))
    compare(
        (layer([[32767, 32767]] * 2, [0, 0], 24, (-9, 9)), layer([[32767, 32767]], [0], 1)),
        sites,
        x * 255,
        path,
    )
    compare((floating,), sites, x, path)
    compare((small, Pool()), sites, x, path)
    compare((small,), sites, np.where(x < 0, -32768, x).astype(np.int16), path)
    compare((small,), sites, x.astype(np.int32) * 10000, path)
    for arithmetic in ("float64", "int64"):
        compare((small,), sites, x, path, arithmetic=arithmetic)
    assert ran == []
    for real in (np.float32, np.int64, np.int32, np.int8):
        compare((small,), sites, x.astype(real), path)
    compare((small,), sites, np.asfortranarray(x), path)
    compare((small,), sites, np.repeat(x, 2, axis=1)[:, ::2], path)
    assert set(ran) == {path}


def test_the_input_stays_as_it_is(path: str) -> None:
    rng = np.random.default_rng(2)
    network, sites = any_network(rng, Flow(8, 255)), any_sites(rng, 30)
    x = rng.integers(-255, 256, (30, 8)).astype(np.int16)
    kept = x.copy()
    compare(network, sites, x, path)
    assert np.array_equal(x, kept)


@pytest.mark.parametrize("seed", range(4))
def test_gradients(seed: int, path: str, ran: list[str]) -> None:
    """Every bit of the gradient is NumPy's, by one thread and by several."""
    rng = np.random.default_rng(seed)
    varied = 0
    for number in range(20):
        width, factor, features = int(rng.choice(WIDTHS)), 1 + (number % 3 == 0), int(rng.choice([0, 3]))
        network = any_network(rng, Flow(width, 255, (features, 2047), factor=factor), 1 + number % 8)
        sites = any_sites(rng, int(rng.choice([1, 5, 60, 700])) if seed == 0 else int(rng.choice([1, 5, 60])))
        x = rng.integers(-255, 256, (len(sites) * factor**2, width)).astype(np.int16)
        hyper = rng.integers(-2047, 2048, (len(sites), features)).astype(np.int16)
        wanted: list[np.ndarray] = []
        for name, threads in ((core.NUMPY, 1), (path, 1), (path, 3)):
            with using(name, threads):
                tape: list[Any] = []
                out = run(network, sites, x, factor=factor, hyper=hyper, tape=tape)
                if not wanted:
                    gradient = rng.normal(0, 10.0 ** rng.integers(-6, 6, (len(out), 1)), out.shape)
                wanted.append(backward(network, sites, gradient.astype(np.float32), tape, features))
        assert all(np.array_equal(wanted[0], other) for other in wanted[1:]), [op.kind for op in network]
        varied += len(np.unique(wanted[0])) > 2
    assert set(ran) == {path} and varied > 3


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), st.integers(0, 70))
def test_neighbours(seed: int, count: int) -> None:
    sites = any_sites(np.random.default_rng(seed), count)
    got = np.full((count, 9), -7, np.int32)
    arrays = [core.contiguous(a, np.int32) for a in (sites.rows, sites.cols, sites.labels)]
    assert core.native().neighbours(*map(core.address, arrays), count, core.address(got)) == 0
    assert np.array_equal(got, sites._cell_taps.reshape(9, count).T)


# --- entropy coding ---------------------------------------------------------------------------------


def outcome(work: Any) -> Any:
    """What comes of some work: arrays, or the code of an error."""
    try:
        found = work()
        return [a.tolist() if isinstance(a, np.ndarray) else a for a in found]
    except SdcError as error:
        return error.code


def both(work: Any) -> Any:
    """What an engine makes of some work, which must be the same by Python's and the core's."""
    want = outcome(lambda: work(engine_of(core.NUMPY)))
    got = outcome(lambda: work(engine_of(PATHS[0])))
    assert got == want
    return want


def reading(payload: bytes, parts: list[np.ndarray], number: int) -> Any:
    """Work that reads symbols in several calls."""

    def work(engine: Any) -> Iterator[np.ndarray]:
        reader = engine.reader(payload, tables_of(load_model(number)))
        for indices in parts:
            yield reader.read(indices)
        reader.finish()

    return work


def written(engine: Any, parts: list[np.ndarray], values: list[np.ndarray], number: int) -> bytes:
    writer = engine.writer(tables_of(load_model(number)))
    for indices, residuals in zip(parts, values, strict=True):
        writer.write(indices, residuals)
    data: bytes = writer.finish()
    return data


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**9))
def test_symbols(seed: int) -> None:
    """Streams with and without escapes, as they are, cut, longer, and with some bytes changed."""
    rng = np.random.default_rng(seed)
    number, far = int(rng.integers(3)), float(rng.choice([0, 0.02, 0.5]))
    parts = [
        rng.integers(0, 64, rng.integers(0, 60)) * (rng.random() < 0.9) for _ in range(rng.integers(0, 4))
    ]
    values = []
    for indices in parts:
        near = np.rint(rng.normal(0, 1 + indices / 3)).astype(np.int64)
        wide = rng.choice([-32767, 32767, 300, -128, 128, 32000], len(indices))
        values.append(np.where(indices > 0, np.where(rng.random(len(indices)) < far, wide, near), 0))
    data = written(PythonEngine(), parts, values, number)
    assert written(engine_of(PATHS[0]), parts, values, number) == data
    assert both(reading(data, parts, number)) == [v.tolist() for v in values]
    both(reading(data + b"\0", parts, number))
    both(reading(data + b"\1", parts, number))
    for _ in range(6):
        hurt = fuzz.hurt(fuzz.Rng(int(rng.integers(1 << 30))), data)
        both(reading(hurt, parts, number))
        both(reading(hurt, [rng.permutation(p) for p in parts], number))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 63), st.integers(0, 60))
def test_garbage_symbols(data: bytes, index: int, count: int) -> None:
    both(reading(data, [np.full(count, index)], 0))


def test_garbage_brings_every_error() -> None:
    """What the tests above compare: each error of a payload, and payloads without."""
    rng, seen = np.random.default_rng(3), set[str]()
    for _ in range(600):
        size = int(rng.integers(0, 60))
        said = both(reading(rng.bytes(rng.choice([size, size % 5])), [rng.integers(1, 64, size)], 0))
        seen.add(said if isinstance(said, str) else "none")
    assert seen == {"E_RANS_STATE", "E_RANS_FINAL", "none"}


@pytest.mark.parametrize("number", [0, 1])
def test_escapes_of_every_length(number: int) -> None:
    """Up to 32767 and beyond, at the end of a payload and in the middle of one."""
    tables, seen = tables_of(load_model(number)), set[str]()
    for index in (1, 9, 63):
        freq = int(tables.alphabet(index)[1][-1])
        for bits in range(18):
            for rest in {0, 1, (1 << bits) - 1, 32767 - int(tables.reach[index]) - (1 << bits)}:
                if not 0 <= rest < 1 << min(bits, 15):
                    continue
                encoder = Encoder()
                encoder.put(32768 - freq, freq)
                for bit in (bits & 1, *[1] * bits, 0):
                    encoder.put_raw(bit, 1)
                encoder.put_raw(rest, min(bits, 15))
                for data in (encoder.finish(), encoder.finish() + b"\7\x09"):
                    for parts in ([np.array([index])], [np.array([index, 0]), np.array([5, index])]):
                        said = both(reading(data, parts, number))
                        seen.add(said if isinstance(said, str) else str(abs(said[0][0])))
    assert {"E_ESCAPE", "E_RANS_FINAL", "32767"} <= seen


SHAPES = [(1, 1), (1, 2), (1, 9), (2, 1), (9, 1), (2, 2), (2, 3), (3, 2), (3, 3), (7, 5), (24, 31)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9, 77, 254, 255])
def test_label_maps(count: int) -> None:
    """Maps of all kinds, and what is left of them when bytes change."""
    rng, own = np.random.default_rng(count), engine_of(PATHS[0])
    for rows, cols in SHAPES:
        shape = (rows, cols)
        blocks = np.kron(rng.integers(0, count + 1, (rows // 3 + 1, cols // 3 + 1)), np.ones((3, 3), int))
        maps = [np.full(shape, value) for value in (0, count)]
        maps += [
            rng.integers(0, count + 1, shape),
            rng.integers(0, min(count, 2) + 1, shape),
            blocks[:rows, :cols],
        ]
        for labels in (m.astype(np.uint8) for m in maps):
            data = PythonEngine().encode_map(labels, count)
            assert own.encode_map(labels, count) == own.encode_map(np.asfortranarray(labels), count) == data
            assert np.array_equal(own.decode_map(data, rows, cols, count), labels)
            for _ in range(3):
                hurt = fuzz.hurt(fuzz.Rng(int(rng.integers(1 << 30))), data)
                for size in ((rows, cols), (cols, rows), (rows + 1, cols)):
                    for other in {count, max(count - 1, 1), min(count + 1, 255)}:
                        both(lambda e, d=hurt, s=size, c=other: [e.decode_map(d, *s, c)])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30), st.integers(1, 8), st.integers(1, 8), st.sampled_from([1, 2, 3, 4, 255]))
def test_garbage_maps(data: bytes, rows: int, cols: int, count: int) -> None:
    both(lambda e: [e.decode_map(data, rows, cols, count)])


@pytest.mark.parametrize("labels", [[[3]], [[0, 1], [2, 9]], [[255] * 3]])
def test_a_label_beyond_the_largest_is_refused(labels: list[list[int]]) -> None:
    for name in (core.NUMPY, PATHS[0]):
        with pytest.raises(ValueError):
            engine_of(name).encode_map(np.array(labels, np.uint8), 2)


def test_a_map_without_a_label_left() -> None:
    """E_MASK_LABEL and the others, from garbage."""
    rng, seen = np.random.default_rng(0), set[str]()
    for _ in range(600):
        data, count = rng.bytes(rng.choice([0, 1, 2, 3, 30])), int(rng.integers(1, 4))
        said = both(lambda e, d=data, c=count: [e.decode_map(d, 6, 6, c)])
        seen.add(said if isinstance(said, str) else "none")
    assert seen == {"E_MASK_LABEL", "E_RANS_STATE", "E_RANS_FINAL", "none"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_latents_and_their_parameters(number: int) -> None:
    model, rng = load_model(number), np.random.default_rng(number)
    for k, (_, a, b) in enumerate(model.passes):
        for n in (0, 1, 200):
            raw = rng.choice([-32768, -2048, -7, 0, 5, 2047, 32767], (n, 2 * (b - a))).astype(np.int16)
            raw = np.where(rng.random(raw.shape) < 0.5, rng.integers(-2048, 2048, raw.shape), raw)
            qualities = np.arange(n) % 64
            index, mean = both(lambda e, r=raw, q=qualities, k=k: e.entropy_parameters(r, q, model, k))
            r = rng.choice([-32767, -90, 0, 1, 90, 32767], (n, b - a))
            cells = rng.permutation(n + 3)[:n]

            def put(e: Any, r: Any = r, q: Any = qualities, c: Any = cells, k: int = k, m: Any = mean) -> Any:
                latents = np.full((len(c) + 3, model.latents), 77, np.int16)
                e.dequantise(r, np.array(m, np.int64).reshape(r.shape), c, q, model, k, latents)
                return [latents]

            both(put)
    assert len(np.unique(index)) > 20


# --- streams ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", autouse=True)
def models() -> Iterator[None]:
    """Those of the conformance suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDC_MODELS", str(VECTORS / "models"))
        yield


@pytest.fixture(scope="module")
def streams() -> list[bytes]:
    """Valid and mutated streams, one after the other."""
    return [fuzz.stream(17, number) for number in range(60)]


@pytest.fixture(scope="module")
def answers(streams: list[bytes]) -> list[list[Any]]:
    """What NumPy and Python say of them: every hash, every error and its offset."""
    with using(core.NUMPY):
        return [said_of(data) for data in streams]


def said_of(data: bytes) -> list[Any]:
    ways: list[dict[str, Any]] = [{"op": "info"}, {"op": "decode"}, {"op": "decode", "restored": "stream"}]
    return [answer(data=data, **way) for way in [*ways, {"op": "validate"}]]


@pytest.mark.parametrize("threads", [1, 2])
def test_streams(
    threads: int, path: str, streams: list[bytes], answers: list[list[Any]], ran: list[str]
) -> None:
    with using(path, threads):
        assert [said_of(data) for data in streams] == answers
    assert set(ran) == {path}
    exits = [said[1]["exit"] for said in answers]
    assert exits.count(0) > 15 and exits.count(1) > 10 and len(set(exits)) > 2


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_in_several_groups(threads: int, path: str) -> None:
    """The same errors, in the same order, at the same offsets; the other groups are decoded."""
    stream = parse(random_stream(5, width=200, height=160, count=6).data)
    groups = [
        replace(g, payload=bytes([255 - k] * 7) if k in (1, 2, 4) else g.payload)
        for k, g in enumerate(stream.groups)
    ]
    data = build(replace(stream, groups=tuple(groups)))
    with using(core.NUMPY):
        want = said_of(data), [(e.code, e.offset) for e in sdc.validate(data).errors]
    with using(path, threads):
        got = said_of(data), [(e.code, e.offset) for e in sdc.validate(data).errors]
    assert got == want and len(want[1]) == 3


def photograph(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 9.0
    noise = np.random.default_rng(0).normal(0, 9, (height, width, 3))
    planes = np.stack([128 + 90 * np.sin(x + k) * np.cos(y * k) for k in range(3)], -1)
    return np.clip(planes + noise, 0, 255).astype(np.uint8)


THINGS = [Object("one", (0, 0, 40, 50), "L1"), Object("two", (50, 20, 40, 40), "L2")]


@pytest.mark.parametrize(("model", "effort"), [(1, 0), (1, 2), (2, 1)])
def test_encoding(model: int, effort: int, path: str, ran: list[str]) -> None:
    picture = photograph(75, 118)
    options: dict[str, Any] = {
        "objects": THINGS,
        "quality": {"L1": 50, "L2": 30, "other": 9},
        "model": model,
        "effort": effort,
    }
    with using(core.NUMPY):
        want = sdc.encode(picture, **options)
        pixels = sdc.decode(want).pixels
    assert ran == []
    for threads in (1, 2):
        with using(path, threads):
            assert sdc.encode(picture, **options) == want
            assert np.array_equal(sdc.decode(want).pixels, pixels)
            assert np.array_equal(
                sdc.decode(want, levels="L2").pixels[20:60, 50:90],
                sdc.decode(want, levels=["L2", "L1"]).pixels[20:60, 50:90],
            )
    assert set(ran) == {path}


# --- which path -------------------------------------------------------------------------------------

FORCED = """
import sys
import numpy as np
import sdc
from sdc import core
from sdc.coding.engine import engine
native, used = core.native(), set()
class Watched:
    def __getattr__(self, name):
        def call(*args):
            used.add(args[0] if name in ("operator", "network") else name)
            return getattr(native, name)(*args)
        return call if callable(getattr(native, name)) else getattr(native, name)
core.native = Watched
sdc.decode(sdc.encode(np.full((20, 20, 3), 99, np.uint8), effort=0))
print(core.path(), type(engine()).__name__, *sorted(used))
"""


def run_with(core_path: str | None, *words: str) -> subprocess.CompletedProcess[str]:
    """A process in which ``SDC_CORE`` has a value."""
    own = {k: v for k, v in os.environ.items() if k != "SDC_CORE"}
    own |= {} if core_path is None else {"SDC_CORE": core_path}
    return subprocess.run([sys.executable, *words], env=own, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*KNOWN, core.NUMPY, None])
def test_the_path_that_is_named_is_the_one_that_runs(name: str | None) -> None:
    if name is not None and name not in core.paths():
        pytest.skip(f"this machine does not have {name}")
    done = run_with(name, "-c", FORCED)
    assert done.returncode == 0, done.stderr
    path, engine, *used = done.stdout.split()
    assert path == (name or PATHS[0])
    assert engine == ("PythonEngine" if name == core.NUMPY else "CoreEngine")
    assert {u for u in used if u in KNOWN} == (set() if name == core.NUMPY else {path})
    assert ("read_side_by_side" in used) == (name != core.NUMPY)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fast", "AVX2", "neon" if "neon" not in PATHS else "sse4"])
def test_a_path_that_is_not_there_is_an_error_in_one_line(name: str, tmp_path: Any) -> None:
    (tmp_path / "x.sdc").write_bytes(random_stream(1).data)
    done = run_with(name, "-m", "sdc.cli", "decode", str(tmp_path / "x.sdc"), str(tmp_path / "x.png"))
    assert done.returncode == 64 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "E_USAGE" in line and name in line and all(path in line for path in core.paths())
    assert not (tmp_path / "x.png").exists()
    done = run_with(name, "-m", "sdc.cli", "--version")
    assert done.returncode == 64 and done.stdout == "" and done.stderr.count("\n") == 1
