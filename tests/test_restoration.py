"""Restoration: a second result beside the decoded image, by models of Profile 2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.cli.restoration import read_restoration_file
from sdc.codec.restoration import FOUND, conditioned, degradations_of, derived_vector
from sdc.coding.passes import Symbols
from sdc.format.build import build
from sdc.format.chunks import REST, Chunk
from sdc.format.parse import parse
from sdc.format.rest import restoration_payload
from sdc.networks.gradient import backward
from sdc.networks.network import Network
from sdc.networks.operators import BackwardWork, Modulate, Pool, Work
from sdc.networks.registry import load_model, load_restoration, models_folder
from sdc.networks.restoration import parse_restoration
from sdc.networks.run import Tape, run
from sdc.networks.sites import Sites
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.testing.streams import random_stream
from sdc.testing.synthetic_restoration import NUMBER, VECTOR, synthetic_restoration_file

PLAIN = random_stream(3, width=100, height=60, count=3, extras=False).data
SAID = sdc.Restoration(
    NUMBER,
    vectors={None: (1, 2, -3, -128), 1: (0, 5, 6, 127)},
    degradations=(sdc.Degradation("noise", 0.5), sdc.Degradation(200, 0, 1)),
)


def with_rest(data: bytes, restoration: sdc.Restoration, *, behind: bool = False) -> bytes:
    """A stream with REST in front of the groups, or behind them."""
    stream = parse(data)
    weights = restoration.weights or load_restoration(restoration.model).weights
    payload = restoration_payload(replace(restoration, weights=weights), len(stream.groups))
    chunk = (Chunk(REST, payload),)
    if behind:
        return build(replace(stream, after=(*stream.after, *chunk)))
    return build(replace(stream, before=(*stream.before, *chunk)))


@cache
def restoring() -> bytes:
    return with_rest(PLAIN, SAID)


def some_sites(count: int, quality: int = 9) -> Sites:
    cells = np.arange(count)
    return Sites(cells // 3, cells % 3, np.zeros(count, np.int64), np.full(count, quality))


def test_the_file_of_the_registry_is_made_by_its_generator() -> None:
    assert parse_restoration(synthetic_restoration_file(), NUMBER).sha256 == load_restoration(NUMBER).sha256


def test_restored_pixels_stand_beside_the_others() -> None:
    plain, both = sdc.decode(restoring()), sdc.decode(restoring(), restore=True)
    assert plain.restored is None and plain.vectors == {}
    assert both.restored is not None and np.array_equal(plain.pixels, both.pixels)
    assert not np.array_equal(both.restored, both.pixels)
    assert both.vectors == {0: SAID.vectors[None], 1: SAID.vectors[1], 2: SAID.vectors[None]}
    assert (both.restored[~both.covered] == 128).all()


def test_a_group_is_restored_alike_in_every_selection() -> None:
    for data, by in ((restoring(), True), (PLAIN, NUMBER)):
        whole = sdc.decode(data, restore=by)
        assert whole.restored is not None
        for group in range(3):
            alone = sdc.decode(data, groups=[group], restore=by, fill=(1, 2, 3))
            assert alone.restored is not None and alone.vectors[group] == whole.vectors[group]
            assert np.array_equal(alone.restored[alone.covered], whole.restored[alone.covered])
            assert (alone.restored[~alone.covered] == (1, 2, 3)).all()


def test_arithmetics_and_tiles_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    right = sdc.decode(PLAIN, restore=NUMBER).restored
    for arithmetic in ("float64", "int64"):
        assert np.array_equal(sdc.decode(PLAIN, restore=NUMBER, arithmetic=arithmetic).restored, right)
    monkeypatch.setattr("sdc.codec.tiles.TILE_CELLS", 2)
    monkeypatch.setattr("sdc.networks.sites.CHUNK_CELLS", 3)
    assert np.array_equal(sdc.decode(PLAIN, restore=NUMBER).restored, right)


@pytest.mark.slow
def test_torch_restores_alike() -> None:
    runner = pytest.importorskip("sdc_reference.runner").TorchRunner()
    right = sdc.decode(PLAIN, restore=NUMBER)
    for arithmetic in ("float32", "int64"):
        found = sdc.decode(PLAIN, restore=NUMBER, runner=runner, arithmetic=arithmetic)
        assert found.vectors == right.vectors and np.array_equal(found.restored, right.restored)


def test_a_gain_of_one_changes_nothing() -> None:
    model = load_restoration(NUMBER)
    op = next(op for op in model.restore if isinstance(op, Modulate))
    one = op.of_group(1 << op.shift.astype(np.int64), np.zeros(len(op.shift)))
    x = np.arange(-1000, 1000).reshape(-1, 1).repeat(len(op.shift), 1).astype(np.float32)
    work = Work(some_sites(len(x)), slice(0, len(x)), 1, None, "float32")
    assert np.array_equal(one.run(x, work), np.clip(x, *op.clamp))


@pytest.mark.parametrize(
    ("values", "mean"), [([1, 2], 2), ([-1, -2], -1), ([1, 1, 2], 1), ([1, 2, 2], 2), ([-3], -3)]
)
def test_halves_of_a_mean_go_up(values: list[int], mean: int) -> None:
    count = len(values)
    work = Work(some_sites(count), slice(0, count), 1, None, "float32")
    assert Pool().run(np.array(values, np.float32)[:, None], work).tolist() == [[mean]]


def test_sums_of_a_mean_are_exact_beyond_single_precision() -> None:
    values = np.full((40000, 1), 2047, np.float32)
    values[::2] = 2046
    work = Work(some_sites(len(values)), slice(0, len(values)), 1, None, "float32")
    assert Pool().run(values, work).tolist() == [[2047]]


def test_gradients() -> None:
    model, sites = load_restoration(NUMBER), some_sites(6)
    op = next(op for op in conditioned(model, (0,) * VECTOR, 9) if isinstance(op, Modulate))
    tape: Tape = []
    run((op,), sites, np.zeros((6, len(op.shift)), np.float32), tape=tape)
    slope = backward((op,), sites, np.ones((6, len(op.shift))), tape)
    assert op.gains is not None and np.allclose(slope[0], op.gains / 2.0 ** op.shift.astype(int))
    assert np.allclose(Pool().backward(np.ones((1, 2)), BackwardWork(sites, 0)), np.full((6, 2), 1 / 6))


def test_a_vector_is_derived_from_the_group_alone() -> None:
    model, rng = load_restoration(NUMBER), np.random.default_rng(0)
    latents = rng.integers(-500, 500, (7, model.latents)).astype(np.int16)
    vector = derived_vector(latents, some_sites(7), model)
    assert len(vector) == VECTOR and all(-128 <= v <= 127 for v in vector)
    assert vector != derived_vector(latents[:6], some_sites(6), model)
    assert vector != derived_vector(latents, some_sites(7, 40), model)


def test_what_a_stream_says_is_read_wherever_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "behind.sdc"
    path.write_bytes(with_rest(PLAIN, SAID, behind=True))
    with sdc.open(path) as file:
        said = file.restoration
        assert said is not None and said.model == NUMBER and said.vectors == SAID.vectors
        assert [(d.kind, d.group) for d in said.degradations] == [(200, 1), ("noise", None)]
        assert [round(d.strength, 2) for d in said.degradations] == [0, 0.5]
        found = file.read(groups=[1], restore=True)
    assert np.array_equal(found.restored, sdc.decode(restoring(), groups=[1], restore=True).restored)
    with sdc.open(PLAIN) as file:
        assert file.restoration is None


def test_who_does_not_restore_needs_nothing() -> None:
    named = with_rest(PLAIN, replace(SAID, model=1 << 25, weights=bytes(4)))
    assert np.array_equal(sdc.decode(named).pixels, sdc.decode(PLAIN).pixels)
    with pytest.raises(sdc.UnsupportedError, match="E_MODEL: model 33554432 is not known"):
        sdc.decode(named, restore=True)
    assert sdc.decode(named, groups=[], restore=True).restored is not None


def test_what_restores_nothing_is_refused() -> None:
    for by, words in (
        (True, "E_MODEL: the stream names no restoration model"),
        (0, "E_MODEL: model 0 restores nothing"),
        (77, "E_MODEL: model 77 is not known"),
        (-1, "E_USAGE: restore is True, False or the number"),
        ("3", "E_USAGE: restore is True, False or the number"),
    ):
        with pytest.raises(sdc.SdcError, match=words):
            sdc.decode(PLAIN, restore=by)  # type: ignore[arg-type]
    weights = with_rest(PLAIN, replace(SAID, weights=b"abcd"))
    for again in (True, NUMBER):
        with pytest.raises(sdc.UnsupportedError, match="E_MODEL_HASH: the stream wants weights 61626364"):
            sdc.decode(weights, restore=again)
    short = with_rest(PLAIN, replace(SAID, vectors={None: (1, 2)}))
    with pytest.raises(sdc.InvalidError, match="E_REST: vectors of 2 values, where the model wants 4"):
        sdc.decode(short, restore=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vectors": {3: (1, 2, 3, 4)}}, "a group of REST is a whole number of 0 to 2"),
        ({"vectors": {0: (1, 2, 3, 128)}}, "a value of a vector is a whole number of -128 to 127"),
        ({"vectors": {0: ()}}, "vectors have 1 to 64 values"),
        ({"vectors": {0: (1,), 1: (1, 2)}}, "and all of them as many"),
        ({"degradations": (sdc.Degradation("fluff", 1),)}, "'fluff' is no kind of degradation: noise"),
        ({"degradations": (sdc.Degradation(0, 1),)}, "a kind of degradation is a whole number of 1 to 255"),
        ({"degradations": (sdc.Degradation("haze", 1.5),)}, "a strength of degradation is 0 to 1"),
        ({"degradations": (sdc.Degradation("haze", "x"),)}, "a strength of degradation is 0 to 1"),  # type: ignore[arg-type]
        ({"degradations": (sdc.Degradation("haze", 1), sdc.Degradation(7, 0))}, "given twice for a group"),
        ({"model": -1, "weights": bytes(4)}, "a model is a whole number of 0 to 4294967295"),
    ],
)
def test_what_no_stream_can_hold_is_refused(change: dict[str, object], words: str) -> None:
    with pytest.raises(sdc.UsageError, match=words):
        restoration_payload(replace(SAID, **{"weights": bytes(4), **change}), 3)  # type: ignore[arg-type]


PRIVATE = (1 << 24) + 9


@pytest.fixture
def telling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The synthetic restoration model under a private number, which also says what changes nothing, and what
    is wrong: noise as strong as twice the first value, and haze as strong as twice the second.
    """
    tensors, description = read_tensors(synthetic_restoration_file())
    description |= {"none": [10, -20, 0, 127], "degradations": [1, 7]}
    description["networks"]["degradations"] = [{"op": "pointwise", "name": "tell", "clamp": [0, 255]}]
    tensors |= {
        "tell.weight": np.array([[4, 0, 0, 0], [0, 4, 0, 0]], "<i2"),
        "tell.bias": np.zeros(2, "<i4"),
        "tell.shift": np.ones(2, "u1"),
    }
    (tmp_path / f"sdc-model-{PRIVATE}.safetensors").write_bytes(write_tensors(tensors, description))
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    load_restoration.cache_clear()
    yield tmp_path
    load_restoration.cache_clear()


def test_half_the_strength_is_half_way_to_what_changes_nothing(telling: Path) -> None:
    full = sdc.decode(PLAIN, groups=[1], restore=PRIVATE).vectors[1]
    half = sdc.decode(PLAIN, groups=[1], restore=PRIVATE, strength=0.5)
    none = (10, -20, 0, 127)
    assert half.vectors[1] == tuple((n + v + 1) // 2 for n, v in zip(none, full, strict=True))
    said = with_rest(PLAIN, sdc.Restoration(PRIVATE, vectors={1: half.vectors[1]}))
    assert np.array_equal(sdc.decode(said, groups=[1], restore=True).restored, half.restored)
    assert sdc.decode(said, groups=[1], restore=True, strength=0).vectors[1] == none
    with sdc.open(PLAIN) as file:
        again = file.read(groups=[1], restore=PRIVATE, strength=0.5).restored
    assert np.array_equal(again, half.restored)


def test_a_strength_that_cannot_be_had_is_refused() -> None:
    for strength, words in (
        (0.5, "model 3 restores with a strength of 1 alone"),
        (1.5, "a strength of restoration is 0 to 1, not 1.5"),
        ("1", "a strength of restoration is 0 to 1, not '1'"),
        (float("nan"), "a strength of restoration is 0 to 1, not nan"),
        (True, "a strength of restoration is 0 to 1, not True"),
    ):
        with pytest.raises(sdc.UsageError, match=words):
            sdc.decode(PLAIN, restore=NUMBER, strength=strength)  # type: ignore[arg-type]


def test_the_restored_image_alone() -> None:
    ran: list[int] = []

    def counting(network: Network, *args: Any, **options: Any) -> Any:
        ran.append(id(network))
        return run(network, *args, **options)

    both = sdc.decode(restoring(), restore=True, fill=(1, 2, 3), groups=[0, 2])
    alone = sdc.decode(
        restoring(), restore=True, captured=False, fill=(1, 2, 3), groups=[0, 2], runner=counting
    )
    assert alone.restored is alone.pixels and np.array_equal(alone.pixels, both.restored)
    assert alone.vectors == both.vectors and not np.array_equal(both.pixels, both.restored)
    assert id(load_model(1).networks["synthesis"]) not in ran and ran
    assert np.array_equal(
        sdc.imread(restoring(), restore=True), sdc.decode(restoring(), restore=True).restored
    )
    with pytest.raises(sdc.UsageError, match="as captured, or restored, or both"):
        sdc.decode(restoring(), captured=False)


def test_what_decoders_ignore_refuses_no_model() -> None:
    tensors, description = read_tensors(synthetic_restoration_file())
    description |= {"none": [1, 2], "degradations": [1, 1]}
    description["networks"]["degradations"] = [{"op": "fluff"}]
    for _ in range(2):
        model = parse_restoration(write_tensors(tensors, description), NUMBER)
        assert model.none is None and model.degradations == () and model.kinds == ()
        description["networks"]["degradations"] = description["networks"]["condition"]


def test_a_vector_says_what_is_wrong(telling: Path) -> None:
    with pytest.raises(sdc.UnsupportedError, match="belongs to another model than 1"):
        sdc.encode(np.zeros((9, 9, 3), np.uint8), restoration=PRIVATE)
    stream = parse(PLAIN)
    model = load_restoration(PRIVATE)
    told = []

    def note(group: int, sites: Sites, symbols: Symbols) -> None:
        quality = stream.groups[group].quality
        vector = derived_vector(symbols.latents, sites, model)
        told.append((vector, degradations_of(vector, quality, model)))

    sdc.decode(PLAIN, on_group=note)
    assert len(told) == 3
    for vector, found in told:
        right = {kind: min(2 * v, 255) / 255 for kind, v in zip((1, 7), vector, strict=False)}
        assert found == {kind: strength for kind, strength in right.items() if strength >= FOUND}
    assert any(found for _, found in told)


def test_the_encoder_writes_it_in_front_of_the_groups() -> None:
    image = np.full((20, 20, 3), 90, np.uint8)
    with pytest.raises(sdc.UnsupportedError, match="E_MODEL: model 3 belongs to another model than 1"):
        sdc.encode(image, restoration=SAID)


def test_the_example_of_the_text() -> None:
    text = (Path(__file__).resolve().parents[1] / "spec" / "sdc.md").read_text("utf-8")
    said = sdc.Restoration(
        NUMBER,
        load_restoration(NUMBER).weights,
        {None: (1, 2, -3, -128)},
        [sdc.Degradation("noise", 128 / 255)],
    )
    payload = restoration_payload(said, 1).hex(" ").upper()
    assert f"`{payload}` is the payload of a REST that names model 3" in text


def test_a_file_of_what_restores(tmp_path: Path) -> None:
    path = tmp_path / "restoration.json"
    path.write_text(json.dumps(sdc.info(restoring())["restoration"]), "utf-8")
    found = read_restoration_file(str(path))
    assert found.model == NUMBER
    assert restoration_payload(replace(found, weights=bytes(4)), 3) == restoration_payload(
        replace(SAID, weights=bytes(4)), 3
    )
    for wrong in (
        "[]",
        "{}",
        '{"model": 3, "vectors": [{"values": 1}]}',
        '{"model": 3, "degradations": [{}]}',
    ):
        path.write_text(wrong, "utf-8")
        with pytest.raises(sdc.UsageError, match="E_USAGE: wants an object of model, vectors and"):
            read_restoration_file(str(path))


def test_withdrawing_takes_its_rows_along() -> None:
    left = sdc.extract(restoring(), groups=[0, 2])
    with sdc.open(left) as file:
        said = file.restoration
    assert (
        said is not None and list(said.vectors) == [None] and [d.group for d in said.degradations] == [None]
    )
    whole, part = (sdc.decode(data, groups=[2], restore=True).restored for data in (restoring(), left))
    assert np.array_equal(whole, part)


def test_info_describes_it() -> None:
    report = sdc.info(restoring(), trace=True)
    assert report["restoration"] == {
        "model": {
            "number": 3,
            "name": "synthetic-restoration",
            "weights": load_restoration(3).weights.hex(),
            "available": True,
        },
        "vectors": [{"group": 1, "values": [0, 5, 6, 127]}, {"group": None, "values": [1, 2, -3, -128]}],
        "degradations": [
            {"group": 1, "kind": 200, "strength": 0.0},
            {"group": None, "kind": "noise", "strength": 0.502},
        ],
    }
    paths = {row["path"]: row["value"] for row in report["trace"]}
    assert paths["REST.vectors[1].values"] == "0102fd80" and paths["REST.degradations[0].kind"] == 200
    assert sdc.info(PLAIN)["restoration"] is None
    assert sdc.validate(restoring()).state == "valid"


def ran(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdc.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_the_command_writes_both_images(tmp_path: Path) -> None:
    plain, named = tmp_path / "plain.sdc", tmp_path / "named.sdc"
    plain.write_bytes(PLAIN)
    named.write_bytes(restoring())
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    for source, more, by in ((named, (), True), (plain, ("--restoration-model", 3), NUMBER)):
        done = ran("decode", source, one, "--restored", two, *more)
        assert done.returncode == 0 and not done.stderr, done.stderr
        found = sdc.decode(source.read_bytes(), restore=by, fill=(0, 0, 0))
        assert np.array_equal(np.asarray(Image.open(one).convert("RGB")), found.pixels)
        assert np.array_equal(np.asarray(Image.open(two).convert("RGB")), found.restored)
    done = ran("decode", plain, tmp_path / "three.png", "--restore", "--restoration-model", 3)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (tmp_path / "three-restored.png").read_bytes() == two.read_bytes()
    done = ran("decode", plain, tmp_path / "four.png", "--restored-only", "--restoration-model", 3)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert (tmp_path / "four.png").read_bytes() == two.read_bytes()
    assert not (tmp_path / "four-restored.png").exists()
    assert "restoration\n  model 3 (synthetic-restoration), weights" in ran("info", named).stdout
    assert json.loads(ran("info", "--json", named).stdout)["restoration"]["model"]["number"] == 3
    two.unlink()
    for words, status, said in (
        ((plain, one, "--restored", two), 2, "E_MODEL: the stream names no restoration model"),
        ((named, one, "--restoration-model", 3), 64, "--restoration-model wants --restore, --restored-only"),
        ((named, one, "--strength", 0.5), 64, "--strength wants --restore, --restored-only"),
        ((named, one, "--restored-only", "--restored", two), 64, "not allowed with argument --restored-only"),
        ((named, one, "--restored", two, "--strength", 0.5), 64, "restores with a strength of 1 alone"),
        ((named, "-", "--restore"), 64, "--restore writes beside the output"),
        ((tmp_path, tmp_path, "--restored", two), 64, "the input is a folder"),
        ((named, "-", "--restored", "-"), 64, "both images cannot go to standard output"),
        ((named, one, "--restored", one), 64, "names a file that is read or written already"),
        ((named, one, "--restored", named), 64, "names a file that is read or written already"),
        ((named, one, "--restored", tmp_path / "two.xyz"), 64, "E_USAGE"),
    ):
        done = ran("decode", *words)
        assert done.returncode == status and said in done.stderr and done.stderr.count("\n") == 1, done.stderr
        assert not two.exists()


def test_the_numbers_of_the_guide_are_those_of_the_stages() -> None:
    root = Path(__file__).resolve().parents[1]
    guide = (root / "spec" / "implementers.md").read_text("utf-8")
    stages = json.loads((root / "conformance" / "vectors" / "stages" / "restored.json").read_text("utf-8"))
    first, second = (group["restoration"] for group in stages["groups"])

    def said(values: list[int]) -> str:
        return ", ".join(map(str, values))

    def of(rows: list[dict], kind: str) -> list[dict]:
        return [row for row in rows if row["op"] == kind]

    (pool,) = of(second["derive"], "pool")
    one, *_, last = of(first["restore"], "modulate")
    for words in (
        f"| {said(pool['output'][0])}: of one cell",
        f"| {said(first['vector'])} of REST; {said(second['vector'])} derived |",
        f"features {said(first['condition'][-1]['output'][0])} of group 0",
        f"| gains {said(one['gains'][:3])}, ..., offsets {said(one['offsets'][:3])}, ...;",
        f"becomes {said(one['output'][0][:3])}, ... |",
        f"| gains {said(last['gains'])}, offsets {said(last['offsets'])};",
        f"becomes {said(last['output'][0])} |",
    ):
        assert words in guide, words


SHIPPED = 4


def noisy_image() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Slopes with noise, in which nobody could miss it."""
    y, x = np.mgrid[:60, :100]
    slopes = np.stack([2 * x, 3 * y, x + y], -1) // 2 + 40
    noise = np.random.default_rng(0).normal(0, 25, slopes.shape)
    return np.clip(slopes + noise, 0, 255).astype(np.uint8)


@cache
def photographed(**more: object) -> bytes:
    objects = [sdc.Object("a", (0, 0, 40, 40), level="L1")]
    return bytes(sdc.encode(noisy_image(), objects=objects, quality=45, effort=0, **more))  # type: ignore[arg-type]


def test_a_stream_of_model_1_that_names_nothing_is_restored() -> None:
    plain = photographed()
    found = sdc.decode(plain, restore=True)
    assert found.restored is not None and sorted(found.vectors) == [0, 1]
    assert np.array_equal(found.restored, sdc.decode(plain, restore=SHIPPED).restored)
    y, x = np.mgrid[:60, :100]
    clean = np.stack([2 * x, 3 * y, x + y], -1) // 2 + 40
    errors = [np.square(clean - pixels.astype(int)).mean() for pixels in (found.restored, found.pixels)]
    assert errors[0] < errors[1]
    alone = sdc.decode(plain, groups=[0], restore=True)
    assert np.array_equal(alone.restored[alone.covered], found.restored[alone.covered])  # type: ignore[index]
    assert np.array_equal(sdc.decode(plain, restore=True, strength=0).restored, found.pixels)


def test_the_preset_names_the_model_and_what_is_wrong() -> None:
    plain, told = photographed(), photographed(restoration=SHIPPED)
    assert len(told) - len(plain) < 90 and np.array_equal(sdc.decode(plain).pixels, sdc.decode(told).pixels)
    with sdc.open(told) as file:
        said, found = file.restoration, file.read(restore=True)
    assert said is not None and said.model == SHIPPED
    # One vector for both groups, nearer to that of the larger one, of 28 cells with 9.
    own = sdc.decode(plain, restore=SHIPPED).vectors
    cells = np.bincount(parse(plain).labels.reshape(-1))[1:]
    common = [(a * cells[0] + b * cells[1]) / cells.sum() for a, b in zip(own[0], own[1], strict=True)]
    assert found.vectors[0] == found.vectors[1] == tuple(np.floor(np.array(common) + 0.5))
    worst = {d.group: d for d in sorted(said.degradations, key=lambda d: d.strength)}
    assert {group: d.kind for group, d in worst.items()} == {0: "noise", 1: "noise"}
    alone = sdc.encode(noisy_image(), quality=45, effort=0, restoration=SHIPPED)
    with sdc.open(alone) as file:
        one = file.restoration
    assert one is not None and not one.vectors


def test_the_preset_codes_what_is_to_be_restored_and_less_of_the_noise() -> None:
    plain = sdc.encode(noisy_image(), quality=45, effort=0)
    own = sdc.encode(noisy_image(), quality=45, preset="restoration")
    assert len(own) < 0.8 * len(plain) and "analysis for degraded images" in own.notes[0]
    with sdc.open(own) as file:
        assert file.restoration is not None and file.restoration.model == SHIPPED
    y, x = np.mgrid[:60, :100]
    clean = np.stack([2 * x, 3 * y, x + y], -1) // 2 + 40
    shown, restored = sdc.decode(plain).pixels, sdc.decode(own, restore=True).restored
    assert restored is not None
    assert np.square(clean - restored.astype(int)).mean() < 0.5 * np.square(clean - shown.astype(int)).mean()
    searched = sdc.encode(noisy_image(), quality=45, preset="restoration", effort=1)
    assert searched == sdc.encode(noisy_image(), quality=45, restoration=SHIPPED, effort=1)
    assert "is not used, effort 0 takes it" in searched.notes[0]


@pytest.mark.slow
def test_all_engines_restore_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.sdc"
    path.write_bytes(photographed())
    right = sdc.decode(path, restore=SHIPPED).restored
    assert right is not None
    code = "import sdc, sys; sys.stdout.buffer.write(sdc.decode(sys.argv[1], restore=4).restored.tobytes())"
    own = {**os.environ, "SDC_CORE": "numpy"}
    numpy = subprocess.run([sys.executable, "-c", code, path], env=own, capture_output=True, check=True)
    assert numpy.stdout == right.tobytes()
    node = shutil.which("node")
    decoder = Path(__file__).resolve().parents[1] / "conformance" / "decoders" / "javascript" / "cli.js"
    for engine in ("--no-wasm", "--wasm") if node else ():
        words = [str(node), decoder, engine, "decode", path, tmp_path / engine, "--restored", str(SHIPPED)]
        (tmp_path / engine).mkdir()
        env = {**os.environ, "SDC_MODELS": str(models_folder())}
        subprocess.run(words, env=env, capture_output=True, check=True)
        assert (tmp_path / engine / "restored.rgb").read_bytes() == right.tobytes()
