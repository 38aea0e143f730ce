"""Masks, entropy coding, networks and pictures: exactness, independence, tiles."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import sdc
from sdc.cli import main as cli
from sdc.codec import tiles
from sdc.codec.decoder import decode
from sdc.codec.encoder import encode, qualities_of
from sdc.coding.labels import decode_map, encode_map
from sdc.coding.passes import GroupCoder, decode_group, encode_group, sites_of
from sdc.coding.rans import AdaptiveBit, Decoder, Encoder
from sdc.coding.symbols import read_symbols, tables_of, write_symbols
from sdc.errors import SdcError
from sdc.format.build import build
from sdc.format.colr import SRGB
from sdc.format.grps import COMPLETE
from sdc.format.latn import decode_symbols
from sdc.format.lazy import LazyStream
from sdc.format.objs import parse_objects
from sdc.format.parse import parse
from sdc.format.validate import validate
from sdc.images.read import ORIENTATION, read_image
from sdc.networks.model import parse_model
from sdc.networks.network import Network, check_network, receptive_radius
from sdc.networks.operators import (
    Add,
    Clamped,
    Depthwise,
    Operator,
    Pointwise,
    Push,
    Quality,
)
from sdc.networks.registry import load_model
from sdc.networks.run import run
from sdc.networks.sites import TAPS, Sites
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.objects.object import Object
from sdc.testing.streams import random_labels, random_stream
from sdc.testing.synthetic import synthetic_model_file
from sdc.types import Level


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth coloured picture with edges: enough for the trained model to work on."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 40.0
    planes = [128 + 90 * np.sin(x * rng.uniform(0.5, 2) + y * rng.uniform(0.5, 2) + k) for k in range(3)]
    picture = np.stack(planes, -1)
    picture[height // 4 : height // 2, width // 3 : width // 2] = rng.uniform(0, 255, 3)
    return np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def four_groups(height: int, width: int) -> list[Object]:
    third = width // 3
    return [
        Object("one", (0, 0, third, height // 2), "L1"),
        Object("two", (third, height // 3, third, height // 2), "L2"),
        Object("three", (2 * third, 0, third, height // 3), "L3"),
    ]


# --- entropy coding ---------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**15 - 1)), max_size=60))
def test_rans_round_trip(items: list[tuple[int, int]]) -> None:
    encoder = Encoder()
    for kind, value in items:
        if kind == 0:
            encoder.put(value, 32768 - value)
        elif kind == 1:
            encoder.put_raw(value, 15)
        elif kind == 2:
            encoder.put_uniform(value % 77, 77)
        else:
            encoder.put_raw(0, 0)
    data = encoder.finish()
    decoder = Decoder(data)
    for kind, value in items:
        if kind == 0:
            assert decoder.slot() >= value
            decoder.advance(value, 32768 - value)
        elif kind == 1:
            assert decoder.raw(15) == value
        elif kind == 2:
            assert decoder.uniform(77) == value % 77
        else:
            assert decoder.raw(0) == 0
    decoder.finish()
    assert len(data) <= 4 + 2 * len(items)


@given(st.binary(max_size=12), st.lists(st.integers(1, 2**15), max_size=12))
def test_a_sequence_of_symbols_has_one_coding(data: bytes, counts: list[int]) -> None:
    """What the decoder accepts is what the encoder makes of it, whatever the bytes."""
    try:
        decoder = Decoder(data)
        values = [decoder.uniform(count) for count in counts]
        decoder.finish()
    except SdcError as error:
        assert error.code in ("E_RANS_STATE", "E_RANS_FINAL")
        return
    encoder = Encoder()
    for value, count in zip(values, counts, strict=True):
        encoder.put_uniform(value, count)
    assert encoder.finish() == data


def test_short_streams_say_different_things() -> None:
    """Of all streams of at most two bytes, those that are accepted are the coding of what they say."""
    accepted = 0
    for value in range(1 << 16):
        data = value.to_bytes((value.bit_length() + 7) // 8, "little")
        decoder = Decoder(data)
        values = [decoder.uniform(1000), decoder.uniform(1000)]
        if not decoder.x:
            accepted += 1
            encoder = Encoder()
            for read in values:
                encoder.put_uniform(read, 1000)
            assert encoder.finish() == data
    assert accepted > 1000


def test_state_is_large_while_words_are_left() -> None:
    """The invariant from which a word at most is needed for each symbol."""
    rng = np.random.default_rng(1)
    encoder = Encoder()
    counts = [1, 2, 3, 100, 32768] * 40
    for count in counts:
        encoder.put_uniform(int(rng.integers(count)), count)
    decoder = Decoder(encoder.finish())
    for count in counts:
        assert decoder.x < 2**32 and (decoder.x >= 2**16 or decoder.used == len(decoder.words))
        decoder.uniform(count)
    decoder.finish()


def test_adaptive_bit_stays_in_range_and_learns() -> None:
    for bit in (0, 1):
        model, encoder = AdaptiveBit(16384, 0), Encoder()
        for _ in range(3000):
            model.put(encoder, bit)
        assert AdaptiveBit.FLOOR <= model.p <= 32768 - AdaptiveBit.FLOOR
        data = encoder.finish()
        assert len(data) < 30
        decoder, model = Decoder(data), AdaptiveBit(16384, 0)
        assert [model.get(decoder) for _ in range(3000)] == [bit] * 3000
        decoder.finish()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_map_round_trip(rows: int, cols: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = random_labels(rng, rows, cols, min(count, rows * cols), holes=bool(seed & 1))
    if seed % 5 == 0:
        labels = rng.integers(0, count + 1, (rows, cols)).astype(np.uint8)
    data = encode_map(labels, count)
    assert np.array_equal(decode_map(data, rows, cols, count), labels)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 63), st.integers(-32767, 32767)), max_size=40))
def test_symbols_round_trip_with_escapes(items: list[tuple[int, int]]) -> None:
    tables = tables_of(load_model(0))
    t = np.array([a for a, _ in items], np.int64)
    r = np.array([b if a else 0 for a, b in items], np.int64)
    encoder = Encoder()
    write_symbols(encoder, t, r, tables)
    decoder = Decoder(encoder.finish())
    assert np.array_equal(read_symbols(decoder, t, tables), r)
    decoder.finish()


def test_escape_beyond_its_bound_is_refused() -> None:
    tables = tables_of(load_model(0))
    model = load_model(0)
    reach_ = int(model.reach[9])
    for bits, rest in ((15, 32767), (16, None)):
        encoder = Encoder()
        freq = model.frequencies[9]
        encoder.put(32768 - int(freq[-1]), int(freq[-1]))
        encoder.put_raw(0, 1)
        for _ in range(bits):
            encoder.put_raw(1, 1)
        if rest is not None:
            encoder.put_raw(0, 1)
            encoder.put_raw(rest, bits)
            assert reach_ + 1 + (1 << bits) - 1 + rest > 32767
        with pytest.raises(SdcError, match="E_ESCAPE"):
            read_symbols(Decoder(encoder.finish()), np.array([9]), tables)


# --- models -----------------------------------------------------------------------------------------


def test_synthetic_model_is_what_its_generator_makes() -> None:
    assert parse_model(synthetic_model_file(), 0).sha256 == load_model(0).sha256


@pytest.mark.parametrize("number", [0, 1, 2])
def test_registry_names_the_shipped_weights(number: int) -> None:
    from sdc.errors import spec_data

    rows = {row["model"]: row for row in spec_data("registry.json")["models"]["entries"]}
    assert rows[number]["sha256"] == load_model(number).sha256


def test_private_models_come_from_their_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 1 << 24
    with pytest.raises(SdcError, match="E_MODEL"):
        load_model(number)
    for name in (number, 9, 0):
        (tmp_path / f"sdc-model-{name}.safetensors").write_bytes(synthetic_model_file() + b" ")
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    assert load_model(number).number == number
    with pytest.raises(SdcError, match="E_MODEL:"):
        load_model(9)  # neither registered nor private
    load_model.cache_clear()
    with pytest.raises(SdcError, match="E_MODEL_FILE"):
        load_model(0)  # other weights than the registry's
    load_model.cache_clear()


def test_model_files_that_break_rules_are_refused() -> None:
    data = synthetic_model_file()
    tensors, description = read_tensors(data)

    def refuse(change: dict, **fields: object) -> str:
        with pytest.raises(SdcError) as caught:
            parse_model(write_tensors(tensors | change, description | fields), 0)
        assert caught.value.code == "E_MODEL_FILE"
        return str(caught.value)

    heavy = tensors["synthesis.0.weight"].copy()
    heavy[3] = 32767
    assert "2^24" in refuse({"synthesis.0.weight": heavy})
    thin = tensors["frequency"].copy()
    thin[0] -= 1
    assert "2^15" in refuse({"frequency": thin})
    assert "profile" in refuse({}, profile=2)
    assert "out of range" in refuse({"step": np.full_like(tensors["step"], 16384)})
    refuse({"step": tensors["step"][:, 1:]})
    refuse({"step": tensors["step"].astype("<i4")})
    refuse({"synthesis.0.bias": tensors["synthesis.0.bias"].astype("<i2")})
    shuffles = [
        op | {"factor": 0} if op["op"] == "shuffle" else op for op in description["networks"]["hyper"]
    ]
    refuse({}, networks=description["networks"] | {"hyper": shuffles})
    refuse({}, passes=[[0, 0, 16], [1, 0, 16]])
    refuse({}, passes=[[2, 0, 8], *description["passes"][1:]])
    refuse({}, networks=description["networks"] | {"synthesis": description["networks"]["synthesis"][:-1]})
    refuse({}, networks=description["networks"] | {"hyper": [{"op": "convolution"}]})
    size = int.from_bytes(data[:8], "little")
    marked = (size + 3).to_bytes(8, "little") + b"\xef\xbb\xbf" + data[8:]
    with pytest.raises(SdcError, match="E_MODEL_FILE"):
        parse_model(marked, 0)  # a byte order mark (MODL-11)
    for odd in ({"latents": float("inf")}, {"latents": "16"}, {"profile": True}, {"shifts": {"index": 3.9}}):
        refuse({}, **odd)
    deep = b'{"__metadata__":' + b'{"a":' * 100_000
    with pytest.raises(SdcError, match="E_MODEL_FILE"):
        parse_model(len(deep).to_bytes(8, "little") + deep, 0)
    for cut in (0, 5, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(SdcError, match="E_MODEL_FILE"):
            parse_model(data[:cut], 0)


# --- networks and pictures --------------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6))
def test_three_arithmetics_give_the_same_pixels(seed: int) -> None:
    data = random_stream(seed).data
    pixels = decode(data).pixels
    for arithmetic in ("float64", "int64"):
        assert np.array_equal(decode(data, arithmetic=arithmetic).pixels, pixels)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (17, 16), (16, 17), (33, 65), (127, 1)])
def test_sizes(size: tuple[int, int]) -> None:
    drawn = random_stream(3, width=size[1], height=size[0], count=1)
    assert decode(drawn.data).pixels.shape == (*size, 3)
    picture = photograph(*size)
    assert decode(encode(picture)).pixels.shape == picture.shape


def test_every_subset_of_groups_is_the_same_picture() -> None:
    """Pixels of a group do not depend on which others are there (promise 2)."""
    for data in (
        random_stream(11, width=90, height=70, count=4).data,
        encode(photograph(96, 144), objects=four_groups(96, 144)),
    ):
        whole = decode(data)
        assert len(whole.groups) == 4
        for bits in range(16):
            some = decode(data, groups=[k for k in range(4) if bits >> k & 1])
            assert np.array_equal(some.pixels[some.covered], whole.pixels[some.covered])
            assert (some.pixels[~some.covered] == 128).all()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_other_groups_may_hold_anything(seed: int) -> None:
    """Other groups' chunks replaced by other valid ones: a group's pixels stay bit-identical."""
    drawn = random_stream(seed, width=80, height=60, count=3)
    stream = parse(drawn.data)
    model = load_model(0)
    rng = np.random.default_rng(seed)
    groups = []
    for g in stream.groups:
        if g.index:
            coder = GroupCoder(sites_of(stream.labels, [g.quality for g in stream.groups], [g.index]), model)
            noise = rng.integers(-2047, 2048, (len(coder.sites), model.latents))
            hyper = np.where(
                model.hyper_index[g.quality] > 0, rng.integers(-9, 10, (coder.blocks[0], model.hyper)), 0
            )
            g = replace(g, payload=encode_group(noise, hyper, coder)[0])
        groups.append(g)
    a, b = decode(drawn.data), decode(build(replace(stream, groups=tuple(groups))))
    own = np.kron(drawn.labels == 1, np.ones((16, 16), bool))[:60, :80]
    assert np.array_equal(a.pixels[own], b.pixels[own])
    assert not np.array_equal(a.pixels, b.pixels)


def test_encoder_and_decoder_agree_on_every_symbol() -> None:
    drawn = random_stream(21, width=150, height=90, count=3)
    stream, model = parse(drawn.data), load_model(0)
    for g in stream.groups:
        ((_, sites, symbols),) = decode_symbols(stream, model, [g.index], keep_residuals=True)
        again, _ = encode_group(symbols.latents.astype(np.int64) * 0, symbols.hyper, GroupCoder(sites, model))
        assert g.state == COMPLETE and isinstance(again, bytes)
        assert symbols.residuals.shape == (len(sites), model.latents)
        assert symbols.residuals.any() or not g.payload


@pytest.mark.slow
def test_bands_and_tiles_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large pictures are worked on in bands and tiles; the bits are those of the whole."""
    drawn = random_stream(4, width=700, height=500, count=3)
    picture = photograph(300, 420)
    whole, file = decode(drawn.data).pixels, encode(picture, objects=four_groups(300, 420))
    monkeypatch.setattr(tiles, "TILE_CELLS", 8)
    monkeypatch.setattr("sdc.coding.passes.BAND_CELLS", 100)
    assert np.array_equal(decode(drawn.data).pixels, whole)
    assert encode(picture, objects=four_groups(300, 420)) == file
    monkeypatch.setattr("sdc.networks.sites.CHUNK_CELLS", 7)
    assert np.array_equal(decode(drawn.data).pixels, whole)


def test_receptive_radius_covers_the_taps() -> None:
    """A cell's output changes with a cell ``receptive_radius`` away at most (tiles rely on it)."""
    model = load_model(1)
    network = model.networks["synthesis"]
    far = receptive_radius(network)
    assert far == 3
    rows, cols = (a.reshape(-1) for a in np.mgrid[:9, :9])
    sites = Sites(rows, cols, np.zeros(81, np.int64), np.full(81, 30))
    x = np.zeros((81, model.latents), np.int16)
    base = run(network, sites, x).reshape(81, -1)
    x[40] = 2047
    changed = (run(network, sites, x).reshape(81, -1) != base).any(1).reshape(9, 9)
    assert changed[4, 4]
    assert not changed[0].any() and not changed[:, 8].any()


def test_taps_do_not_cross_groups() -> None:
    rows, cols = (a.reshape(-1) for a in np.mgrid[:3, :4])
    sites = Sites(rows, cols, np.array([0, 0, 1, 1] * 3), np.zeros(12, np.int64))
    for factor in (1, 2):
        taps = sites.taps(factor)
        n = 12 * factor**2
        assert (taps[4] == np.arange(n)).all()
        inside = taps < n
        group = np.repeat(sites.labels, factor**2)
        own = np.broadcast_to(group, taps.shape)
        assert (group[taps[inside]] == own[inside]).all()


def test_context_and_hyperprior_save_bits() -> None:
    """Switching either off costs bits: both are in the exported integer model."""
    model = load_model(1)
    from sdc.codec.transforms import analysis_transform, hyper_analysis
    from sdc.format.grps import Group
    from sdc.networks.registry import load_encoder

    picture = photograph(192, 256, 3)
    groups = (Group(0, Level.OTHER, 32),)
    sites = sites_of(np.ones((12, 16), np.uint8), [g.quality for g in groups], [0])
    latents = analysis_transform(picture, sites, load_encoder(1).networks)

    class NoContext(GroupCoder):
        def parameters(self, k, band, latents, features):  # type: ignore[no-untyped-def]
            return super().parameters(k, band, np.zeros_like(latents), features)

    coder = GroupCoder(sites, model)
    hyper = hyper_analysis(latents, coder, load_encoder(1).networks)
    full = len(encode_group(latents, hyper, coder)[0])
    blind = len(encode_group(latents, hyper, NoContext(sites, model))[0])
    flat = len(encode_group(latents, np.zeros_like(hyper), coder)[0])
    assert blind > 1.02 * full
    assert flat > full


@pytest.mark.slow
def test_quality_and_level_qualities() -> None:
    picture = photograph(96, 144)
    sizes = [len(encode(picture, quality=q)) for q in (0, 20, 40, 63)]
    assert sizes == sorted(sizes)
    errors = [
        np.square(decode(encode(picture, quality=q)).pixels.astype(float) - picture).mean()
        for q in (0, 30, 63)
    ]
    assert errors == sorted(errors, reverse=True)
    stream = parse(encode(picture, objects=four_groups(96, 144), quality={"L1": 44, "L2": 32, "other": 16}))
    assert [g.quality for g in stream.groups] == [44, 32, 32, 16]
    for bad in ({}, {"L4": 3}, {"L1": 64}, -1):
        with pytest.raises(SdcError, match="E_USAGE"):
            qualities_of(bad)  # type: ignore[arg-type]


def test_trained_model_is_worth_its_name() -> None:
    """Far better than a guess: a smooth picture at about a quarter bit per pixel comes back close."""
    picture = photograph(192, 288, 9)
    data = encode(picture, quality=40)
    error = np.square(decode(data).pixels.astype(float) - picture).mean()
    assert 10 * np.log10(255**2 / error) > 32
    assert len(data) * 8 / (192 * 288) < 0.6


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_pictures_that_cannot_be_coded(bad: np.ndarray) -> None:
    with pytest.raises(SdcError, match="E_PICTURE"):
        encode(bad)
    with pytest.raises(SdcError, match="E_PICTURE"):
        encode(photograph(8, 8), icc_profile=b"short")


def test_decoding_group_by_group_needs_nothing_else() -> None:
    """A group decodes from its own payload, its cells and its quality (promise 2)."""
    drawn = random_stream(8, width=64, height=64, count=2)
    stream, model = parse(drawn.data), load_model(0)
    g = stream.groups[1]
    rows, cols = np.nonzero(stream.labels == 2)
    alone = Sites(rows, cols, np.zeros(len(rows), np.int64), np.full(len(rows), g.quality))
    assert g.payload is not None
    got = decode_group(g.payload, GroupCoder(alone, model)).latents
    ((_, _, symbols),) = decode_symbols(stream, model, [1])
    assert np.array_equal(got, symbols.latents)


def random_network(rng: np.random.Generator, channels: int) -> Network:
    """A random valid Profile 1 network at cell sites: any order of operators that fit together."""
    ops: list[Operator] = []
    open_pushes: list[int] = []
    width = channels
    for _ in range(int(rng.integers(1, 12))):
        kind = str(rng.choice(["pointwise", "depthwise", "quality", "push", "add", "depthwise"]))
        clamp = (int(rng.choice([-2048, 0, -100])), int(rng.choice([2047, 900])))
        if kind in ("pointwise", "depthwise"):
            out = int(rng.choice([width, 5, 8])) if kind == "pointwise" else width
            fan_in = width if kind == "pointwise" else 9
            weight = rng.integers(-200, 201, (out, fan_in)).astype("<i2")
            bias, shift = rng.integers(-9000, 9001, out).astype("<i4"), rng.integers(5, 11, out).astype("u1")
            layer = Pointwise if kind == "pointwise" else Depthwise
            ops.append(layer(clamp, weight, bias, shift))
            width = out
        elif kind == "quality":
            ops.append(Quality(clamp, rng.integers(-300, 301, (64, width)).astype("<i2")))
        elif kind == "push":
            ops.append(Push())
            open_pushes.append(width)
        elif open_pushes and open_pushes[-1] == width:
            open_pushes.pop()
            ops.append(Add(clamp))
    for wide in reversed(open_pushes):  # what is left on the stack is added to something of its width
        weight = rng.integers(-200, 201, (wide, width)).astype("<i2")
        shift = np.full(wide, 9, "u1")
        ops += [
            Pointwise((-2048, 2047), weight, np.zeros(wide, "<i4"), shift),
            Add((-2048, 2047)),
        ]
        width = wide
    return tuple(ops)


def plain_run(network: Network, sites: Sites, x: np.ndarray) -> np.ndarray:
    """The operators at cell sites as spec section 10.3 states them, site by site, in Python integers."""
    at = {(int(r), int(c)): i for i, (r, c) in enumerate(zip(sites.rows, sites.cols, strict=True))}
    values = [[int(v) for v in row] for row in x]
    stack: list[list[list[int]]] = []

    def affine(op: Pointwise | Depthwise, o: int, terms: list[int]) -> int:
        assert op.shift is not None
        s = int(op.shift[o])
        acc = sum(int(w) * t for w, t in zip(op.weight[o], terms, strict=True)) + int(op.bias[o])
        return min(max(acc + (1 << (s - 1)) >> s, op.clamp[0]), op.clamp[1])

    for op in network:
        if isinstance(op, Pointwise):
            values = [[affine(op, o, row) for o in range(len(op.weight))] for row in values]
        elif isinstance(op, Depthwise):
            new = []
            for i, row in enumerate(values):
                near = [at.get((int(sites.rows[i]) + dy, int(sites.cols[i]) + dx)) for dy, dx in TAPS]
                own = [j if j is not None and sites.labels[j] == sites.labels[i] else None for j in near]
                taps = [[0 if j is None else values[j][c] for j in own] for c in range(len(row))]
                new.append([affine(op, c, taps[c]) for c in range(len(row))])
            values = new
        elif isinstance(op, Push):
            stack.append([list(row) for row in values])
        else:
            assert isinstance(op, Clamped)
            if isinstance(op, Add):
                other = stack.pop()
            else:
                assert isinstance(op, Quality)
                other = [[int(v) for v in op.table[q]] for q in sites.qualities]
            values = [
                [min(max(a + b, op.clamp[0]), op.clamp[1]) for a, b in zip(row, more, strict=True)]
                for row, more in zip(values, other, strict=True)
            ]
    return np.array(values)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_any_network_of_the_profile_runs_as_the_text_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng, 6)
    if not network:
        return
    check_network("context.0", network, 6, 2048)
    rows, cols = np.nonzero(rng.random((5, 6)) < 0.8)
    n = len(rows)
    sites = Sites(rows, cols, rng.integers(0, 2, n), rng.integers(0, 64, n))
    x = rng.integers(-2048, 2048, (n, 6)).astype(np.int16)
    kept = x.copy()
    want = plain_run(network, sites, x)
    for arithmetic in ("float32", "float64", "int64"):
        got = run(network, sites, x if arithmetic != "int64" else x.astype(np.int64), arithmetic=arithmetic)
        assert np.array_equal(got, want)
    assert np.array_equal(x, kept)
    chosen = np.flatnonzero(rng.random(n) < 0.5)
    if any(op.radius for op in network) and len(chosen):
        assert np.array_equal(run(network, sites, x, only=chosen), want[chosen])


def test_bands_reach_as_far_as_the_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A context with two layers of taps sees two rows of other bands."""
    model = load_model(0)
    networks = dict(model.networks)
    deep = networks["context.3"]
    networks["context.3"] = (*deep[:2], deep[1], *deep[2:])
    twice = replace(model, networks=networks)
    rng = np.random.default_rng(0)
    rows, cols = (a.reshape(-1) for a in np.mgrid[:12, :10])
    sites = Sites(rows, cols, np.zeros(120, np.int64), np.full(120, 20))
    targets = rng.integers(-900, 900, (120, model.latents))
    hyper = np.zeros((9, model.hyper), np.int64)
    whole = encode_group(targets, hyper, GroupCoder(sites, twice))[0]
    monkeypatch.setattr("sdc.coding.passes.BAND_CELLS", 20)
    assert encode_group(targets, hyper, GroupCoder(sites, twice))[0] == whole


def test_wrong_arguments_are_named() -> None:
    data = encode(photograph(40, 40), objects=[Object("a", (0, 0, 16, 16), "L1")])
    for options in (
        {"levels": ["L9"]},
        {"levels": [9]},
        {"levels": [None]},
        {"levels": 0},
        {"groups": [7]},
        {"groups": ["0"]},
        {"groups": [0], "levels": ["L1"]},
        {"arithmetic": "float16"},
        {"fill": (300, 0, 0)},
        {"fill": (0.5, 0, 0)},
        {"fill": 0},
        {"fill": None},
    ):
        with pytest.raises(SdcError, match="E_USAGE"):
            decode(data, **options)  # type: ignore[arg-type]
    for levels in (["L1"], ["l1"], ("1",), iter(["1", "L1"])):
        assert decode(data, levels=levels).groups == (0,)
    assert decode(data, levels=["OTHER"]).groups == (1,)
    for one in (1, np.int64(1), "L1", "1", Level.L1, [1], [Level.L1, 1]):
        assert decode(data, levels=one).groups == (0,)  # type: ignore[arg-type]
    for number in (0, 4, True, 1.0, None, "L0"):
        with pytest.raises(SdcError, match=r"E_USAGE.*a level is one of L1, L2, L3, other, or 1 to 3"):
            decode(data, levels=[number])  # type: ignore[list-item]
    for quality in (3.5, None, True, {"L1": True}, {"L1": 2.0}):
        with pytest.raises(SdcError, match="E_USAGE"):
            encode(photograph(8, 8), quality=quality)  # type: ignore[arg-type]
    assert encode(photograph(8, 8), quality=np.int64(9)) == encode(photograph(8, 8), quality=9)  # type: ignore[arg-type]


def test_decoding_from_byte_ranges() -> None:
    """What stands in front of the groups first, then the data of a level, then its pixels."""
    picture = photograph(96, 144)
    data = encode(picture, objects=four_groups(96, 144))
    whole = decode(data)
    stream = LazyStream(io.BytesIO(data)).stream
    assert decode(stream).groups == () and stream.state == "valid"
    for k in (1, 3):
        ((offset, size),) = stream.ranges([k])
        stream = stream.with_group(k, data[offset : offset + size])
    some = decode(stream)
    assert some.groups == (1, 3) and not some.missing
    assert np.array_equal(some.pixels[some.covered], whole.pixels[some.covered])
    assert [e.code for e in decode(stream, groups=[0]).missing] == ["E_GROUP_TRUNCATED"]
    broken = stream.with_group(0, b"")
    assert broken.state == "partial" and broken.groups[0].state == "truncated"
    assert broken.with_group(0, data[slice(*np.cumsum(stream.ranges([0])[0]))]).state == "valid"


def test_a_name_that_no_object_has_is_told_what_there_is() -> None:
    things = [Object("dog", (0, 0, 20, 20), "L1"), Object("", (30, 0, 20, 20), "L2")]
    stream = encode(np.zeros((32, 64, 3), np.uint8), objects=things, effort=0)
    with pytest.raises(
        SdcError, match="no object object; it has dog, 1 without a name, and takes an index, 0 to 1"
    ):
        decode(stream, objects="object")
    assert decode(stream, objects="1").box == (32, 0, 32, 32)


def test_objects_are_written_first_or_last() -> None:
    things = four_groups(96, 144)
    options = {"objects": things, "provenance": {"by": "hand"}, "icc_profile": bytes(200), "effort": 0}
    last, first = (encode(photograph(96, 144), metadata=m, **options) for m in (True, "first"))  # type: ignore[arg-type]
    assert [c.name for c in parse(last).before] == ["COLR"]
    assert [c.name for c in parse(last).after] == ["ICCP", "OBJS", "PROV"]
    assert [c.name for c in parse(first).before] == ["ICCP", "OBJS"]
    assert [c.name for c in parse(first).after] == ["PROV"]
    assert len(first) + 8 == len(last) and validate(first).state == "valid"
    for data in (last, first):
        whole = decode(data)
        assert [o.label for o in whole.objects] == ["one", "two", "three"]
        assert whole.objects == parse_objects(whole.stream) == parse_objects(parse(data))
        size = parse(data).prefix(levels=["L1"])
        for some in (
            decode(data[:size], levels=["L1"]),
            decode(io.BytesIO(data), levels=["L1"]),
            decode(data[:size]),
        ):
            assert some.groups == (0,)
            from_file = some.stream.size == len(data)
            assert some.objects == (whole.objects if data is first or from_file else ())
            assert from_file or some.missing or "behind the groups is missing" in some.notes[-1]
            assert np.array_equal(some.pixels[some.covered], whole.pixels[some.covered])
        with pytest.raises(sdc.UsageError, match="the objects have not been read"):
            parse_objects(LazyStream(io.BytesIO(last)).stream)
    assert decode(last, levels=["L1"]).objects == decode(last).objects
    for metadata in ("last", None, 2):
        with pytest.raises(SdcError, match="E_USAGE"):
            encode(photograph(8, 8), metadata=metadata)  # type: ignore[arg-type]


ROOT = Path(__file__).resolve().parents[1]


def files_of_the_pages(folder: Path) -> Path:
    """A folder with a photograph, which lies on its side and has a colour profile, and its objects."""
    turned = Image.fromarray(np.rot90(photograph(96, 144)))
    exif = turned.getexif()
    exif[ORIENTATION] = 6
    turned.save(
        folder / "photo.jpg",
        exif=exif,
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    things = [
        {"label": label, "box": [x, 10, 40, 30], "level": level}
        for label, x, level in (("one", 2, "L1"), ("two", 50, "L2"), ("three", 100, "L2"))
    ]
    (folder / "objects.json").write_text(json.dumps(things))
    return folder


def python_of(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.mark.slow
def test_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files_of_the_pages(tmp_path))
    plain, described, parts = python_of("README.md")
    names: dict[str, Any] = {}
    exec(plain, names)
    photo = read_image(Path("photo.jpg").read_bytes())
    assert names["pixels"].shape == (96, 144, 3)
    with sdc.open("photo.sdc") as file:
        assert photo.icc_profile is not None
        assert file.icc_profile is None and file.colour == SRGB
        assert file.levels == ("other",) and not file.objects
    assert Path("photo.sdc").read_bytes() == encode(photo.pixels, icc_profile=photo.icc_profile)
    exec(described, names)
    stream = parse(Path("photo.sdc").read_bytes())
    assert [g.quality for g in stream.groups] == [44, 32, 16] and names["found"].objects
    assert np.array_equal(names["l1"], decode("photo.sdc", groups=[0]).pixels)
    exec(parts, names)
    first, one = names["first"], names["one"]
    assert first.groups == one.groups == (0,) and not first.missing
    assert [o.label for o in names["file"].objects] == ["one", "two", "three"]
    x, y, w, h = one.box
    assert np.array_equal(one.pixels[one.covered], first.pixels[y : y + h, x : x + w][one.covered])
    assert [g.state for g in parse(names["small"]).groups] == ["complete", "complete", "withdrawn"]


def test_python_of_the_page_on_analysis_does_what_the_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files_of_the_pages(tmp_path))
    names: dict[str, Any] = {}
    exec(python_of("docs/analysis.md")[0], names)
    assert cli.main(["encode", "photo.jpg", "out.sdc"]) == 0
    assert names["data"] == Path("out.sdc").read_bytes()


def test_pixel_masks_stay_within_the_total_that_a_stream_may_hold() -> None:
    """Four times the picture (OBJS-16); what goes beyond it loses its mask, not its description."""
    full = np.ones((64, 64), bool)
    things = [Object(str(k), (0, 0, 64, 64), "L1", mask=full) for k in range(6)]
    data = encode(photograph(64, 64), objects=things, pixel_masks=True)
    assert validate(data).state == "valid"
    found = parse_objects(parse(data))
    assert [o.mask is not None for o in found] == [True] * 4 + [False] * 2
