"""Encoder effort: what the search finds decodes, costs less, and concerns one group alone."""

from __future__ import annotations

import hashlib
import math
from decimal import Decimal, localcontext
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdc.cli import main as cli
from sdc.codec import tiles
from sdc.codec.decoder import decode
from sdc.codec.distortion import squared_error
from sdc.codec.encoder import encode
from sdc.codec.portable import powers_of_e
from sdc.codec.search import DEFAULT_EFFORT, EFFORTS, MEASURED, _Search, rate_distortion_search, weight_of
from sdc.codec.tiles import pad_to_cells
from sdc.codec.transforms import analysis_transform, hyper_analysis
from sdc.coding.costs import GRID, NEAR, SymbolCosts, costs_of
from sdc.coding.passes import GroupCoder, encode_group, sites_of
from sdc.coding.rans import TOTAL, TOTAL_BITS, Encoder
from sdc.coding.symbols import tables_of, write_symbols
from sdc.errors import SdcError
from sdc.format.latn import decode_symbols
from sdc.format.parse import parse
from sdc.networks.gradient import backward
from sdc.networks.network import Network
from sdc.networks.operators import Add, Depthwise, Operator, Pointwise, Push, Quality, Shuffle
from sdc.networks.profile import by_quality
from sdc.networks.registry import PRIVATE, load_encoder, load_model, models_folder
from sdc.networks.run import Tape, run
from sdc.networks.sites import Sites
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.objects.object import Object
from sdc.types import Array
from sdc_conformance.runner.suite import VECTORS

HEIGHT, WIDTH = 70, 100
SLACK = 64
"""Bits by which the coder's rounding may spoil a comparison by the tables."""


@cache
def photograph() -> Array:
    """Waves, an edge and noise; neither side is a multiple of a cell's."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH] / 15.0
    picture = np.stack([128 + 80 * np.sin(x * (1 + k / 3) + y) * np.cos(y - k) for k in range(3)], -1)
    picture[20:50, 30:60] = (200, 40, 90)
    return np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


OBJECTS = [Object("one", (0, 0, 45, 40), "L1")]


def cost(data: bytes, quality: int) -> float:
    """J = lambda * squared error + bits, of the pixels that a decoder shows."""
    error = np.square(decode(data).pixels.astype(np.float64) - photograph()).sum() / 3
    return weight_of(quality) * float(error) + 8 * len(data)


@pytest.mark.slow
@pytest.mark.parametrize("quality", [4, 32, 60])
def test_every_effort_decodes_and_pays(quality: int) -> None:
    costs = []
    for effort in range(len(EFFORTS)):
        data = encode(photograph(), objects=OBJECTS, quality=quality, effort=effort)
        assert len(decode(data).groups) == 2
        costs.append(cost(data, quality))
    assert all(c <= costs[0] + SLACK for c in costs)
    for less, more in zip(costs[MEASURED:], costs[MEASURED + 1 :], strict=False):
        assert more <= less + SLACK
    assert costs[-1] < costs[0]


@pytest.mark.slow
def test_the_default_is_what_it_says_and_an_effort_gives_the_same_bytes_again() -> None:
    assert encode(photograph(), effort=DEFAULT_EFFORT) == encode(photograph())
    assert encode(photograph(), effort=5) == encode(photograph(), effort=5)


@pytest.mark.slow
def test_an_encoder_says_how_its_search_weighs_squared_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = PRIVATE
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    load_model.cache_clear()
    shipped = models_folder() / "sdc-model-1.safetensors"
    (tmp_path / f"sdc-model-{number}.safetensors").write_bytes(shipped.read_bytes())
    tensors, description = read_tensors((models_folder() / "sdc-model-1-encoder.safetensors").read_bytes())

    def weigh(weight: object) -> None:
        data = write_tensors(tensors, description | {"error_weights": weight})
        (tmp_path / f"sdc-model-{number}-encoder.safetensors").write_bytes(data)
        load_encoder.cache_clear()

    def coded(weight: list[float], effort: int) -> tuple[int, float]:
        weigh(weight)
        data = encode(photograph(), model=number, effort=effort)
        return len(payload(data)), float(np.square(decode(data).pixels.astype(float) - photograph()).sum())

    def payload(data: bytes) -> bytes:
        return parse(data).groups[0].payload

    try:
        for effort in (3, MEASURED):
            few, usual, many = (coded([weight, weight], effort) for weight in (0.5, 1, 4))
            assert few[0] < usual[0] < many[0] and few[1] > usual[1] > many[1]
        weigh([1, 1])
        assert payload(encode(photograph(), model=number, effort=3)) == payload(
            encode(photograph(), effort=3)
        )
        assert coded([0.25, 1], 3)[0] < coded([1, 1], 3)[0]
        for wrong in (0, -1, "2", None, True, 1001, 10**400, float("inf"), float("nan")):
            weigh([1, wrong])
            with pytest.raises(SdcError, match=r"E_MODEL_FILE.*(error_weights|no number of JSON)"):
                encode(photograph(), model=number, effort=3)
    finally:
        load_encoder.cache_clear()
        load_model.cache_clear()


@pytest.mark.slow
def test_a_group_is_searched_alone() -> None:
    """Another quality of one group leaves the bytes of the other as they are."""
    a, b = (
        parse(encode(photograph(), objects=OBJECTS, quality={"L1": q, "other": 24}, effort=4))
        for q in (30, 50)
    )
    assert a.groups[0].payload != b.groups[0].payload
    assert a.groups[1].payload == b.groups[1].payload


@pytest.mark.slow
def test_the_error_is_that_of_the_pixels_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the group's own pixels, within the picture; in tiles it is the same."""
    stream = parse(encode(photograph(), objects=OBJECTS, quality=30))
    model = load_model(1)
    padded, size = pad_to_cells(photograph()), photograph().shape[:2]
    for k in range(2):
        shown = decode(stream, groups=[k])
        ((_, sites, symbols),) = decode_symbols(stream, model, [k])
        difference = shown.pixels.astype(np.float64) - photograph()
        error, gradient = squared_error(symbols.latents, sites, model, padded, size)
        assert error == pytest.approx(np.square(difference[shown.covered]).sum() / 3, rel=1e-6)
        assert squared_error(symbols.latents, sites, model, padded, size, gradient=False)[0] == error
        with monkeypatch.context() as patch:
            patch.setattr(tiles, "TILE_CELLS", 2)
            patch.setattr("sdc.networks.sites.CHUNK_CELLS", 3)
            again = squared_error(symbols.latents, sites, model, padded, size)
        assert again[0] == pytest.approx(error, rel=1e-6)
        assert np.allclose(again[1], gradient, rtol=1e-3, atol=1e-3 * np.abs(gradient).max())


def real_network(network: Network, sites: Sites, x: Array) -> Array:
    """The same network in float64 without rounding, site by site as the specification words it."""
    factor, stack = 1, []
    for op in network:
        if isinstance(op, (Pointwise, Depthwise)):
            assert op.shift is not None
            scale = np.ldexp(1.0, -op.shift.astype(int))
            if isinstance(op, Pointwise):
                x = x @ op.weight.T.astype(np.float64)
            else:
                rows = np.concatenate([x, np.zeros((1, x.shape[1]))])
                x = sum(rows[t] * w for t, w in zip(sites.taps(factor), op.weight.T, strict=True))
            x = np.clip((x + op.bias) * scale, *op.clamp)
        elif isinstance(op, Push):
            stack.append(x)
        elif isinstance(op, Add):
            x = np.clip(x + stack.pop(), *op.clamp)
        elif isinstance(op, Shuffle):
            x, factor = x.reshape(len(x) * op.factor**2, -1), factor * op.factor
        else:
            assert isinstance(op, Quality)
            x = np.clip(x + np.repeat(op.table[sites.qualities], factor**2, 0), *op.clamp)
    return x


def small_network(rng: np.random.Generator) -> Network:
    """Every operator of a synthesis, with clamps that only rectify: nothing reaches their far ends."""
    signed, positive = (-30000, 30000), (0, 30000)

    def affine(layer: type[Pointwise | Depthwise], out: int, fan_in: int, clamp: tuple[int, int]) -> Operator:
        weight = rng.integers(-99, 100, (out, fan_in))
        return layer(clamp, weight, rng.integers(-9999, 9999, out), np.full(out, 7, np.uint8))

    return (
        affine(Pointwise, 24, 5, signed),
        Shuffle(2),
        Quality(signed, rng.integers(-500, 500, (64, 6))),
        Push(),
        affine(Pointwise, 8, 6, positive),
        affine(Depthwise, 8, 9, signed),
        affine(Pointwise, 6, 8, signed),
        Add(signed),
        Push(),
        affine(Pointwise, 7, 6, positive),
        affine(Pointwise, 6, 7, signed),
        affine(Depthwise, 6, 9, signed),
        Add(signed),
        affine(Pointwise, 12, 6, signed),
        Shuffle(2),
    )


ROUNDED = 2**-10
"""How far a gradient may be off, as a part of the largest: layers round to 2^-15 of the largest of a site."""


def test_gradient_is_that_of_finite_differences() -> None:
    """Of the network without rounding, in float64; two groups, whose cells do not see each other."""
    rng = np.random.default_rng(5)
    rows, cols = (a.reshape(-1) for a in np.mgrid[:5, :6])
    sites = Sites(rows, cols, (rows + cols > 5).astype(np.int64), np.full(30, 9))
    network = small_network(rng)
    x = rng.integers(-1500, 1500, (30, 5)).astype(np.float64)
    tape: Tape = []
    out = run(network, sites, x, tape=tape, arithmetic="float64")
    assert np.abs(out - real_network(network, sites, x)).max() < 20 and np.abs(out).max() < 30000
    slope = rng.normal(0, 1, out.shape)
    got = backward(network, sites, slope, tape)
    assert got.shape == x.shape and got.dtype == np.float32
    near = float(np.abs(got).max()) * ROUNDED
    for k in range(x.size):
        step = np.zeros(x.size)
        step[k] = 1e-3
        above, below = (real_network(network, sites, x + s * step.reshape(x.shape)) for s in (1, -1))
        assert got.reshape(-1)[k] == pytest.approx(((above - below) * slope).sum() / 2e-3, abs=near)


def test_bits_are_those_that_the_coder_takes() -> None:
    rng = np.random.default_rng(3)
    for number in (0, 1, 2):
        tables = tables_of(load_model(number))
        t = rng.integers(0, 64, 4000)
        r = np.where(t > 0, np.rint(rng.laplace(0, 1 + t / 3)), 0).astype(np.int64)
        r[np.flatnonzero(t)[:3]] = (NEAR, NEAR + 1, -9000)
        encoder = Encoder()
        write_symbols(encoder, t, r, tables)
        bits = costs_of(load_model(number)).bits(t, r)
        # The final state takes up to 64 bits, and a state of 32 bits loses a little with every symbol.
        ideal, spent = float(bits.sum(dtype=np.float64)), 8 * len(encoder.finish())
        assert 0 <= spent - ideal < 64 + 0.0015 * ideal and not bits[t == 0].any()


def test_search_on_a_network_that_codes_nothing_well() -> None:
    """The synthetic model reaches every clamp and escape; what is measured is never worse than rounding."""
    model, rng = load_model(0), np.random.default_rng(1)
    labels = np.ones((3, 4), np.uint8)
    for quality in (0, 20, 63):
        sites = sites_of(labels, [quality], [0])
        coder = GroupCoder(sites, model)
        targets = rng.integers(*model.latent_range, (12, model.latents)).astype(np.int16)
        hyper = np.zeros((coder.blocks[0], model.hyper), np.int64)
        measure = partial(
            squared_error, sites=sites, model=model, padded=photograph()[:48, :64], size=(48, 64)
        )
        costs = []
        for residuals in (None, rate_distortion_search(targets, hyper, coder, measure, MEASURED)):
            payload, symbols = encode_group(targets, hyper, coder, residuals)
            error = measure(symbols.latents, gradient=False)[0]
            costs.append(weight_of(quality) * error + 8 * len(payload))
        assert costs[1] <= costs[0] + SLACK


def search_after_a_move(quality: int, pixels: Array) -> _Search:
    model, encoder = load_model(1), load_encoder(1).networks
    padded = pad_to_cells(pixels)
    sites = sites_of(np.ones([side // 16 for side in padded.shape[:2]], np.uint8), [quality], [0])
    coder = GroupCoder(sites, model)
    targets = analysis_transform(padded, sites, encoder)
    search = _Search(targets, hyper_analysis(targets, coder, encoder), coder, weight_of(quality))
    search.move(np.zeros(targets.shape, np.float32), 4.5, 0.5)
    return search


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "least"), [(12, 0.5), (30, 0.6), (45, 0.6), (60, 0.6)])
def test_later_passes_take_the_bits_that_their_gradient_says(quality: int, least: float) -> None:
    """At low qualities less than it says, one reason why the search counts it for less.

    On a real photograph, and over so many draws that another seed moves the share by a few hundredths.
    """
    search = search_after_a_move(quality, np.asarray(Image.open(VECTORS / "picture" / "astronaut.png")))
    _, _, early = search.coder.model.passes[0]

    def bits(latents: Array) -> float:
        """Of all passes but the first, whose latents are given, by straight lines between integers."""
        total = 0.0
        known = np.zeros(latents.shape, np.int16)
        for k, cells, index, mean in search.coder.coding_passes(search.hyper, known):
            _, a, b = search.coder.model.passes[k]
            known[cells, a:b] = np.rint(latents[cells, a:b])
            at = latents[cells, a:b] / search.step[a:b] - mean / 16
            low = np.floor(at).astype(np.int64)
            below, above = (search.costs.bits(index, low + up) for up in (0, 1))
            total += float((below + (at - low) * (above - below)).sum()) if k else 0.0
        return total

    parity = (search.coder.sites.rows + search.coder.sites.cols) % 2
    assert not search.later[parity == 1, early:].any()  # nothing comes after them
    uphill = np.sign(search.later[:, :early]) * np.rint(np.maximum(0.2 * search.step[:early], 1))
    rng = np.random.default_rng(0)
    told = found = 0.0
    for _ in range(120):  # a few latents at a time: many together change too much for a gradient
        change = np.zeros_like(search.expected)
        change[:, :early] = uphill * (rng.random(uphill.shape) < 0.01)
        change[parity == 1] = 0
        told += 2 * float((change * search.later).sum())
        found += bits(search.expected + change) - bits(search.expected - change)
    assert least * told < found < 1.5 * told


def test_the_gradient_of_later_passes_is_the_same_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = search_after_a_move(30, photograph())
    monkeypatch.setattr("sdc.coding.passes.BAND_CELLS", 7)
    parts = search_after_a_move(30, photograph())
    assert len(parts.coder.bands) == 5 > len(whole.coder.bands)
    assert np.array_equal(parts.expected, whole.expected)
    assert np.allclose(parts.later, whole.later, rtol=0, atol=ROUNDED * np.abs(whole.later).max())


@pytest.mark.training
def test_weight_is_that_of_training() -> None:
    import torch

    from sdc_reference.model.quantisation import quality_to_lambda

    at = (0, 17, 63)
    assert [weight_of(q) for q in at] == pytest.approx(quality_to_lambda(torch.tensor(at)).tolist())


# --- the same on every machine --------------------------------------------------------------------
HASHES = {
    (1, 1): "7837f6ca02447d7c",
    (1, 3): "dd7105ed8f7fcab7",
    (1, 4): "65864dbc6be6d838",
    (2, 3): "0bed5af746e104b6",
}
"""By model and effort, of streams that today's models and search make on every machine."""


def test_the_search_makes_the_streams_that_it_makes_everywhere() -> None:
    """Functions that other versions and processors compute otherwise do not come into them unnoticed."""
    whole = np.asarray(Image.open(VECTORS / "picture" / "astronaut.png").convert("RGB"))
    image = whole[30:100, 10:110]
    for (model, effort), want in HASHES.items():
        data = encode(image, objects=OBJECTS, quality=30, effort=effort, model=model)
        assert hashlib.sha256(data).hexdigest()[:16] == want, (model, effort)


def test_functions_of_other_machines_change_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of which machines have other last bits are not called, or it does not matter."""
    streams = [encode(photograph(), objects=OBJECTS, quality=30, effort=effort) for effort in (1, 3, 4)]
    streams.append(encode(photograph(), quality=30, effort=3, model=2))
    for name in (
        "exp",
        "exp2",
        "power",
        "float_power",
        "vdot",
        "dot",
        "inner",
        "einsum",
        "tensordot",
        "cbrt",
    ):
        monkeypatch.setattr(np, name, lambda *_, **__: pytest.fail("called"))
    log2 = np.log2
    monkeypatch.setattr(np, "log2", lambda x: np.nextafter(log2(x), np.inf))
    monkeypatch.setattr("sdc.codec.search.costs_of", lambda model: SymbolCosts(tables_of(model)))
    again = [encode(photograph(), objects=OBJECTS, quality=30, effort=effort) for effort in (1, 3, 4)]
    again.append(encode(photograph(), quality=30, effort=3, model=2))
    assert again == streams


def test_no_bits_of_a_frequency_lie_between_two_of_the_grid() -> None:
    frequencies = np.arange(1, TOTAL)
    some = np.abs((TOTAL_BITS - np.log2(frequencies)) * GRID % 1 - 0.5).argsort()[:20] + 1
    with localcontext() as context:
        context.prec = 40
        for frequency in some.tolist():
            bits = (TOTAL_BITS - Decimal(frequency).ln() / Decimal(2).ln()) * GRID
            assert abs(bits % 1 - Decimal("0.5")) > Decimal("1e-6")
    costs = costs_of(load_model(1))
    t, r = np.meshgrid(np.arange(1, len(costs.tables.reach)), np.arange(-300, 301))
    bits = costs.bits(t, r).astype(np.float64)
    assert np.array_equal(bits * GRID, np.rint(bits * GRID)) and bits.max() * GRID < 1 << 24


def test_powers_and_series_are_what_they_are_called() -> None:
    x = np.linspace(-29, 29, 1001, dtype=np.float32)
    assert powers_of_e(x) == pytest.approx(np.exp(x), rel=2e-3)
    assert powers_of_e(np.float32([-1e9, 1e9])) == pytest.approx(np.exp([-30, 30]), rel=1e-6)
    for quality in range(64):
        assert math.isclose(by_quality((5e-4, 0.12), quality), 5e-4 * 240 ** (quality / 63), rel_tol=1e-14)


@pytest.mark.parametrize("effort", [-1, 10, 2.0, True, "3", ""])
def test_other_efforts_are_refused(effort: object) -> None:
    with pytest.raises(SdcError) as caught:
        encode(photograph(), effort=effort)  # type: ignore[arg-type]
    assert caught.value.code == "E_USAGE"


@pytest.mark.slow
def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = str(tmp_path / "in.png"), str(tmp_path / "out.sdc")
    Image.fromarray(photograph()).save(source)
    assert cli.main(["encode", source, target, "--objects", "none", "--effort", "1"]) == 0
    assert Path(target).read_bytes() == encode(photograph(), effort=1) != encode(photograph())
    for wrong in ("10", "-1", "2.5", "most"):
        assert cli.main(["encode", source, target, f"--effort={wrong}"]) == 64
        assert "E_USAGE" in capsys.readouterr().err
