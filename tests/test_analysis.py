"""The analysis: regions that stand out, steps and providers, ranking by a model, detectors, commands."""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chat_server import CAPTIONS, GOOD, THINGS, Server, ask, completion, fails, levels, send
from chat_server import server as server
from PIL import Image, ImageDraw

import sdc
from sdc.analysis import Options, Ranked, Scene, analyze, cache, hashes, pipeline, registry
from sdc.analysis.choice import chosen_providers
from sdc.analysis.cielab import lab_of
from sdc.analysis.faces import faces
from sdc.analysis.finder import finder
from sdc.analysis.providers import chat, dino, endpoint, internvl, prompts
from sdc.analysis.providers.ranking import DefaultRanking
from sdc.analysis.providers.salient import SalientRegions
from sdc.analysis.result import settled
from sdc.analysis.saliency_map import saliency
from sdc.analysis.superpixels import superpixels
from sdc.cli import main as cli
from sdc.cli import trial
from sdc.cli.analysis_options import add_options, options_of
from sdc.errors import SdcError
from sdc.format.build import build
from sdc.format.chunks import PROV, Chunk
from sdc.format.parse import parse
from sdc.format.prov import parse_provenance, provenance_payload
from sdc.format.text import format_text
from sdc.images.sheet import objects_sheet, sheet
from sdc.networks.backbone import FILE
from sdc.networks.numpy_runner import run_numpy
from sdc.networks.registry import models_folder
from sdc.networks.run import use_runner
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import LEVELS, Level
from sdc_reference.evaluation.cli import main as evaluate
from sdc_reference.evaluation.commands import analysis as figures

SCHEMA = json.loads((Path(__file__).parents[1] / "spec" / "objects.schema.json").read_text())


def picture(width: int = 192, height: int = 128) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A red disc on green noise."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(3).integers(-8, 9, (height, width, 3))
    out = noise + np.array([60, 120, 70])
    disc = ((x - 0.55 * width) / width) ** 2 + ((y - 0.5 * height) / width) ** 2 < 0.02
    out[disc] += [150, -60, -30]
    return out.clip(0, 255).astype(np.uint8)


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("SDC_CHAT_URL", "SDC_CHAT_MODEL", "SDC_CHAT_KEY", "SDC_CHAT_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()).save("photo.png")
    return "photo.png"


def main(capfd: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    status = cli.main([str(arg) for arg in argv])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return status, out, err


# --- The built-in default ------------------------------------------------------------------------------


SALIENT = Options(grounding="salient")


def astronaut() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.asarray(pytest.importorskip("skimage").data.astronaut())


def test_the_default_finds_the_main_thing_whole() -> None:
    result = analyze(astronaut())
    mapped = group_map(result.objects, 512, 512)
    first = np.asarray(mapped.levels)[mapped.labels.astype(int) - 1] == "L1"
    outlined = Object.load(json.loads((Path(__file__).parent / "astronaut.json").read_text()), 512, 512)
    face = np.zeros((512, 512), bool)
    for thing in outlined:
        if thing.label == "face":
            x, y, w, h = thing.box
            face[y : y + h, x : x + w] = thing.mask
    held = np.kron(first, np.ones((16, 16), bool))[face].mean()
    assert held > 0.97
    assert 0.3 < first.mean() < 0.75  # of the picture, she fills about a half
    assert result.objects[0].label in ("person", "") and result.objects[0].reason == "the main thing"
    told = result.provenance["grounding"]
    assert told["provider"] == "finder" and told["model"].startswith("sdc-finder.safetensors ")


def test_the_network_finds_the_same_in_every_arithmetic() -> None:
    def in_integers(*args: Any, **options: Any) -> Any:
        return run_numpy(*args, **{**options, "arithmetic": "int64"})

    before = finder().maps(astronaut())
    old = use_runner(in_integers)
    try:
        after = finder().maps(astronaut())
    finally:
        use_runner(old)
    for name in ("thing", "main", "edge", "text", "classes"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def test_what_stands_out_comes_first() -> None:
    result = analyze(picture(), SALIENT)
    levels = [thing.level for thing in result.objects]
    assert levels == sorted(levels) and levels[0] == "L1"  # type: ignore[type-var]
    mapped = group_map(result.objects, 192, 128)
    first = np.asarray(mapped.levels)[mapped.labels.astype(int) - 1] == "L1"
    y, x = np.argwhere(first).mean(0) * 16 + 8
    assert abs(x - 0.55 * 192) < 24 and abs(y - 64) < 24
    assert result.provenance == {"grounding": {"provider": "salient"}, "ranking": {"provider": "default"}}
    assert all(thing.reason for thing in result.objects)
    assert [o.label for o in result.objects] == [f"region {k + 1}" for k in range(len(result.objects))]


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 700), (700, 1), (16, 16), (33, 17), (64, 64), (500, 20), (90, 400)]
)
def test_pictures_of_any_size_are_analyzed(size: tuple[int, int]) -> None:
    result = analyze(np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8))
    group_map(result.objects, *size)
    assert Object.load(result.as_dict(), *size) == list(result.objects)


def test_a_picture_of_one_colour_is_one_scene() -> None:
    result = analyze(np.full((80, 80, 3), 90, np.uint8))
    (scene,) = result.objects
    assert (scene.label, scene.box, scene.reason) == ("scene", (0, 0, 80, 80), "nothing stands out")
    assert group_map(result.objects, 80, 80).levels == ("L1",) and "warnings" not in result.provenance


def test_a_picture_of_one_colour_has_no_regions() -> None:
    assert not SalientRegions(Options()).locate(Scene(np.full((80, 80, 3), 90, np.uint8)), ())


def test_the_map_of_saliency_is_within_bounds() -> None:
    found = saliency(picture())
    assert found.cells.shape == (8, 12) and found.cells.dtype == np.float32
    assert found.cells.min() >= 0 and found.cells.max() <= 1 and not found.flat


def portrait(skin: tuple[int, int, int], eyes: bool = True) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A drawing of somebody in a white coat, the head left of the middle, in front of a blue wall."""
    image = Image.new("RGB", (320, 240), (60, 90, 130))
    draw = ImageDraw.Draw(image)
    draw.polygon([(40, 240), (90, 130), (170, 130), (300, 240)], fill=(245, 245, 250))
    draw.ellipse((100, 40, 160, 130), fill=skin)
    if eyes:
        for x in (110, 138):
            draw.ellipse((x, 70, x + 12, 79), fill=(25, 22, 24))
    grain = np.random.default_rng(5).normal(0, 3, (240, 320, 3))
    return (np.asarray(image) + grain).clip(0, 255).astype(np.uint8)


TONES = [(240, 205, 180), (205, 150, 115), (150, 100, 70), (92, 60, 45)]


@pytest.mark.parametrize("tone", TONES)
def test_a_face_of_any_tone_comes_before_a_bright_coat(tone: tuple[int, int, int]) -> None:
    result = analyze(portrait(tone), SALIENT)
    mapped = group_map(result.objects, 320, 240)
    level = np.asarray([of.code for of in mapped.levels])[mapped.labels.astype(int) - 1]
    face, coat = level[4:8, 7:10], level[11:15, 8:14]
    assert (face == 0).mean() >= 0.75 and face.mean() < coat.mean()


def test_eyes_make_the_face() -> None:
    def middle(tone: tuple[int, int, int], eyes: bool = True) -> float:
        return float(faces(lab_of(portrait(tone, eyes)[::2, ::2]))[42, 65])

    found = [middle(tone) for tone in TONES]
    assert min(found) > 0.5 and max(found) < 1.4 * min(found)
    for tone, face in zip(TONES, found, strict=True):
        assert middle(tone, eyes=False) < 0.65 * face  # the wall beside a head is dark, too
    assert middle((90, 200, 120)) < 0.05  # a green one


def test_superpixels_keep_to_colours() -> None:
    lab = np.zeros((40, 60, 3), np.float32)
    lab[:, 25:] = 80
    labels = superpixels(lab, 24)
    assert set(np.unique(labels)) == set(range(labels.max() + 1))
    assert not set(np.unique(labels[:, :25])) & set(np.unique(labels[:, 25:]))


def test_a_box_is_cut_to_what_lies_in_it() -> None:
    scene = Scene(picture())
    box = Object("disc", (70, 30, 72, 68))
    (refined,) = SalientRegions(Options()).refine(scene, [box])
    assert refined.box == box.box and refined.mask is not None and refined.mask.mean() > 0.25
    whole = replace(box, mask=np.ones((68, 72), bool))
    assert SalientRegions(Options()).refine(scene, [whole]) == [whole]


# --- Ranking without a model ---------------------------------------------------------------------------


def test_default_ranks_give_a_third_of_the_objects_to_each_level() -> None:
    things = [Object("thing", (16 * k, 40, 16 - k, 16), score=0.9 - k / 20) for k in range(9)]
    ranked = DefaultRanking(Options()).rank(Scene(np.zeros((96, 144, 3), np.uint8)), things)
    assert sorted(o.level or "" for o in ranked.objects) == ["L1"] * 3 + ["L2"] * 3 + ["L3"] * 3
    assert [o.label for o in ranked.objects] == ["thing"] * 9


def test_a_class_counts_and_a_given_level_stays() -> None:
    scene = Scene(np.zeros((96, 144, 3), np.uint8))
    table, person = Object("dining table", (32, 32, 32, 32)), Object("Person", (80, 32, 32, 32))
    ranked = DefaultRanking(Options()).rank(scene, [table, person]).objects
    assert [o.level for o in ranked] == ["L2", "L1"]
    fixed = DefaultRanking(Options()).rank(scene, [replace(person, level="other"), table]).objects
    assert [o.level for o in fixed] == ["other", "L1"]
    assert fixed[1].reason == "score 1.00, area 7 %" and fixed[0].reason.startswith("saliency 0.")


def test_a_file_and_the_analysis_rank_by_one_rule(others: None) -> None:
    found = analyze(picture(), Options(grounding="several", masks="salient"))
    bare = [replace(thing, level=None) for thing in found.objects]
    mapped = group_map(bare, 192, 128)
    assert [o.level for o in mapped.objects] == [o.level for o in found.objects] == ["L1", "L2", "L3", "L1"]


# --- JSON, chunk, sheet --------------------------------------------------------------------------------


def test_the_json_is_read_back_and_keeps_the_schema() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    rng = np.random.default_rng(4)
    things = [Object("no mask", (3, 4, 5, 6), "L2", 0.25, "why")]
    for k in range(12):
        mask = rng.random((20, 15)) < rng.random()
        mask[0, 0] = mask[-1, -1] = True
        things.append(Object(f"mask {k}", (k, 10 - k % 11, 15, 20), LEVELS[k % 4], mask=mask))
    things.append(Object("whole", (0, 0, 40, 30), mask=np.ones((30, 40), bool)))
    written = json.loads(json.dumps(Object.dump(things, 40, 30)))
    assert Object.load(written, 40, 30) == things
    jsonschema.validate({**written, "analysis": {"for": "x"}}, SCHEMA)


def test_the_stream_says_how_its_objects_were_found() -> None:
    about = {"grounding": {"provider": "salient"}, "captions": {"short": "é"}, "warnings": ["w"]}
    data = sdc.encode(picture(), provenance=about, objects=[Object("disc", (70, 30, 72, 68), "L1")])
    assert parse_provenance(parse(data)) == about
    report = sdc.info(data)
    assert report["analysis"] == about
    (row,) = (row for row in sdc.info(data, trace=True)["trace"] if row["path"] == "PROV.text")
    assert row["id"] == "PROV-01" and row["size"] == len(provenance_payload(about))
    text = format_text(report)
    assert "short caption: é" in text and "warning: w" in text and "grounding: salient" in text
    assert parse_provenance(parse(sdc.encode(picture(), provenance=about, metadata=False))) is None
    assert parse_provenance(parse(sdc.extract(data, levels=["L1"]))) is None
    drawn = sheet(data)
    assert drawn.size > sheet(sdc.encode(picture())).size


def recorded(*payloads: bytes) -> bytes:
    """A stream with PROV of these payloads."""
    stream = parse(sdc.encode(picture()))
    return build(replace(stream, after=tuple(Chunk(PROV, payload) for payload in payloads)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[1]",
        b"{",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b"{" + b" " * 65535 + b"}",
        b'{"a": 1e999}',
        b'{"a": [-1.1e308]}',
        b'{"a": ' + b"1" * 33 + b"}",
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": 0.' + b"1" * 31 + b"}",
        b'{"a": ' + b"[" * 9999,
        b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"\\"": ' + b'{"]": ' * 31 + b"[]" + b"}" * 32,
    ],
)
def test_a_record_that_cannot_be_used_is_no_error(payload: bytes) -> None:
    data = recorded(payload)
    assert parse_provenance(parse(data)) is None
    assert sdc.info(data)["analysis"] is None
    found = sdc.validate(data)
    assert sdc.info(data)["file_state"] == found.state == "valid" and not found.errors
    assert len(found.notes) == 1 and "PROV-01" in found.notes[0]
    assert np.array_equal(sdc.decode(data).pixels, sdc.decode(recorded()).pixels)


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a": [1e308, -1E+308, 1e-999, 0, -' + b"1" * 31 + b", 0." + b"1" * 30 + b"]}",
        b'{"a": ' + b"[" * 31 + b"]" * 31 + b', "b": ' + b"[" * 31 + b"]" * 31 + b"}",
        b'{"a": "' + b"[" * 99 + b'\\"' + b"{" * 99 + b'"}',
    ],
)
def test_a_record_at_the_bounds_is_read(payload: bytes) -> None:
    data = recorded(payload)
    assert parse_provenance(parse(data)) == json.loads(payload)
    assert sdc.validate(data).notes == ()


def test_what_is_printed_of_a_record_is_json(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    for payload, told in ((b'{"n": 1e999}', None), (b'{"n": 1e300}', {"n": 1e300})):
        (tmp_path / "a.sdc").write_bytes(recorded(payload))
        assert cli.info_main(["--json", str(tmp_path / "a.sdc")]) == 0
        assert json.loads(capfd.readouterr().out, parse_constant=refuse)["analysis"] == told
    # The worst that the bounds let through.
    (tmp_path / "a.sdc").write_bytes(recorded(b'{"n":' + b"[" * 31 + b"1," * 32730 + b"1" + b"]" * 31 + b"}"))
    assert cli.info_main(["--json", str(tmp_path / "a.sdc")]) == 0
    assert 2_000_000 < len(capfd.readouterr().out) < 2_500_000


def test_a_validator_notes_what_breaks_no_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.sdc"
    for payloads, notes in (
        ((), ()),
        ((b"{}",), ()),
        ((b"",), ("PROV-01",)),
        ((b"{}", b"", b""), ("3 times",)),
        ((b"", b"{}"), ("PROV-01", "PROV-02")),
    ):
        path.write_bytes(recorded(*payloads))
        status, out, err = main(capfd, "validate", path)
        assert (status, out) == (0, f"{path}: valid\n")
        lines = err.splitlines()
        assert len(lines) == len(notes) and all(line.startswith("sdc: note: PROV ") for line in lines)
        assert all(note in line for note, line in zip(notes, lines, strict=True)), err


def test_the_first_record_counts() -> None:
    stream = parse(sdc.encode(picture()))
    first, second = Chunk(PROV, b'{"for": "a"}'), Chunk(PROV, b'{"for": "b"}')
    assert parse_provenance(replace(stream, before=(first,), after=(second,))) == {"for": "a"}
    data = build(replace(stream, after=(Chunk(PROV, b""), first, second)))
    assert parse_provenance(parse(data)) is None and sdc.validate(data).state == "valid"


def test_what_is_no_json_is_not_written() -> None:
    deep: list[Any] = []
    for _ in range(30):
        deep = [deep]
    assert provenance_payload({"a": deep}) == b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"
    wrong = (object(), float("nan"), "x" * 65529, "\ud800", [deep], 10**32, 10**5000, 1.1e308)
    for value in wrong:
        with pytest.raises(SdcError, match="E_OBJECTS"):
            provenance_payload({"a": value})
    assert len(provenance_payload({"a": "x" * 65528})) == 65536  # with the eight bytes around it


def test_a_long_list_of_reasons_fits_its_panel() -> None:
    things = [Object(f"t{k}", (k, 0, 8, 8), "L1", reason="because " * 20) for k in range(60)]
    assert objects_sheet(picture(), things, {"for": "x"}).size == objects_sheet(picture(), things[:3]).size


# --- Pipeline and providers ----------------------------------------------------------------------------


class Fixed:
    """A provider of every step, for tests."""

    model = "fixed 1"
    prompts = "abc"

    def __init__(self, options: Options):
        self.options = options

    def suggest(self, scene: Scene) -> list[str]:
        return ["disc"]

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        return [Object(" ".join(words) or "thing", (70, 30, 72, 68))]

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        return [replace(o, mask=np.ones(o.box[3:1:-1], bool)) for o in objects]

    def missed(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        return [Object("gap", (0, 0, 9, 9), Level.L3)]

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        return Ranked([replace(o, level="L2", reason="so") for o in objects], {"short": "a disc"})


class Broken(Fixed):
    def suggest(self, scene: Scene) -> list[str]:
        raise RuntimeError("no\nwords")

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        raise MemoryError

    def refine(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        return []

    def rank(self, scene: Scene, objects: Sequence[Object]) -> Ranked:
        raise OSError("gone")

    def missed(self, scene: Scene, objects: Sequence[Object]) -> list[Object]:
        raise KeyError("map")


class Several(Fixed):
    """Boxes with scores that four digits cannot say, the last within the first."""

    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        boxes = ((70, 30, 72, 68), (4, 8, 40, 48), (150, 90, 30, 30), (90, 40, 20, 20))
        return [Object("thing", box, None, 0.9 - k / 7) for k, box in enumerate(boxes)]


class Unmade(Fixed):
    def __init__(self, options: Options):
        raise RuntimeError("no\nlicence")


class Outside(Fixed):
    def locate(self, scene: Scene, words: Sequence[str]) -> list[Object]:
        return [Object("far", (190, 0, 9, 9))]


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers that another package has, by entry points."""

    def entry_points(group: str) -> list[Any]:
        assert group.startswith("sdc.")
        made = {
            "fixed": Fixed,
            "broken": Broken,
            "outside": Outside,
            "unmade": Unmade,
            "several": Several,
        }
        return [SimpleNamespace(name=k, load=lambda v=v: v) for k, v in made.items()]

    pipeline.provider_of.cache_clear()
    monkeypatch.setattr(registry, "entry_points", entry_points)


def test_another_package_adds_providers(others: None) -> None:
    result = analyze(picture(), Options(grounding="fixed", tags="fixed", masks="fixed", ranking="fixed"))
    (thing,) = result.objects
    assert (thing.label, thing.level, thing.reason) == ("disc", "L2", "so") and thing.mask is not None
    step = {"provider": "fixed", "model": "fixed 1", "prompts": "abc"}
    assert result.provenance == {
        **dict.fromkeys(("tags", "grounding", "masks", "ranking"), step),
        "find": ["disc"],
        "captions": {"short": "a disc"},
    }


@pytest.mark.parametrize("grounding", ["broken", "outside"])
def test_a_grounding_that_fails_leads_to_the_regions(others: None, grounding: str) -> None:
    result = analyze(picture(), Options(grounding=grounding, ranking="broken", tags="broken"))
    assert [o.label for o in result.objects] == [o.label for o in analyze(picture()).objects]
    assert len(result.warnings) == 4 and not any("\n" in text for text in result.warnings)
    assert result.provenance["grounding"]["provider"] == "finder"
    assert result.provenance["ranking"] == {"provider": "default"}


def test_what_a_detector_missed_is_of_l3(others: None) -> None:
    """The rest of what the built-in network finds follows; others fill gaps as they like, or nobody does."""
    image, detector = astronaut(), Options(grounding="fixed", masks="fixed")
    (alone,) = analyze(image, detector).objects
    found = analyze(image, replace(detector, gaps="finder"))
    assert found.objects[0] == alone and len(found.objects) > 1
    assert {o.level for o in found.objects[1:]} == {"L3"} and not any(o.label for o in found.objects[1:])
    assert found.provenance["gaps"]["model"] == analyze(image).provenance["grounding"]["model"]
    assert analyze(image, replace(detector, gaps="fixed")).objects[1].label == "gap"
    failed = analyze(image, replace(detector, gaps="broken"))
    assert failed.objects == (alone,) and "gaps by broken failed" in failed.warnings[0]
    with pytest.raises(SdcError, match="E_USAGE: has no effect: finder is no detector"):
        analyze(image, Options(gaps="finder"))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (Options(detector="x.onnx"), "finder"),
        (Options(detector="x.onnx", gaps="none"), ""),
        (Options(detector="x.onnx", find=("dog",)), ""),
        (Options(find=("dog",)), ""),
        (Options(), ""),
    ],
)
def test_who_looks_for_words_misses_nothing_else(options: Options, name: str) -> None:
    assert chosen_providers(options)["gaps"] == name


def test_masks_that_fail_leave_the_boxes(others: None) -> None:
    result = analyze(picture(), Options(grounding="fixed", masks="broken"))
    assert result.objects[0].mask is None and "masks by broken failed" in result.warnings[0]


def test_a_provider_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SdcError, match="there is no nobody; there are chat, default"):
        analyze(picture(), Options(ranking="nobody"))


def test_a_provider_that_cannot_be_made_is_an_error(others: None) -> None:
    with pytest.raises(SdcError, match="E_USAGE: unmade cannot be had: no licence"):
        analyze(picture(), Options(ranking="unmade"))


def test_a_missing_package_is_named_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    pipeline.provider_of.cache_clear()
    with pytest.raises(SdcError, match=r'pip install "sdc-codec\[onnx\]"') as caught:
        analyze(picture(), Options(detector="x.onnx"))
    assert caught.value.exit_status == 64
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "sdc.analysis.providers._torchvision", SimpleNamespace())
    with pytest.raises(SdcError, match=r'pip install "sdc-codec\[grounding\]"'):
        analyze(picture(), Options(find=("dog",)))
    with pytest.raises(SdcError, match=r'pip install "sdc-codec\[lmm\]"'):
        analyze(picture(), Options(ranking="internvl", model="x"))


def test_words_come_from_a_file(tmp_path: Path, others: None) -> None:
    words = tmp_path / "words.txt"
    words.write_text("zebra\n\n dog \n")
    result = analyze(picture(), Options(vocabulary=str(words), grounding="fixed"))
    assert result.objects[0].label == "zebra dog" and result.provenance["tags"]["model"] == "words.txt"
    words.write_bytes(b"\xff\xfe")
    pipeline.provider_of.cache_clear()
    for path, code in ((str(words), "E_USAGE"), (str(tmp_path / "none"), "E_INPUT")):
        with pytest.raises(SdcError, match=code):
            analyze(picture(), Options(vocabulary=path, grounding="fixed"))


def test_a_record_of_any_length_fits_a_stream(others: None) -> None:
    asked = Options(find=("\ud800" + "x" * 9999,) * 999, purpose="p" * 99999, grounding="fixed")
    result = analyze(picture(), asked)
    assert len(provenance_payload(result.provenance)) < 1 << 16
    assert Object.load(result.as_dict(), 192, 128)[0].label == "?" + "x" * 254


# --- Commands ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_encode_analyses_on_the_way(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(capfd, "analyze", photo, "-o", "o.json", "--draw", "o.png") == (0, "", "")
    described = json.loads(Path("o.json").read_text())
    assert described["objects"][0]["level"] == "L1" and described["analysis"]["ranking"]
    with Image.open("o.png") as drawn:
        assert drawn.width > 192
    for name, extra in (("a", []), ("b", ["--objects", "o.json"]), ("n", ["--objects", "none"])):
        assert main(capfd, "encode", photo, f"{name}.sdc", *extra) == (0, "", "")
    assert Path("a.sdc").read_bytes() == Path("b.sdc").read_bytes()
    asked = ["--for", "detection", "--quality", "40"]
    for name, extra in (("c", []), ("d", ["--objects", "o.json"])):
        assert main(capfd, "encode", photo, f"{name}.sdc", *extra, *asked)[0] == 0
    assert Path("c.sdc").read_bytes() == Path("d.sdc").read_bytes() != Path("a.sdc").read_bytes()
    assert len(parse(Path("n.sdc").read_bytes()).groups) == 1
    status, out, _ = main(capfd, "info", "a.sdc")
    assert status == 0 and "grounding: finder" in out and "the main thing" in out
    assert main(capfd, "encode", photo, "m.sdc", "--no-metadata")[0] == 0
    assert parse_provenance(parse(Path("m.sdc").read_bytes())) is None


def test_command_file_cache_and_python_write_one_stream(
    others: None, photo: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["--grounding", "several"]
    found = analyze(picture(), Options(grounding="several"))
    assert any(thing.score != round(thing.score, 4) for thing in found.objects)
    want = sdc.encode(picture(), objects=found.objects, provenance=found.provenance, pixel_masks=True)
    assert main(capfd, "analyze", photo, "-o", "o.json", *asked) == (0, "", "")
    described = json.loads(Path("o.json").read_text())
    assert [row["score"] for row in described["objects"]] == [thing.score for thing in found.objects]
    for _ in range(2):
        assert main(capfd, "analyze", photo, "-o", "p.json", *asked, "--cache", "kept") == (0, "", "")
        assert Path("p.json").read_bytes() == Path("o.json").read_bytes()
    assert len(list(Path("kept").iterdir())) == 1
    monkeypatch.setattr("sdc.cli.encode.options_of", lambda _: Options(grounding="several"))
    for more in ([], ["--objects", "o.json"]):
        assert main(capfd, "encode", photo, "a.sdc", "--pixel-masks", *more) == (0, "", "")
        assert Path("a.sdc").read_bytes() == want
    # What a file of objects cannot say is not in them: loose boxes, ranks, numbers that are not Python's.
    loose = np.zeros((20, 30), bool)
    loose[5:9, 3:7] = True
    (thing,) = settled([Object("a", (np.int64(10), 10, 30, 20), "L1", np.float32(0.3), "r", 4, loose, 2)])
    assert thing.box == (13, 15, 4, 4) and thing.mask is not None and thing.mask.all()
    assert (thing.rank, thing.group, type(thing.score), type(thing.box[0])) == (None, None, float, int)
    told = json.loads(json.dumps(Object.dump([thing], 192, 128)))
    assert Object.load(told, 192, 128) == [thing]


def test_a_cache_that_cannot_be_written_is_a_note(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("kept").write_text("in the way")
    status, out, err = main(capfd, "analyze", photo, "-o", "o.json", "--cache", "kept", "--strict")
    assert (status, out, err.count("\n")) == (0, "", 1) and "note: the result is not kept" in err
    assert main(capfd, "analyze", photo, "-o", "p.json") == (0, "", "")
    assert Path("o.json").read_bytes() == Path("p.json").read_bytes()


def test_a_cache_that_cannot_be_read_is_filled_anew(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(capfd, "analyze", photo, "-o", "o.json", "--cache", "kept")[0] == 0
    (kept,) = Path("kept").iterdir()
    good = kept.read_bytes()
    for wrong in (b"{", b"7", b'{"objects": [{"label": "no box"}]}', b"[" * 99999):
        kept.write_bytes(wrong)
        assert main(capfd, "analyze", photo, "-o", "p.json", "--cache", "kept")[0] == 0
        assert Path("p.json").read_bytes() == Path("o.json").read_bytes() and kept.read_bytes() == good


def test_results_are_kept_by_picture_and_options(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(capfd, "analyze", photo, "-o", "o.json", "--cache", "kept")[0] == 0
    (kept,) = Path("kept").iterdir()
    kept.write_text(json.dumps({"objects": [{"label": "kept", "box": [0, 0, 9, 9]}]}))
    assert main(capfd, "analyze", photo, "-o", "o.json", "--cache", "kept")[0] == 0
    assert json.loads(Path("o.json").read_text())["objects"][0]["label"] == "kept"
    assert main(capfd, "analyze", photo, "-o", "o.json", "--cache", "kept", "--for", "x")[0] == 0
    assert len(list(Path("kept").iterdir())) == 2


@pytest.mark.parametrize("changed", ["sdc.analysis", "sdc"])
def test_results_are_not_kept_when_the_code_changes(monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    before = cache._fingerprint(picture(), Options())
    assert cache._fingerprint(picture(), Options()) == before
    real = hashes.code_hash
    other = lambda package, *names: "0" * 8 if package == changed else real(package, *names)  # noqa: E731
    monkeypatch.setattr(cache, "code_hash", other)
    assert cache._fingerprint(picture(), Options()) != before


def test_results_are_not_kept_when_the_network_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cache._fingerprint(picture(), Options())
    (tmp_path / FILE).write_bytes((models_folder() / FILE).read_bytes() + b" ")
    monkeypatch.setattr(cache, "models_folder", lambda: tmp_path)
    assert cache._fingerprint(picture(), Options()) != before


def test_the_hash_of_code_is_of_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hashed_here").mkdir()
    for name, text in (("b", b"two"), ("a", b"one"), ("__init__", b"")):
        (tmp_path / "hashed_here" / f"{name}.py").write_bytes(text)
    (tmp_path / "hashed_here" / "a.txt").write_bytes(b"no code")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert hashes.code_hash("hashed_here") == hashlib.sha256(b"onetwo").hexdigest()[:8]
    assert hashes.code_hash("hashed_here", ("b", "a")) == hashlib.sha256(b"twoone").hexdigest()[:8]


@pytest.mark.parametrize(
    "given, named",
    [
        ("--saliency x --detector y", "--saliency"),
        ("--saliency x --find dog", "--saliency"),
        ("--saliency x --vocabulary y", "--saliency"),
        ("--saliency x --tags chat --chat http://localhost", "--saliency"),
        ("--saliency x --masks sam", "--masks"),
        ("--masks sam2", "--masks"),
        ("--masks-model y", "--masks-model"),
        ("--detector x --grounding dino", "--detector"),
        ("--detector x --grounding-model y", "--grounding-model"),
        ("--find dog --grounding salient", "--find"),
        ("--vocabulary x --grounding saliency --saliency y", "--vocabulary"),
        ("--find dog --tags chat --chat http://localhost", "--tags"),
        ("--find dog --vocabulary x", "--vocabulary"),
        ("--vocabulary x --tags chat --chat http://localhost", "--vocabulary"),
        ("--chat http://localhost --ranking default", "--chat"),
        ("--chat-key k", "--chat-key"),
        ("--chat-model m", "--chat-model"),
        ("--text-only", "--text-only"),
    ],
)
def test_an_option_without_effect_is_refused(
    photo: str, capfd: pytest.CaptureFixture[str], given: str, named: str
) -> None:
    status, out, err = main(capfd, "analyze", photo, "-o", "o.json", *given.split())
    assert status == 64 and not out and not Path("o.json").exists()
    assert err.startswith("sdc: E_USAGE: has no effect: ") and err.endswith(f"({named})\n"), err


def test_providers_of_others_look_at_what_they_like(others: None, photo: str) -> None:
    asked = Options(
        grounding="fixed", saliency="x", detector="y", masks="fixed", masks_model="z", find=("a",)
    )
    assert analyze(picture(), asked).objects[0].label == "a"
    parser = argparse.ArgumentParser()
    add_options(parser)
    args = parser.parse_args(["--chat-model", "m", "--chat", "http://localhost", "--ranking", "fixed"])
    assert options_of(args).model == "m"


def test_wrong_arguments_are_one_line(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("folder").mkdir()
    for argv, status in (
        (["analyze", photo], 64),
        (["analyze", "none.png", "-o", "o.json"], 66),
        (["analyze", photo, "-o", photo], 64),
        (["analyze", photo, "-o", "o.png", "--draw", "o.png"], 64),
        (["analyze", "folder", "-o", "out", "--draw", "o.png"], 66),
        (["encode", photo, "o.sdc", "--chat", "localhost:8000"], 64),
        (["encode", photo, "o.sdc", "--chat", "http://["], 64),
        (["analyze", photo, "-o", "o.json", "--grounding", "onnx"], 64),
        (["analyze", photo, "-o", "o.json", "--timeout", "never"], 64),
        (["encode", photo, "o.sdc", "--find", ","], 64),
        (
            ["analyze", photo, "-o", "o.json", "--tags", "chat", "--text-only", "--chat", "http://localhost"],
            64,
        ),
    ):
        found, out, err = main(capfd, *argv)
        assert found == status and err.count("\n") == 1 and not out, (argv, err)


def test_a_folder_is_analyzed(photo: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("in").mkdir()
    Image.open(photo).save("in/one.png")
    assert main(capfd, "analyze", "in", "-o", "out", "--jobs", 1)[0] == 0
    assert json.loads(Path("out/one.json").read_text())["objects"]


def test_the_default_needs_no_other_package() -> None:
    code = (
        "import sys; import numpy as np; from sdc.analysis import analyze;"
        "analyze(np.arange(64 * 64 * 3).reshape(64, 64, 3).astype('u1'));"
        "print(*{m.partition('.')[0] for m in sys.modules} & {'torch', 'skimage', 'scipy', 'onnxruntime'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_figures_compare_with_a_rectangle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(picture()).save(tmp_path / "1.png")
    note = {"image_id": 1, "category_id": 1, "bbox": [70, 30, 68, 72]}
    coco = {
        "images": [{"id": 1, "file_name": "1.png"}],
        "annotations": [note],
        "categories": [{"id": 1, "name": "person"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(coco))
    evaluate(["analysis", "--coco", str(tmp_path), "--bytes", "--sheets", str(tmp_path / "sheets")])
    told = capsys.readouterr().out
    assert told.count("rectangle") == 12 and "built-in, unseen" in told
    assert len(list((tmp_path / "sheets").iterdir())) == 2
    assert figures.centred(10, 10, 0.4).sum() == 40


def test_heads_are_the_upper_fifth_of_people() -> None:
    high, wide = Object("person", (32, 16, 32, 80)), Object("person", (0, 0, 90, 80))
    truth = figures.truth_of([high, wide, replace(high, label="dog")], 128, 192)
    (head,) = truth.heads
    assert len(truth.each) == 3 and head.sum() == 32 * 16 and (head[1, 2:4] == 256).all()
    upper = np.arange(8)[:, None] < 2 + np.zeros((1, 12))
    assert figures.hold([upper], [truth])[3] == 1 and figures.hold([~upper], [truth])[3] == 0
    assert np.isnan(figures.hold([upper], [figures.truth_of([wide], 128, 192)])[3])


# --- A model behind an endpoint ------------------------------------------------------------------------


def test_a_model_ranks_with_reasons(server: Server) -> None:
    result = ask(server, CAPTIONS, GOOD, purpose="find the disc")
    assert [(o.label, o.level, o.reason) for o in result.objects] == [
        ("sky", "L3", "because 0"), ("disc", "L1", "because 1"), ("grass", "L2", "because 2"),
    ]  # fmt: skip
    assert result.provenance["captions"] == CAPTIONS and result.provenance["for"] == "find the disc"
    assert result.provenance["ranking"] == {"provider": "chat", "model": "tiny", "prompts": prompts.HASH}
    assert not result.warnings and set(server.keys) == {"Bearer secret-key"}
    first, second = server.asked
    sent = first["messages"][1]["content"]
    url = sent[1]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).size == (192, 128)
    assert first["response_format"]["json_schema"]["schema"] == prompts.CAPTIONS_SCHEMA
    asked = second["messages"][-1]["content"]
    assert "find the disc" in asked and '"label": "grass"' in asked and "A red disc on grass." in str(second)
    assert "secret-key" not in json.dumps(result.as_dict()) + repr(Options(key="secret-key"))


def test_a_large_picture_is_sent_smaller() -> None:
    assert endpoint.shrunk(np.zeros((1000, 3000, 3), np.uint8)).size == (768, 256)


def test_a_model_without_eyes_gets_no_picture(server: Server) -> None:
    result = ask(server, CAPTIONS, GOOD, text_only=True)
    assert result.objects[1].level == "L1" and "image_url" not in json.dumps(server.asked)
    assert '"label": "sky"' in server.asked[0]["messages"][1]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        "Sure! Here it is:\n```json\n" + json.dumps(GOOD) + "\n```\nI hope this {helps}.",
        "{not json} " + json.dumps(GOOD),
        {"objects": [{**row, "id": str(row["id"]), "level": row["level"][1]} for row in GOOD["objects"]]},
    ],
)
def test_an_answer_with_extra_prose_is_understood(server: Server, answer: Any) -> None:
    result = ask(server, "A disc, in plain words.", answer)
    assert [o.level for o in result.objects] == ["L3", "L1", "L2"] and not result.warnings
    assert result.provenance["captions"] == {"short": "A disc, in plain words."} and len(server.asked) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer, told",
    [
        (levels((0, "L3"), (1, "L1")), "missing is id 2"),
        (levels((0, "L3"), (1, "L1"), (2, "L2"), (3, "L1")), "no object of id 3"),
        (levels((0, "L3"), (1, "L1"), (2, "L9")), "not L1, L2 or L3 of id 2"),
        (levels((0, "L3"), (1, "L1"), (2, "L2"), (1, "L2")), "more than once comes id 1"),
        ("I would rather not.", 'no JSON object with "objects"'),
        ({"objects": "all"}, "no JSON object"),
        ({"objects": [None, 3, {"id": True}, {"id": 1.0}, {"id": -1}]}, "missing is id 0, 1, 2"),
        ("[" * 3000, "no JSON object"),
        ('{"objects":' * 3000, "no JSON object"),
        ("{" * 3000, "no JSON object"),
    ],
)
def test_a_wrong_answer_is_asked_for_once_more(server: Server, answer: Any, told: str) -> None:
    result = ask(server, CAPTIONS, answer, GOOD)
    assert [o.level for o in result.objects] == ["L3", "L1", "L2"] and not result.warnings
    assert len(server.asked) == 3 and told in server.asked[2]["messages"][-1]["content"]
    server.asked.clear()
    pipeline.provider_of.cache_clear()
    result = ask(server, CAPTIONS, answer)
    assert len(server.asked) == 3 and result.warnings and told in result.warnings[0]
    assert all(o.level in ("L1", "L2", "L3") and o.reason for o in result.objects)


def test_what_the_second_answer_lacks_comes_from_the_default(server: Server) -> None:
    result = ask(server, CAPTIONS, levels((1, "L1"), (7, "L1")), levels((0, "L3")))
    assert [o.reason.partition(" ")[0] for o in result.objects] == ["because", "because", "score"]
    assert result.warnings[-1] == "1 of 3 objects have their levels from the default"


def slow(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.5)
    send(handler, completion(CAPTIONS))


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    send(handler, completion(CAPTIONS), claim=5000)


def silent(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer, told, requests",
    [
        (slow, "timed out", 1),
        (dripping, "takes too long", 1),
        (fails(429, Retry_After="1"), "429", 3),
        (fails(500), "500", 3),
        (fails(503), "503", 3),
        (fails(401), "401", 1),
        (fails(400), "400", 2),
        (fails(302, Location="http://localhost:1/"), "302", 1),
        (cut_off, "", 3),
        (silent, "", 3),
        (lambda handler: send(handler, "<html>"), "not JSON", 1),
        (lambda handler: send(handler, "[1]"), "not an object of JSON", 1),
        (lambda handler: send(handler, '{"choices": []}'), "no text", 1),
        (lambda handler: send(handler, "[" * 100000), "not JSON", 1),
        (lambda handler: send(handler, "x" * (endpoint.LARGEST_ANSWER + 9)), "longer than", 1),
    ],
)
def test_a_server_that_fails_leads_to_the_default(
    server: Server, answer: Any, told: str, requests: int
) -> None:
    began = time.monotonic()
    # A busy machine is slow as well.
    result = ask(server, answer, timeout=0.2 if answer in (slow, dripping) else 30.0)
    assert time.monotonic() - began < 20
    assert [o.label for o in result.objects] == ["sky", "disc", "grass"]
    assert result.provenance["ranking"] == {"provider": "default"}
    assert len(result.warnings) == 1 and told in result.warnings[0], result.warnings
    assert len(server.asked) == requests
    assert "secret-key" not in json.dumps(result.provenance)


def test_a_server_that_recovers_is_asked_again(server: Server) -> None:
    result = ask(server, fails(503), cut_off, CAPTIONS, fails(429), GOOD)
    assert [o.level for o in result.objects] == ["L3", "L1", "L2"] and not result.warnings


def test_a_server_without_schemas_is_asked_without(server: Server) -> None:
    result = ask(server, fails(400), CAPTIONS, GOOD)
    assert not result.warnings
    assert ["response_format" in body for body in server.asked] == [True, False, False]


def test_nobody_listens(
    server: Server, photo: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDC_CHAT_KEY", "secret-key")
    status, out, err = main(capfd, "encode", photo, "o.sdc", "--chat", "http://127.0.0.1:9")
    assert status == 0 and not out and err.count("\n") == 1 and "ranking by chat failed" in err
    about = parse_provenance(parse(Path("o.sdc").read_bytes()))
    assert about is not None and len(about["warnings"]) == 1
    assert b"secret-key" not in Path("o.sdc").read_bytes()


def test_a_model_says_what_to_look_for(server: Server) -> None:
    result = ask(server, {"tags": ["disc", "grass", "disc", 5]}, CAPTIONS, GOOD, tags="chat")
    assert (
        result.provenance["find"] == ["disc", "grass"]
        and result.provenance["tags"]["prompts"] == prompts.HASH
    )
    pipeline.provider_of.cache_clear()
    result = ask(server, {"tags": []}, CAPTIONS, GOOD, tags="chat")
    assert "named nothing" in result.warnings[0] and result.objects[1].level == "L1"


def test_only_so_many_objects_are_asked_about(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "MOST", 2)
    result = ask(server, CAPTIONS, levels((0, "L1"), (1, "L2")))
    assert "1 of 3 objects" in result.warnings[0] and all(o.reason for o in result.objects)


def test_an_echo_of_the_prompt_is_no_answer(server: Server) -> None:
    rows = [{"id": k, "level": level, "reason": "..."} for k, level in enumerate(("L1", "L2", "L3"))]
    result = ask(server, {"short": "One sentence.", "detailed": prompts.DETAILED}, {"objects": rows})
    assert [(o.level, o.reason) for o in result.objects] == [("L1", ""), ("L2", ""), ("L3", "")]
    assert "captions" not in result.provenance
    assert result.warnings == ["the answer to the first question has no caption"]


@pytest.mark.parametrize(
    "name, shown",
    [
        ("/home/somebody/models/tiny.gguf", "tiny.gguf"),
        ("C:\\Users\\somebody\\tiny.gguf", "tiny.gguf"),
        ("~/tiny.gguf", "tiny.gguf"),
        ("OpenGVLab/InternVL3-1B-hf", "OpenGVLab/InternVL3-1B-hf"),
        ("tiny", "tiny"),
    ],
)
def test_the_record_names_no_folders(server: Server, name: str, shown: str) -> None:
    result = ask(server, CAPTIONS, GOOD, model=name)
    assert result.provenance["ranking"]["model"] == shown and server.asked[0]["model"] == name


def test_a_trial_says_what_came_of_an_endpoint(
    server: Server, photo: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [server.url, photo, "--grounding", "things", "--masks", "things", "--text-only"]
    server.answers = [CAPTIONS, GOOD]
    assert trial.main(given) == 0
    out = capfd.readouterr().out
    assert "answer 2:" in out and "short caption: A disc." in out and "L1  disc: because 1" in out
    assert out.endswith("0 warnings\n") and "3 objects in" in out
    server.answers = [CAPTIONS, "rubbish", levels((1, "L1"))]
    assert trial.main(given) == 3
    out = capfd.readouterr().out
    assert "answer 3:" in out and "warning: 2 of 3 objects have their levels from the default" in out
    for argv, status in (
        ([server.url, "none.png"], 66),
        ([server.url, "."], 74),
        (["ftp://nowhere", photo], 64),
        ([server.url], 64),
        ([server.url, photo, "--timeout", "never"], 64),
        ([server.url, photo, "--chat", server.url], 64),
        ([server.url, photo, "--ranking", "default"], 64),
        ([server.url, photo, "--cache", "kept"], 64),
        ([server.url, __file__], 64),
    ):
        assert trial.main(argv) == status, argv
        out, err = capfd.readouterr()
        assert not out and err.count("\n") == 1 and ": E_" in err, (argv, err)
    assert not Path("kept").exists() and len(server.asked) == 5


def test_options_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDC_CHAT_URL", "http://a/v1")
    monkeypatch.setenv("SDC_CHAT_KEY", "k")
    parser = argparse.ArgumentParser()
    add_options(parser)
    options = options_of(parser.parse_args(["--chat-model", "m", "--find", "dog, red car"]))
    assert (options.url, options.model, options.key) == ("http://a/v1", "m", "k")
    assert options.find == ("dog", "red car")
    assert "SDC_CHAT_URL" in os.environ


# --- Detectors -----------------------------------------------------------------------------------------


def network(
    path: Path, *, masks: bool = True, names: bool = True, half: bool = False, fixed: bool = True
) -> str:
    """A network with the signature of Ultralytics' that always finds the same, in a picture of 192x128."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    # In its input of 64x64 the picture takes 64x43 pixels from row 10 on.
    rows = [  # x, y, w, h, two classes, two coefficients
        (35.3, 31.5, 24, 23, 0.9, 0.1, 5, 0),
        (35.0, 31.0, 24, 23, 0.5, 0.1, 5, 0),  # the same again
        (35.3, 31.5, 24, 23, 0.1, 0.6, 0, 5),  # another class
        (10.0, 15.0, 8, 8, 0.2, 0.1, 5, 0),  # of too low a score
        (2.0, 12.0, 20, 20, 0.1, 0.7, 5, 0),  # beyond the corner of the picture
    ]
    prototypes = np.ones((2, 16, 16), np.float32)
    prototypes[1, :, 9:] = -1  # right of pixel 108 there is nothing
    table = np.array(rows, np.float32).T[None, : 8 if masks else 6]
    kind = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    values = {"output0": table, **({"output1": prototypes[None]} if masks else {})}
    nodes = [
        helper.make_node("Cast", ["images"], ["exact"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["exact"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"{name} value", "nothing"], [name]) for name in values),
    ]
    constants = {"zero": np.zeros((), np.float32), **{f"{name} value": v for name, v in values.items()}}
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", kind, [1, 3, *([64, 64] if fixed else ["h", "w"])])],
        [helper.make_tensor_value_info(k, onnx.TensorProto.FLOAT, v.shape) for k, v in values.items()],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names:
        helper.set_model_props(model, {"names": "{0: 'disc', 1: 'dog'}", "imgsz": "[64, 64]"})
    onnx.save(model, path)
    return str(path)


@pytest.fixture
def runtime() -> None:
    pytest.importorskip("onnxruntime")
    pipeline.provider_of.cache_clear()


def test_a_segmenter_finds_named_objects(runtime: None, tmp_path: Path) -> None:
    result = analyze(picture(), Options(detector=network(tmp_path / "tiny.onnx")))
    disc, other, corner = result.objects
    assert [o.label for o in result.objects] == ["disc", "dog", "dog"] and disc.level == "L1"
    assert np.abs(np.subtract(disc.box, (70, 30, 72, 68))).max() <= 1
    assert disc.mask is not None and disc.mask.all()
    assert abs(disc.score - 0.9) < 1e-3
    x, _, w, _ = corner.box if corner.box[0] else other.box
    assert abs(x + w - 108) <= 4
    (edge,) = (o for o in result.objects if o.box[:2] == (0, 0))
    assert np.abs(np.subtract(edge.box, (0, 0, 36, 36))).max() <= 1
    assert result.provenance["grounding"]["model"].startswith("tiny.onnx ")
    assert analyze(picture(), Options(detector=str(tmp_path / "tiny.onnx"), find=("Disc",))).objects == (
        replace(disc, reason=disc.reason),
    )


@pytest.mark.parametrize("options", [{"half": True}, {"fixed": False}, {"names": False}])
def test_detectors_of_several_kinds(runtime: None, tmp_path: Path, options: dict[str, bool]) -> None:
    path = network(tmp_path / "tiny.onnx", masks=False, **options)
    result = analyze(picture(), Options(detector=path))
    names = options.get("names", True)
    assert sorted(o.label for o in result.objects) == (
        ["disc", "dog", "dog"] if names else ["class 0", "class 1", "class 1"]
    )
    # Boxes are refined by the built-in default.
    assert result.provenance["masks"] == {"provider": "salient"}
    assert [note for note in result.notes if "names no classes" not in note] == []
    assert len(result.notes) == (not names)


def test_a_detector_that_finds_nothing_leads_to_the_regions(runtime: None, tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    result = analyze(picture(), Options(detector=path, find=("unicorn",)))
    assert result.objects == analyze(picture()).objects
    assert list(result.warnings) == [
        "the detector has no class unicorn, so it finds none",
        "onnx found no object, so these are by the default",
    ]


def test_words_are_held_against_the_classes(runtime: None, tmp_path: Path) -> None:
    path = network(tmp_path / "tiny.onnx")
    found = analyze(picture(), Options(detector=path, find=("Dog", "dgo", "cat")))
    assert "the detector has no class dgo, cat, so it finds none" in found.notes
    assert {thing.label for thing in found.objects} == {"dog"}
    assert not any("no class" in note for note in analyze(picture(), Options(detector=path)).notes)
    unnamed = network(tmp_path / "unnamed.onnx", names=False)
    told = analyze(picture(), Options(detector=unnamed, find=("class 1", "dgo")))
    assert not any("no class dgo" in note for note in told.notes)


def test_what_keeps_every_image_from_being_analyzed_is_said_once(
    photo: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("in").mkdir()
    for name in ("a", "b", "c"):
        Path("in", f"{name}.png").write_bytes(Path(photo).read_bytes())
    Path("there.onnx").write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr("sdc.analysis.optional.find_spec", lambda name: None)
        for command, words, said in (
            (
                "encode",
                ("--detector", "there.onnx"),
                'onnxruntime is not installed; pip install "sdc-codec[onnx]"',
            ),
            ("analyze", ("--find", "dog"), 'torch is not installed; pip install "sdc-codec[grounding]"'),
        ):
            out = ("-o", "out") if command == "analyze" else ("out",)
            status, _, err = main(capfd, command, "in", *out, *words)
            assert status == 64 and said in err and err.count("\n") == 1
    status, _, err = main(capfd, "analyze", "in", "-o", "out", "--masks-model", "sam", "--masks", "salient")
    assert (
        status == 64
        and err == "sdc: E_USAGE: has no effect: masks is by salient, not by sam or sam2 (--masks-model)\n"
    )
    status, _, err = main(capfd, "encode", "in", "out", "--detector", "none.onnx")
    assert status == 66 and err == "sdc: E_INPUT: there is no such file for --detector (none.onnx)\n"
    assert not Path("out").exists()


def test_a_file_that_is_no_detector_is_one_line(
    runtime: None, photo: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("bad.onnx").write_bytes(b"not a network")
    assert main(capfd, "encode", photo, "o.sdc", "--detector", "none.onnx")[0] == 66
    status, _, err = main(capfd, "encode", photo, "o.sdc", "--detector", "bad.onnx")
    assert status == 64 and err.count("\n") == 1 and "not an ONNX network" in err
    path = network(Path("tiny.onnx"))
    assert main(capfd, "encode", photo, "o.sdc", "--detector", path)[0] == 0
    about = parse_provenance(parse(Path("o.sdc").read_bytes()))
    assert about is not None and about["grounding"]["provider"] == "onnx"
    assert main(capfd, "decode", "o.sdc", "disc.png", "--objects", "disc")[0] == 0


def salient_network(path: Path, *, value: float | None = None, outputs: int = 1, channels: int = 3) -> str:
    """A network with the signature of U2-Net's: how red a pixel is, or always the same."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    weights = np.zeros((outputs, channels, 1, 1), np.float32)
    weights[:, 0], weights[:, 1:] = (1, -1) if value is None else (0, 0)
    bias = np.full(outputs, value or 0, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["input", "weights", "bias"], ["map"])],
        "tiny",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, channels, 32, 32])],
        [helper.make_tensor_value_info("map", onnx.TensorProto.FLOAT, [1, outputs, 32, 32])],
        [onnx.numpy_helper.from_array(weights, "weights"), onnx.numpy_helper.from_array(bias, "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def test_a_network_of_salient_objects_finds_regions(runtime: None, tmp_path: Path) -> None:
    pixels = picture()[:, ::-1]  # the disc is left of the middle
    pixels[:, 150:] = (20, 40, 250)
    result = analyze(pixels, Options(saliency=salient_network(tmp_path / "red.onnx")))
    mapped = group_map(result.objects, 192, 128)
    first = np.asarray(mapped.levels)[mapped.labels.astype(int) - 1] == "L1"
    y, x = np.argwhere(first).mean(0) * 16 + 8
    assert abs(x - 0.45 * 192) < 16 and abs(y - 64) < 16
    assert result.provenance["grounding"]["provider"] == "saliency"
    assert (
        result.provenance["grounding"]["model"].startswith("red.onnx ") and "masks" not in result.provenance
    )
    assert not result.warnings


@pytest.mark.parametrize("value, outputs", [(0.5, 1), (float("nan"), 1), (0.5, 2)])
def test_a_map_that_says_nothing_leads_to_the_default(
    runtime: None, tmp_path: Path, value: float, outputs: int
) -> None:
    path = salient_network(tmp_path / "same.onnx", value=value, outputs=outputs)
    result = analyze(picture(), Options(saliency=path))
    assert result.objects == analyze(picture()).objects and result.warnings


def test_a_network_of_another_kind_is_refused(runtime: None, tmp_path: Path) -> None:
    for path, code in (
        (salient_network(tmp_path / "x.onnx", channels=1), "E_USAGE"),
        ("none.onnx", "E_INPUT"),
    ):
        with pytest.raises(SdcError, match=code):
            analyze(picture(), Options(saliency=path))


# --- Networks of transformers --------------------------------------------------------------------------

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "disc", "dog", "red"]


@pytest.fixture
def transformers() -> Any:
    pytest.importorskip("torch").manual_seed(1)
    pipeline.provider_of.cache_clear()
    import_module("sdc.analysis.providers._torchvision")
    return pytest.importorskip("transformers")


def tiny_dino(transformers: Any, folder: Path) -> str:
    """Grounding DINO with random weights, saved to a folder."""
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokens = transformers.BertTokenizer(str(folder / "vocab.txt"))
    images = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    backbone = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    text = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2,
        num_queries=7, num_feature_levels=4, max_text_len=32,
    )  # fmt: skip
    transformers.GroundingDinoForObjectDetection(config).save_pretrained(folder)
    transformers.GroundingDinoProcessor(images, tokens).save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
def test_an_open_vocabulary_runs(transformers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dino, "SCORE", 0.0)
    monkeypatch.setattr(dino, "WORDS", 0.0)
    made = dino.GroundingDino(Options(grounding_model=tiny_dino(transformers, tmp_path)))
    found = made.locate(Scene(picture()), ["red disc", "Dog"])
    assert found and found == sorted(found, key=lambda thing: -thing.score)
    for thing in found:
        x, y, w, h = thing.box
        assert x + w <= 192 and y + h <= 128 and 0 <= thing.score <= 1 and thing.label
    with pytest.raises(ValueError, match="needs words"):
        made.locate(Scene(picture()), [])


def tiny_sam(transformers: Any, folder: Path, second: bool) -> str:
    """SAM or SAM 2 with random weights, saved to a folder."""
    if not second:
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = transformers.SamConfig(
            vision_config={
                **sizes, "image_size": 64, "patch_size": 8, "output_channels": 16, "window_size": 4,
                "global_attn_indexes": [0], "mlp_dim": 16, "num_pos_feats": 8,
            },
            prompt_encoder_config={
                "hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4,
            },
            mask_decoder_config={**sizes, "mlp_dim": 16, "iou_head_hidden_dim": 16},
        )  # fmt: skip
        transformers.SamModel(config).save_pretrained(folder)
        images = transformers.SamImageProcessor(
            size={"longest_edge": 64}, pad_size={"height": 64, "width": 64}, mask_size={"longest_edge": 16}
        )
        transformers.SamProcessor(images).save_pretrained(folder)
        return str(folder)
    config = transformers.Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [64, 64],
                "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [4, 4, 2, 2],
                "global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 32,
        },
        prompt_encoder_config={
            "hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 16,
            "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    transformers.Sam2Model(config).save_pretrained(folder)
    kind = getattr(transformers, "Sam2ImageProcessor", None) or transformers.Sam2ImageProcessorFast
    images = kind(size={"height": 64, "width": 64}, mask_size={"height": 16, "width": 16})
    transformers.Sam2Processor(images).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", ["sam", "sam2"])
def test_boxes_become_masks(transformers: Any, tmp_path: Path, name: str) -> None:
    folder = tiny_sam(transformers, tmp_path, name == "sam2")
    made = registry.provider("masks", name, Options(masks_model=folder))
    things = [*THINGS, replace(THINGS[1], mask=np.ones((48, 72), bool))]
    refined = made.refine(Scene(picture()), things)
    assert [o.label for o in refined] == [o.label for o in things] and refined[3] == things[3]
    for before, after in zip(things, refined, strict=True):
        x, y, w, h = after.box
        assert before.box[0] <= x and before.box[1] <= y and x + w <= before.box[0] + before.box[2]
        assert after.mask is None or after.mask.shape == (h, w)


def tiny_intern(transformers: Any, folder: Path) -> str:
    """A model of the InternVL family with random weights, saved to a folder."""
    tokenizers = pytest.importorskip("tokenizers")
    names = {"image_token": "<IMG_CONTEXT>", "start_image_token": "<img>", "end_image_token": "</img>"}
    special = ["<pad>", "<eos>", *names.values(), "<video>"]
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        [], tokenizers.trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet)
    )
    tokens = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", extra_special_tokens={
            **names, "video_token": "<video>", "context_image_token": "<IMG_CONTEXT>",
        },
    )  # fmt: skip
    template = (
        "{% for m in messages %}{{ m['role'] }}: {% for c in m['content'] %}{% if c['type'] == 'image' %}"
        "<IMG_CONTEXT>\n{% else %}{{ c['text'] }}{% endif %}{% endfor %}\n{% endfor %}assistant: "
    )
    images = transformers.GotOcr2ImageProcessor(
        size={"height": 16, "width": 16}, crop_to_patches=False, min_patches=1, max_patches=1
    )
    video = getattr(transformers, "InternVLVideoProcessor", None)
    processor = transformers.InternVLProcessor(
        images, tokens, *([video()] if video else []), image_seq_length=4, chat_template=template
    )
    config = transformers.InternVLConfig(
        vision_config={
            "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16,
            "image_size": [16, 16], "patch_size": [4, 4],
        },
        text_config={
            "model_type": "qwen2", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "intermediate_size": 16, "vocab_size": len(tokens),
        },
        image_token_id=tokens.convert_tokens_to_ids("<IMG_CONTEXT>"), downsample_ratio=0.5,
    )  # fmt: skip
    transformers.InternVLForConditionalGeneration(config).save_pretrained(folder)
    processor.save_pretrained(folder)
    return str(folder)


def test_a_model_in_this_process_is_asked(
    transformers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(internvl, "TOKENS", 8)
    monkeypatch.setattr(endpoint, "SIDE", 32)
    folder = tiny_intern(transformers, tmp_path)
    # What random weights say is no answer, so all levels are those of the default.
    result = analyze(picture(), Options(ranking="internvl", model=folder))
    assert result.provenance["ranking"]["provider"] == "internvl", result.provenance
    assert result.provenance["ranking"]["model"] == Path(folder).name
    count = len(result.objects)
    assert result.warnings[-1] == f"{count} of {count} objects have their levels from the default"
    assert all(o.level is not None for o in result.objects)


def test_a_network_that_is_not_there_is_one_line(
    transformers: Any, photo: str, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    asked = ("--find", "dog", "--grounding-model", "./empty")
    status, _, err = main(capfd, "analyze", photo, "-o", "o.json", *asked)
    assert status == 66 and err.count("\n") == 1 and "could not load" in err
