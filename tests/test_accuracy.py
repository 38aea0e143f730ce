"""Rate against accuracy, with evaluators that need no trained network."""

from __future__ import annotations

import base64
import importlib
import io
import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.analysis.providers import detector
from sdc.analysis.providers.detector import distinct
from sdc.codec.presets import PRESETS, Preset
from sdc.networks.registry import models_folder
from sdc.objects.object import Object
from sdc.types import LEVELS
from sdc_reference.evaluation import (
    areas,
    coders,
    curves,
    dataset,
    external,
    figures,
    lines,
    page,
    precision,
    preset_search,
    request,
    sources,
    store,
    tasks,
    variants,
    worker,
)
from sdc_reference.evaluation.cli import main, parser_of
from sdc_reference.evaluation.commands import summary
from sdc_reference.evaluation.evaluators import evaluator_of, restoration, yolo
from sdc_reference.evaluation.evaluators.text import agreement
from sdc_reference.evaluation.plan import Job, Plan, count_of, jobs_of

COLOURS = {"red": (230, 30, 30), "green": (20, 200, 60)}
NAMES = ["red, crimson", "green", "blue"]


def evaluator(pixels: np.ndarray) -> list[dict[str, Any]]:
    """A detector of red and green things."""
    found = []
    for label, colour in COLOURS.items():
        near = np.abs(pixels.astype(int) - colour).sum(-1) < 120
        if near.sum() > 20:
            y, x = np.nonzero(near)
            x0, y0 = int(x.min()), int(y.min())
            box = [x0, y0, int(x.max()) + 1 - x0, int(y.max()) + 1 - y0]
            score = float(near.sum() / (box[2] * box[3]))
            found.append({"label": label, "score": min(1.0, score), "box": box})
    return found


def silence(pixels: np.ndarray) -> list[str]:
    """A model that has nothing to say."""
    return ["..."]


def name_it(pixels: np.ndarray) -> list[int]:
    """A classifier by the brightest channel."""
    return np.argsort(-pixels.reshape(-1, 3).mean(0), kind="stable").tolist()


def spell(pixels: np.ndarray) -> list[str]:
    """A reader of blocks of 4 x 4 pixels, which it reads the better the finer they are coded."""
    height, width = (n // 4 for n in pixels.shape[:2])
    blocks = pixels[: 4 * height, : 4 * width].reshape(height, 4, width, 4, 3).mean((1, 3, 4))
    return ["".join(chr(65 + int(v) // 4) for v in row) for row in blocks]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images of one square each, with COCO's annotations."""
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    random = np.random.default_rng(2)
    source: dict[str, Any] = {"images": [], "annotations": [], "categories": []}
    source["categories"] = [{"id": 7, "name": "red"}, {"id": 9, "name": "green"}]
    for k in range(4):
        pixels = random.integers(90, 150, (64, 96, 3)).astype(np.uint8)
        label = ("red", "green")[k % 2]
        x, y = 8 + 16 * k, 12 + 4 * k
        pixels[y : y + 24, x : x + 24] = COLOURS[label]
        Image.fromarray(pixels).save(images / f"{k}.png")
        source["images"].append({"id": k, "file_name": f"{k}.png", "width": 96, "height": 64})
        outline = [[x, y, x + 24, y, x + 24, y + 24, x, y + 24]]
        source["annotations"].append(
            {
                "id": k + 1,
                "image_id": k,
                "category_id": 7 if label == "red" else 9,
                "bbox": [x, y, 24, 24],
                "segmentation": outline,
                "area": 576,
                "iscrowd": 0,
            }
        )
    (images.parent / "instances.json").write_text(json.dumps(source))
    return images.parent


def thing(x: int, y: int, w: int, h: int, level: int | None = None) -> Object:
    return Object("thing", (x, y, w, h), None if level is None else LEVELS[level])


@pytest.mark.slow
def test_detection_from_pictures_to_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pycocotools")
    out = tmp_path / "out"
    words = "--sources masks masks+1 --draws 30 --qualities sdc=6,20,40 jpeg=5,30,80"
    words += " --codecs sdc sdc:all@other-10 sdc:1-3 jpeg jpeg:1-3"
    command = ["accuracy", "--task", "detection", "--network", f"{__name__}:evaluator", "--data", str(folder)]
    command += ["--out", str(out), *words.split()]
    main(command)
    said = capsys.readouterr()
    # Originals, two codecs on the whole image, and three with objects of two sources, at three settings.
    assert f" {4 * (1 + 2 * 3 + 3 * 2 * 3)}/{4 * (1 + 2 * 3 + 3 * 2 * 3)} " in said.err
    assert "BD-rate at equal box AP, true labels, against" in said.out
    found = json.loads((out / "results.json").read_text())
    assert found["original"]["true labels"]["value"] == pytest.approx(1)
    rows = found["measurements"]
    assert len(rows) == 4 * (1 + 2 * 3 + 3 * 2 * 3)

    def total(codec: str, source: str, setting: float) -> int:
        return sum(
            r["bytes"] for r in rows if (r["codec"], r["source"], r["setting"]) == (codec, source, setting)
        )

    assert total("sdc:1-3", "masks", 20) < total("sdc:1-3", "masks+1", 20)
    # Images as small as these pay more for the map than a margin leaves to be saved.
    assert total("sdc:1-3", "masks", 20) < total("sdc", "", 20)
    assert total("jpeg:1-3", "masks", 30) < total("jpeg", "", 30)
    main(["summary", str(out / "results.json")])
    short = capsys.readouterr().out
    assert "| masks+1 | `sdc:1-3` |" in short and "BD-rate in per cent, own answers:" in short
    page = (out / "index.html").read_text()
    assert "SDC loses" in page and f"<figcaption>{rows[0]['image']}, original<" in page
    assert len(list((out / "examples").iterdir())) == 12

    def fail(*args: object, **options: object) -> bytes:
        raise AssertionError("coded again")

    monkeypatch.setattr(sdc, "encode", fail)
    monkeypatch.setattr(sys.modules[__name__], "evaluator", fail)
    tables = (out / "tables.md").read_text()
    main(command)
    assert (out / "tables.md").read_text() == tables


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["processes", pytest.param("ray", marks=pytest.mark.slow)])
def test_classification_in_two_processes(folder: Path, tmp_path: Path, engine: str) -> None:
    if engine == "ray":
        pytest.importorskip("ray")
    named = tmp_path / "named"
    named.mkdir()
    for k in range(4):
        (folder / "images" / f"{k}.png").rename(named / f"n0{k % 2}{k}_{('red', 'green')[k % 2]}.png")
    classes = tmp_path / "classes.json"
    classes.write_text(json.dumps(NAMES))
    command = [
        "accuracy",
        "--task",
        "classification",
        "--network",
        f"{__name__}:name_it",
        "--data",
        str(named),
    ]
    command += ["--classes", str(classes), "--out", str(tmp_path / "out"), "--draws", "20", "--jobs", "2"]
    command += ["--codecs", "sdc", "sdc@model1", "jpeg", "--qualities", "sdc=10,40", "jpeg=10,80"]
    main([*command, "--ray"] if engine == "ray" else command)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["original"]["true labels"]["value"] == 1
    assert found["original"]["true labels, top 5"]["value"] == 1
    assert found["about"]["versions"]["sdc"] == found["about"]["versions"]["sdc@model1"]


def test_wrong_arguments_are_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    command = ["accuracy", "--task", "detection", "--network", f"{__name__}:evaluator", "--data", str(folder)]
    command += ["--out", str(tmp_path)]
    for wrong, words in (
        (["--codecs", "sdc:1-3"], "needs objects"),
        (["--codecs", "nonesuch"], "no codec 'nonesuch'"),
        (["--codecs", "jpeg@effort3"], "no option of jpeg"),
        (["--codecs", "sdc@model9999"], "model 9999"),
        (["--codecs", "jpeg:all", "--sources", "masks"], "has no groups"),
        (["--sources", "elsewhere"], "is not one of masks"),
        (["--sources", "detector"], "needs --detector"),
        (["--network", "nonesuch.onnx"], "nonesuch|onnxruntime"),
        (["--network", f"{__name__}:nonesuch"], "has no 'nonesuch'"),
        (["--network", f"{__name__}:NAMES"], "has no 'NAMES' that can be called"),
        (["--network", str(folder / "instances.json")], "not an ONNX network.*instances.json|onnxruntime"),
        (["--take", "9:"], "leaves no image"),
        (["--qualities", "jpg=5"], "no codec 'jpg'"),
        (["--qualities", "jpeg=5.5", "--codecs", "jpeg"], "whole numbers"),
        (["--questions", "x.txt"], "--task questions"),
        (["--classes", "x.json"], "--task classification"),
        (["--labels", "1:3"], "places in --classes, which is not given"),
        (["--recorded", "x", "--sources", "recorded@best"], "is not one of masks"),
        (["--task", "classification"], "no labels from instances.json"),
        (["--task", "text", "--network", "x.onnx"], "no network for text"),
    ):
        with pytest.raises(SystemExit, match=words):
            main([*command, *wrong, "--jobs", "2"])


def test_what_has_no_effect_is_told_and_what_is_said_twice_is_once(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--codecs jpeg jpeg --qualities jpeg=5,5,80 avif=3 --sources default default --detector x.onnx"
    command = [
        "accuracy",
        "--task",
        "text",
        "--network",
        f"{__name__}:spell",
        "--data",
        str(folder),
        "--draws",
        "20",
    ]
    main([*command, "--out", str(tmp_path), *words.split(), "--take", ":2"])
    said = capsys.readouterr().err
    for part in ("effect on avif", "--sources has no effect", "--detector has no effect", " 6/6 "):
        assert part in said
    args = parser_of().parse_args(
        [*command, "--out", str(tmp_path), "--codecs", "sdc:1", "--sources", "default", "masks", "default"]
    )
    assert [source.text for source in request.plan_of(args).sources] == ["default", "masks"]


@pytest.mark.parametrize("task", ["text", "restoration"])
def test_ms_ssim_is_not_left_out_silently(
    task: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request, "evaluator_of", lambda *_: None)
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    command = [
        "accuracy",
        "--task",
        task,
        "--network",
        f"{__name__}:spell",
        "--data",
        str(folder),
        "--out",
        str(tmp_path),
    ]
    command += ["--codecs", "jpeg", *(["--ms-ssim"] if task == "text" else [])]
    # Torch may be missing as well.
    with pytest.raises(SystemExit, match=r'MS-SSIM needs .*torch.*: pip install "\.\[ms-ssim\]"'):
        main(command)


def test_ms_ssim_that_was_not_measured_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(5)
    for name, side in (("small", 160), ("large", 161)):
        Image.fromarray(random.integers(0, 255, (side, 170, 3)).astype(np.uint8)).save(
            tmp_path / f"{name}.png"
        )
    wanted = ((variants.parse_variant("jpeg"), (50.0,)),)
    plan = Plan("text", f"{__name__}:spell", tmp_path / "cache", 1, (), (), wanted, similarity=True)

    def similarities() -> list[float | None]:
        jobs = jobs_of(plan, [dataset.LabelledImage(tmp_path / f"{n}.png") for n in ("small", "large")])
        return [worker.Worker(plan).rows(job)[1]["ms_ssim"] for job in jobs]

    monkeypatch.setattr(worker, "ms_ssim", lambda *_: None)
    assert similarities() == [None, None]
    monkeypatch.setattr(worker, "ms_ssim", lambda a, _: 0.5 if min(a.shape[:2]) > 160 else None)
    assert similarities() == [None, 0.5]
    monkeypatch.setattr(worker, "ms_ssim", None)
    assert similarities() == [None, 0.5]


def test_a_small_picture_takes_ms_ssim_from_no_other() -> None:
    asked = tasks.Expected([None] * 2, [[30, 0.9], [30, None]], [(200, 200), (90, 90)])
    scores = tasks.TASKS["restoration"].scores([[20, 0.9], [30, None]], asked)
    assert scores["MS-SSIM to the clean image"](np.ones((1, 2))) == pytest.approx([10])
    assert scores["PSNR to the clean image"](np.ones((1, 2))) == [25]


def test_answers_of_python_are_kept_by_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "evaluator_of_mine.py"
    versions = []
    for code in ("see = list", "see = tuple", "see = list", "def see(p): ...\nsee.version = 'v7'"):
        path.write_text(code)
        sys.modules.pop("evaluator_of_mine", None)
        importlib.invalidate_caches()
        versions.append(evaluator_of("text", "evaluator_of_mine:see").version)
    assert versions[0] == versions[2] != versions[1] and versions[3] == "text by evaluator_of_mine:see v7"


def dislikes(*anything: object) -> Any:
    """A evaluator, or an encoder, that likes nothing."""
    raise KeyError("wide")


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_failures_name_the_picture_and_the_codec(
    folder: Path, tmp_path: Path, jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["accuracy", "--task", "text", "--data", str(folder), "--out", str(tmp_path), "--take", "2:3"]
    command += ["--codecs", "jpeg", "--qualities", "jpeg=50"]
    with pytest.raises(SystemExit, match=r"^2\.png, original: KeyError: 'wide'$"):
        main([*command, "--network", f"{__name__}:dislikes", "--jobs", jobs])
    monkeypatch.setattr(coders.PeerCoder, "encode", dislikes)
    with pytest.raises(SystemExit, match=r"^2\.png, jpeg at 50: KeyError: 'wide'$"):
        main([*command, "--network", f"{__name__}:spell"])


def test_segmenters_give_masks() -> None:
    found = evaluator_of("segmentation", f"{__name__}:evaluator")
    red = np.full((20, 20, 3), COLOURS["red"], np.uint8)
    with pytest.raises(ValueError, match="no 'rle'"):
        found.answer(red, red)
    assert evaluator_of("detection", f"{__name__}:evaluator").answer(red, red)


def test_variants() -> None:
    variant = variants.parse_variant("sdc:1-3@L2-6,other-20,effort3,mean,metadata,margin1")
    assert variant.levels == (0, 1, 2) and variant.preset == Preset((0, -6, 0, -20), 1, effort=3)
    assert (variant.preset.effort, variant.fill, variant.metadata, variant.partial) == (3, "mean", True, True)
    assert variants.parse_variant("sdc:all@model2").coder == "sdc@model2"
    for text, partial in (("sdc", False), ("sdc:all@other-9", False), ("sdc:1-3", True), ("avif:1", True)):
        assert variants.parse_variant(text).partial == partial
    for task, preset in PRESETS.items():
        variant = variants.parse_variant(f"sdc:for-{task}@margin2")
        assert variant.levels == (0, 1, 2, 3) and variant.preset == replace(preset, margin=2)
    wrong = (
        "sdc@model avif@model2 sdc:4 sdc@ sdc:all@L4-2 sdc:all@only1-3 avif@metadata sdc@other-4 avif@margin1"
    )
    wrong += " avif:1@other-4 avif:for-viewing"
    for text in wrong.split():
        with pytest.raises(ValueError, match=re.escape(text)):
            variants.parse_variant(text)


def test_sdc_sends_what_its_levels_take() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    coder = coders.SdcCoder(1)
    subject = coders.Subject(pixels, [thing(0, 0, 16, 16, 0), thing(32, 32, 32, 16, 1)])
    whole = variants.parse_variant("sdc:all")
    stream = coder.encode(whole, subject, 30)
    assert coder.sent(whole, stream) == stream
    one = variants.parse_variant("sdc:1")
    sent = coder.sent(one, stream)
    assert sent == sdc.extract(stream, levels=["L1"])
    shown = coder.decode(one, sent)
    assert (shown[16:] == 128).all() and (shown[:16, :16] == coder.decode(whole, stream)[:16, :16]).all()
    # Without objects there is nothing to send, but a file all the same.
    nothing = coder.sent(one, coder.encode(one, coders.Subject(pixels), 30))
    assert len(nothing) > 20 and (coder.decode(one, nothing) == 128).all()


def test_version_of_sdc_knows_all_code_that_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(sdc.__file__).parent
    found, left = set(), ["codec"]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            files = [*folder.glob(f"{name}.py"), *folder.glob(f"{name}/*.py")]
            left += re.findall(r"^from \.\.(\w+)", "".join(f.read_text() for f in files), re.MULTILINE)
    # What refuses, finds a file, or says something changes no byte.
    assert found - {"errors", "notes", "paths"} == set(coders.CODE)
    before = coders.SdcCoder(1).version
    monkeypatch.setattr(coders, "CODE", coders.CODE[1:])
    assert coders.SdcCoder(1).version != before


def test_files_of_a_preset_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = PRESETS["restoration"]
    before = coders.files_of(preset)
    assert len(before) == 2 and coders.files_of(PRESETS["detection"]) == []
    for name in ("sdc-model-4-encoder.safetensors", "sdc-model-4.safetensors"):
        (tmp_path / name).write_bytes((models_folder() / name).read_bytes() + b" ")
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    assert not set(coders.files_of(preset)) & set(before)


def test_opponents_code_the_same_cells() -> None:
    pixels = np.zeros((40, 70, 3), np.uint8)
    subject = coders.Subject(pixels, [thing(18, 2, 10, 10, 0), thing(50, 30, 16, 10, 3)])
    coder = coders.coder_of("jpeg", 1)
    shown = coder.decode(variant := variants.parse_variant("jpeg:1-3"), coder.encode(variant, subject, 95))
    grey = np.ones((40, 70), bool)
    grey[:16, 16:32] = False
    assert (np.abs(shown.astype(int) - np.where(grey, 128, 0)[..., None]) < 12).all()
    assert (subject.area((0, 1, 2), 0) == ~grey).all()


def test_opponents_code_the_cells_that_the_encoder_gives_a_margin() -> None:
    pixels = np.full((64, 112, 3), 90, np.uint8)
    things = [thing(0, 16, 16, 16, 0), thing(64, 16, 16, 16, 1), thing(100, 50, 4, 4, 3)]
    for source, text in ((1, "avif:1-3"), (0, "avif:1-3@margin1"), (1, "avif:1-3@margin1")):
        subject = coders.Subject(pixels, things, source)
        variant = variants.parse_variant(text)
        area = subject.area(variant.levels, subject.margin_of(variant))
        ours = variants.parse_variant(text.replace("avif", "sdc"))
        coder = coders.SdcCoder(1)
        stream = sdc.decode(coder.sent(ours, coder.encode(ours, subject, 10)))
        assert (stream.covered == area).all() and area.sum() == 256 * 15


def test_fills() -> None:
    pixels = np.full((20, 33, 3), 10, np.uint8)
    pixels[:, :9] = 200
    covered = np.zeros((20, 33), bool)
    covered[3:7, 5:12] = True
    for fill in areas.FILLS:
        shown = areas.filled(pixels, covered, fill)
        assert (shown[covered] == pixels[covered]).all()
        assert (areas.filled(pixels, covered & False, fill) == 128).all()
    assert (areas.filled(pixels, covered, "mean")[~covered] == round((4 * 200 + 3 * 10) / 7)).all()
    blurred = areas.filled(pixels, covered, "blur")[..., 0]
    assert blurred[5, 4] > 150 and blurred[5, 12] < 60


def test_opponents_soften_surroundings() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    subject = coders.Subject(pixels, [thing(16, 16, 16, 16, 0)])
    covered = subject.area((0, 1, 2), 0)
    detail = []
    for fill in areas.SOFTENED:
        variant = variants.parse_variant(f"jpeg:1-3@{fill}")
        assert variant.fill == fill
        shown = areas.filled(pixels, covered, fill)
        assert (shown[covered] == pixels[covered]).all()
        detail.append(float(shown[~covered].std()))
        assert abs(float(shown[~covered].mean()) - float(pixels[~covered].mean())) < 3
        assert (areas.filled(pixels, covered & False, fill) == pixels).all()
        for text in (f"sdc:1-3@{fill}", f"jpeg@{fill}"):
            with pytest.raises(ValueError, match="no option"):
                variants.parse_variant(text)
    assert pixels.std() > detail[0] > 1.5 * detail[1] > 2 * detail[2]
    coder = coders.coder_of("jpeg", 1)
    whole, soft = (
        coder.encode(variants.parse_variant(text), subject, 75) for text in ("jpeg", "jpeg:1-3@soft4")
    )
    assert len(soft) < 0.6 * len(whole)


def test_average_precision_is_that_of_pycocotools() -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(3)
    sizes = [(100, 80)] * 9
    truth, answers = [], []
    for _ in sizes:
        boxes = [random.integers(1, 40, 4).tolist() for _ in range(5)]
        labels = random.choice(["a", "b", "c"], 5).tolist()
        notes = [
            {"label": label, "bbox": box, "area": box[2] * box[3], "iscrowd": int(k == 4)}
            for k, (label, box) in enumerate(zip(labels, boxes, strict=True))
        ]
        truth.append(notes)
        answers.append(
            [
                {
                    "label": label,
                    "score": round(float(random.random()), 1),
                    "box": (np.array(box) + shift).tolist(),
                }
                for label, box in zip(labels, boxes, strict=True)
                for shift in (0.4, 3.0, 9.0)
            ]
        )
    evaluation = precision._evaluate("bbox", truth, answers, sizes)
    assert isinstance(evaluation, COCOeval)
    evaluation.accumulate()
    found = evaluation.eval["precision"]
    expected = found[found > -1].mean()
    weights = lines.draws_of(9, 20, 1)
    score = precision.average_precision("bbox", truth, answers, sizes)
    assert 0.2 < expected < 0.9
    assert score(weights)[0] == pytest.approx(expected, abs=1e-12)
    # An image drawn twice is about as good as two images.
    twice = np.array([2.0] * 3 + [0.0] * 6)[None]
    again = precision.average_precision("bbox", truth[:3] * 2, answers[:3] * 2, sizes[:6])
    assert score(twice)[0] == pytest.approx(again(np.ones((1, 6)))[0], abs=0.03)
    nothing = precision.average_precision("bbox", truth, [[]] * 9, sizes)
    assert nothing(weights)[0] == 0
    assert np.isnan(precision.average_precision("bbox", [[]] * 9, answers, sizes)(weights)).all()


def line(codec: str, rates: list[float], scores: list[float], spread: float = 0.0) -> lines.Line:
    factor = 1 + spread * np.linspace(-1, 1, 41)[None]
    factor[0, 0] = 1
    rate = np.array(rates)[:, None] * factor
    score = np.repeat(np.array(scores)[:, None], 41, 1)
    return lines.Line("", codec, tuple(range(len(rates))), rate, {"s": score})


def test_figures_of_lines() -> None:
    a, b = line("sdc", [0.1, 0.2], [30, 40]), line("jpeg", [0.2, 0.4], [30, 40], 0.1)
    found = figures.difference(a, b, "s")
    assert found.value == pytest.approx(-0.5) and found.low is not None and found.high is not None
    assert found.low == pytest.approx(1 / 2.2 - 1, abs=0.02) and found.high == pytest.approx(
        1 / 1.8 - 1, abs=0.02
    )
    assert found.span == (30, 40) and found.without == 0
    apart = figures.difference(a, line("jpeg", [0.2, 0.4], [41, 42]), "s")
    assert apart.value is None and apart.note == "nothing in common" and apart.without == 1
    original = line("original", [0.0], [40])
    assert figures.rate_at(a, original, "s", 0.875).value == pytest.approx(np.sqrt(0.02))
    assert figures.rate_at(a, original, "s", 0.5).note == "at most"
    assert figures.rate_at(a, line("original", [0.0], [50]), "s", 0.99).value is None


def test_short_tables() -> None:
    def row(codec: str, **more: Any) -> dict[str, Any]:
        return {"source": "" if codec in ("sdc", "avif") else "masks", "codec": codec, "score": "s", **more}

    def point(codec: str, bpp: float, score: float) -> dict[str, Any]:
        return {"source": "", "codec": codec, "bpp": {"value": bpp}, "scores": {"s": {"value": score}}}

    results = {
        "original": {"s": {"value": 0.5}},
        "differences": [
            row("sdc", against="avif", value=0.5, low=0.07, high=0.72),
            row("sdc:1-3", against="avif", value=-0.25, note="over 0.1 to 0.2 only"),
            row("sdc:1-3", against="sdc", note="nothing in common"),
            row("sdc:1-3", against="sdc", value=-0.9) | {"score": "other"},
        ],
        "rates": [
            row("sdc", share=0.99, note="not reached"),
            row("avif", share=0.99, value=0.6123, low=0.3),
            row("jpeg", share=0.99, value=1.0),
        ],
        "points": [point("avif", 0.1, 0.2), point("avif", 0.7, 0.49), point("avif", 0.9, 0.48)],
    }
    tables = [text for _, text in summary.tables_of(results, "s", ["sdc:1-3", "sdc"], ["avif", "sdc"])]
    assert tables[0].splitlines() == [
        "| objects | codec | `avif` | `sdc` |",
        "| --- | --- | --- | --- |",
        "| masks | `sdc:1-3` | -25, over 0.1 to 0.2 only | nothing in common |",
        "| - | `sdc` | +50 [+7, +72] |  |",
    ]
    assert tables[1].splitlines()[2:] == [
        "| - | `sdc` | not reached |",
        "| - | `avif` | 0.612 [0.300, not reached] |",
    ]
    # As the pooled curve has it, of which luck is no part.
    assert tables[2].splitlines()[2:] == ["| - | `avif` | 0.700 | 97.0% |"]


def test_short_tables_of_what_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = {"images": 1, "evaluator": "j", "versions": {}}
    point = {"source": "", "codec": "sdc", "bpp": {"value": 0.1}, "scores": {"s": {"value": 0.0}}}
    results = {"about": about, "original": {"s": {"value": 0.0}}, "points": [point]}
    path = tmp_path / "results.json"
    path.write_text(json.dumps({**results, "rates": [], "differences": []}))
    main(["summary", str(path)])
    assert "| - | `sdc` | 0.100 | - |" in capsys.readouterr().out
    for words, said in (
        ([str(path), "--score", "S"], "there is no score 'S', only s"),
        ([str(tmp_path / "none.json")], "No such file"),
    ):
        with pytest.raises(SystemExit, match=said):
            main(["summary", *words])
    for text, said in (("[1]", "not the results of a run"), ("{}", "not the results"), ("x", "Expecting")):
        path.write_text(text)
        with pytest.raises(SystemExit, match=said):
            main(["summary", str(path)])
    assert capsys.readouterr().out == ""


def test_neighbours_that_fall_become_one() -> None:
    # Luck in the third of five points is shared with those after it that do worse.
    curve = curves.pooled([(0.1, 10), (0.2, 20), (0.4, 40), (0.8, 30), (1.6, 50)])
    assert curve == [(0.1, 10), (0.2, 20), (0.4, 35), (0.8, 35), (1.6, 50)]
    # One that falls below several takes them all along; equal scores are a plateau too.
    assert curves.pooled([(1, 20), (2, 30), (4, 10)]) == [(1, 20), (4, 20)]
    assert curves.pooled([(1, 5), (4, 5)]) == [(1, 5), (4, 5)]
    assert curves.pooled([]) == []
    # In a draw of the images the order of the rates may be another.
    assert [rate for rate, _ in curves.pooled([(2, 3), (1, 1)])] == pytest.approx([1, 2])


def test_a_plateau_is_reached_where_it_begins_and_weighs_nothing() -> None:
    original = line("original", [0.0], [40])
    short, long = line("sdc", [0.1, 0.2], [30, 40]), line("sdc", [0.1, 0.2, 0.8, 3.2], [30, 40, 40, 40])
    assert curves.steep([(1, 5), (4, 5)]) == [(1, 5)]
    for share in (0.8, 1.0):
        at = figures.rate_at(short, original, "s", share).value
        assert figures.rate_at(long, original, "s", share).value == pytest.approx(at, rel=1e-12)
    costs = [preset_search.cost_of(each, original, "s", (0.8, 1)) for each in (short, long)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-12)
    # At the top, at the bottom and between, the logarithm is joined from its ends.
    other = line("jpeg", [0.2, 0.4], [30, 40])
    for each in (long, line("sdc", [0.01, 0.1, 0.2], [30, 30, 40])):
        assert figures.difference(each, other, "s").value == pytest.approx(-0.5, abs=1e-8)
    middle = curves.steep([(0.05, 30), (0.1, 35), (0.4, 35), (0.8, 40)])
    assert middle[1:3] == [(0.1, 35), (0.4, pytest.approx(35))] and middle[2][1] > 35
    assert curves.mean_log_rate(middle, 30, 40) == pytest.approx(np.log(0.2), abs=1e-8)
    # Scores that only rounding tells apart stay in order.
    near = [(1.0, 0.3), (2.0, 0.3), (4.0, float(np.nextafter(0.3, 1)))]
    assert curves.steep(near) == [near[0], near[2]]
    with_lines = curves.rate_difference([(1, 30), (2, 40), (3, 45)], [(2, 31), (4, 50)])
    ours, theirs = line("sdc", [1, 2, 3], [30, 40, 45]), line("avif", [2, 4], [31, 50])
    assert figures.difference(ours, theirs, "s").value == pytest.approx(with_lines, abs=1e-4)


def test_piecewise_cubics_take_plateaus() -> None:
    pytest.importorskip("bjontegaard")
    other = line("jpeg", [0.2, 0.4, 0.8], [30, 40, 50])
    plain = figures.difference(line("sdc", [0.1, 0.2, 0.4], [30, 40, 50]), other, "s").cubic
    for rates, scores in (
        ([0.1, 0.2, 0.4, 0.8], [30, 40, 50, 50]),
        ([0.05, 0.1, 0.2, 0.4], [30, 30, 40, 50]),
    ):
        assert figures.difference(line("sdc", rates, scores), other, "s").cubic == pytest.approx(plain)
    flat = figures.difference(line("sdc", [0.1, 0.2, 0.21, 0.4], [30, 40, 40, 50]), other, "s").cubic
    assert flat is not None and plain is not None and abs(flat - plain) < 0.05


def test_examples_are_of_the_preset_if_there_is_one() -> None:
    original, peer = line("original", [0.0], [40]), line("avif", [0.05, 0.3], [30, 40])
    some = [line(codec, [0.1, 0.2], [30, 40]) for codec in ("sdc", "sdc:1-3", "sdc:for-detection")]
    for count, codec in ((1, "sdc"), (2, "sdc:1-3"), (3, "sdc:for-detection")):
        pair = page.pair_of([original, *some[:count], peer])
        assert pair is not None and (pair.ours[1], pair.other) == (codec, ("", "avif", 0))
    assert page.pair_of([original, peer]) is None and page.pair_of([original, *some]) is None


def test_differences_over_few_scores_say_so() -> None:
    wide, high = line("sdc", [0.1, 0.4], [10, 50]), line("avif", [0.2, 0.8], [40, 80])
    assert figures.difference(wide, high, "s").note == "over 40 to 50 only"
    assert figures.difference(wide, line("jpeg", [0.2, 0.8], [20, 50]), "s").note == ""


def test_a_preset_is_chosen_over_scores_that_all_reach() -> None:
    original = line("original", [0.0], [40])
    whole = line("sdc:all", [0.1, 0.4], [20, 40])
    # Saves half, but below what is wanted; saves a fifth; costs more.
    short, saves, costs = (
        line("a", [0.05, 0.1], [20, 30]),
        line("b", [0.08, 0.32], [20, 40]),
        line("c", [0.1, 0.5], [20, 40]),
    )
    late = line("d", [0.2, 0.4], [30, 40])
    base, *found = (
        preset_search.cost_of(each, original, "s", (0.5, 0.9)) for each in (whole, short, saves, costs, late)
    )
    assert found[0] is None and base is not None and None not in found[1:]
    assert found[1] - base == pytest.approx(np.log(0.8)) and found[2] > base
    # It costs what the whole image costs from 30 on, and is charged as much below.
    assert found[3] - base == pytest.approx(np.log(2) * 10 / 16 / 2, abs=1e-3)
    assert preset_search.candidates_of(Preset(), ["other+0", "margin0", "other-8"]) == [
        Preset(),
        Preset((0, 0, 0, -8)),
    ]


@pytest.mark.slow
def test_a_preset_is_searched_on_one_half_and_reported_on_the_other(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = "--sources masks --draws 30 --qualities sdc=2,30,63 jpeg=5,80 --codecs jpeg --between 0.3 0.6"
    words += " --axis other+0 other-20 other-60 --axis margin0 margin1"
    command = ["presets", "--task", "text", "--network", f"{__name__}:spell", "--data", str(folder)]
    main([*command, "--out", str(out), *words.split()])
    found = json.loads((out / "presets.json").read_text())
    assert [len(axis) for axis in found["tries"]] == [3, 2]
    assert [sum(one["chosen"] for one in axis) for axis in found["tries"]] == [1, 1]
    chosen = next(one["preset"] for one in found["tries"][1] if one["chosen"])
    assert found["preset"] == chosen and f'"text": "{chosen}"' in capsys.readouterr().out
    assert found["about"]["images"] == found["about"]["searched"] == 2
    parts = {f"sdc:1-3@{chosen}" if chosen else "sdc:1-3", "sdc", "jpeg"}
    assert parts <= {row["against"] for row in found["differences"]}
    # Most of what there is to read lies outside the objects.
    dropped = next(one for one in found["tries"][0] if one["preset"] == "other-60")
    assert dropped["cost"] is None and dropped["top"] < 0.6
    for wrong, said in (
        ("--axis side1", "no option of presets"),
        ("--score x", "no score 'x'"),
        ("--sources masks+1", "hides those of the presets"),
        ("--between 0.9 0.7", "the lower one first"),
        ("--between 0 0.7", "above 0"),
    ):
        with pytest.raises(SystemExit, match=said):
            main([*command, "--out", str(out), *words.split(), *wrong.split()])


def test_measurements_are_kept_by_what_they_depend_on(folder: Path, tmp_path: Path) -> None:
    image = dataset.LabelledImage(folder / "images" / "0.png")
    kept = folder / "instances.json"

    def coded(source: str, *codecs: str) -> list[list[dict[str, Any]]]:
        wanted = tuple((variants.parse_variant(text), (20.0,)) for text in codecs)
        job = Job(image, sources.Source(source, kept))
        plan = Plan("detection", f"{__name__}:evaluator", tmp_path / "cache", 1, (), (job.source,), wanted)
        before = set((tmp_path / "cache" / "rows").rglob("*")) if (tmp_path / "cache").exists() else set()
        rows = worker.Worker(plan).rows(job)
        after = set((tmp_path / "cache" / "rows").rglob("*"))
        return [rows, [{} for path in after - before if path.is_file()]]

    # Cells decide what another codec is shown, a margin what SDC is, whoever asks for it.
    rows, new = coded("masks+1", "jpeg:1-3", "sdc:1-3")
    assert len(new) == 2
    again, new = coded("masks+1", "jpeg:1-3@margin1", "sdc:1-3@margin1")
    assert not new and [row["bytes"] for row in again] == [row["bytes"] for row in rows]
    assert [row["codec"] for row in again] == ["jpeg:1-3@margin1", "sdc:1-3@margin1"]
    _, new = coded("masks", "jpeg:1-3", "sdc:1-3", "sdc:all", "sdc:all@other-9", "sdc:1-3@mean")
    assert len(new) == 5


class _Answers(BaseHTTPRequestHandler):
    """A chat endpoint that knows how bright the image is."""

    asked: ClassVar[list[dict[str, Any]]] = []

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({**body, "key": self.headers.get("Authorization")})
        text, image = body["messages"][1]["content"]
        sent = base64.b64decode(image["image_url"]["url"].partition(",")[2])
        bright = np.asarray(Image.open(io.BytesIO(sent))).mean() > 100
        said = {"answers": ["A Hall.", "dark", "7"] if bright else ["the hall", "dark, very", 7]}
        if "caption" in text["text"]:
            said = {"caption": "A bright hall" if bright else "a dark hall!"}
        told = json.dumps({"choices": [{"message": {"content": f"Well: {json.dumps(said)}"}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SDC_CHAT_KEY", "secret")
    monkeypatch.delenv("SDC_CHAT_MODEL", raising=False)
    _Answers.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def test_captions_and_questions_through_a_chat_endpoint(endpoint: str) -> None:
    bright, dark = np.full((40, 60, 3), 200, np.uint8), np.full((40, 60, 3), 20, np.uint8)
    captions = evaluator_of("captions", f"{endpoint}#tiny")
    own, other = captions.answer(bright, bright), captions.answer(dark, bright)
    assert (own, other) == (["A bright hall"], ["a dark hall!"])
    asked = tasks.Expected([None], [own], [(60, 40)])
    assert tasks.TASKS["captions"].scores([other], asked)["own answers"](np.ones((1, 1))) == [0.5]
    questions = evaluator_of("questions", f"{endpoint}#tiny", ["Where?", "How is it?", "How many?", "Who?"])
    own, other = questions.answer(bright, bright), questions.answer(dark, bright)
    assert (own, other) == (["A Hall.", "dark", "7", ""], ["the hall", "dark, very", "", ""])
    scores = tasks.TASKS["questions"].scores([other], tasks.Expected([None], [own], [(60, 40)]))
    # The fourth has no answer on the original either, and counts for nothing.
    assert scores["own answers"](np.ones((1, 1))) == pytest.approx([1 / 3])
    assert scores["own answers, by words"](np.ones((1, 1))) == pytest.approx([(1 + 2 / 3 + 0) / 3])
    sent = _Answers.asked[-1]
    assert sent["model"] == "tiny" and sent["key"] == "Bearer secret" and sent["temperature"] == 0
    assert "How many?" in sent["messages"][1]["content"][0]["text"]
    # The version says what answers depend on, and not the key.
    other_questions = evaluator_of("questions", f"{endpoint}#tiny")
    assert len({captions.version, questions.version, other_questions.version}) == 3
    assert "tiny" in captions.version and "secret" not in captions.version
    with pytest.raises(ValueError, match="names no model"):
        evaluator_of("captions", endpoint)
    with pytest.raises(ValueError, match="not for detection"):
        evaluator_of("detection", f"{endpoint}#tiny")


def test_captions_from_pictures_to_tables(
    folder: Path, tmp_path: Path, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "asked.txt").write_text("Where?\n\nHow is it?\nHow many?\n")
    words = (
        f"accuracy --task questions --network {endpoint}#tiny --data {folder} --out {tmp_path}/out --draws 20"
    )
    words += f" --codecs jpeg --qualities jpeg=5,80 --take :2 --questions {tmp_path}/asked.txt"
    main(words.split())
    assert "share of the same answers, own answers" in capsys.readouterr().out
    # An original and two files of each of two images.
    assert len(_Answers.asked) == 6


@pytest.mark.parametrize("task", ["captions", "questions"])
def test_a_model_that_says_nothing_scores_nothing(
    task: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "accuracy",
        "--task",
        task,
        "--network",
        f"{__name__}:silence",
        "--data",
        str(folder),
        "--draws",
        "20",
    ]
    command += ["--out", str(tmp_path), "--codecs", "sdc", "jpeg", "--qualities", "sdc=5,30", "jpeg=5,80"]
    main(command)
    assert "4 of 4 answers on the originals say nothing: left out." in capsys.readouterr().out
    found = json.loads((tmp_path / "results.json").read_text())
    assert {name: score.get("value") for name, score in found["original"].items()}["own answers"] is None
    assert found["differences"] and not any(
        "value" in row for row in found["differences"] if row["score"] == "own answers"
    )
    main(["summary", str(tmp_path / "results.json"), "--score", "own answers"])
    assert "| - | `sdc` |" in capsys.readouterr().out
    presets_of = [
        "presets",
        *command[1:-8],
        "--out",
        str(tmp_path),
        "--sources",
        "masks",
        "--qualities",
        "sdc=5",
    ]
    with pytest.raises(SystemExit, match="the originals' score, own answers, is nan"):
        main(presets_of)


def test_what_is_not_said_of_the_original_does_not_count() -> None:
    own, others = [["a hall"], [" ... "], ["a dog"]], [["the hall"], [""], ["cat"]]
    asked = tasks.Expected([None] * 3, own, [(8, 8)] * 3)
    score = tasks.TASKS["captions"].scores(others, asked)["own answers"]
    assert score(np.array([[1, 1, 1], [3, 5, 1]])).tolist() == [0.5, 0.75]
    assert np.isnan(score(np.array([[0, 4, 0]]))).all()
    assert tasks.left_out("captions", own).startswith("1 of 3") and not tasks.left_out("captions", own[:1])
    assert not tasks.left_out("detection", own)
    # Unknown is a word of a caption, but of no answer.
    own, others = [["Unknown.", "two"]], [["red", "unknown"]]
    asked = tasks.Expected([None], own, [(8, 8)])
    for name in ("own answers", "own answers, by words"):
        assert tasks.TASKS["questions"].scores(own, asked)[name](np.ones((1, 1))) == [1]
        assert tasks.TASKS["questions"].scores(others, asked)[name](np.ones((1, 1))) == [0]
    assert tasks.left_out("questions", own).startswith("1 of 2") and not tasks.left_out("captions", own)


def test_external_codec(tmp_path: Path) -> None:
    copy = f'"{sys.executable}" -c "import shutil, sys; shutil.copy(*sys.argv[1:3])"'
    described = {
        "name": "copy",
        "settings": [1],
        "encode": f"{copy} {{input}} {{output}} {{setting}} {{width}}",
    }
    described["decode"] = f"{copy} {{input}} {{output}}"
    path = tmp_path / "copy.json"
    path.write_text(json.dumps(described))
    codec = external.load_external(path)
    pixels = np.arange(6 * 7 * 3, dtype=np.uint8).reshape(6, 7, 3)
    coder = coders.coder_of("copy", 1, (codec,))
    variant = variants.parse_variant("copy")
    assert (coder.decode(variant, coder.encode(variant, coders.Subject(pixels), 1)) == pixels).all()
    path.write_text(json.dumps({**described, "multiple": 4}))
    padded = external.load_external(path)
    data = padded.encode(pixels, 1)
    assert data[:4] == bytes([0, 6, 0, 7]) and (padded.decode(data) == pixels).all()
    with Image.open(io.BytesIO(data[4:])) as image:
        seen = np.asarray(image)
    assert seen.shape == (8, 8, 3) and (seen[6:, 7] == pixels[5, 6]).all()
    path.write_text(json.dumps({**described, "multiple": 0}))
    with pytest.raises(ValueError, match="whole number from 1"):
        external.load_external(path)
    fails = f'"{sys.executable}" -c "import sys; sys.exit(sys.argv[1])" {{input}}'
    path.write_text(json.dumps({**described, "encode": fails}))
    with pytest.raises(RuntimeError, match=r"in\.png"):
        external.load_external(path).encode(pixels, 1)
    path.write_text(json.dumps({**described, "settings": 3}))
    with pytest.raises(ValueError, match="'settings' must be given as list"):
        external.load_external(path)
    for wrong, said in (
        ({"name": "avif"}, "name of another"),
        ({"decode": "x {input} {output} {width}"}, "'decode' cannot have {width}"),
        ({"encode": "x {input} {out}"}, "'encode' cannot have {out}"),
    ):
        path.write_text(json.dumps(described | wrong))
        with pytest.raises(ValueError, match=said):
            external.load_external(path)
    versions = set()
    for more in ({}, {"multiple": 2}, {"encode": described["encode"] + " 1"}, {"decode": "x"}):
        path.write_text(json.dumps({**described, "version": "7", **more}))
        versions.add(external.load_external(path).version())
    assert len(versions) == 4 and all(version.startswith("7, file ") for version in versions)
    vvc = external.load_external(Path(external.__file__).with_name("vvc.json"))
    assert vvc.name == "vvc" and list(vvc.settings) == sorted(vvc.settings, reverse=True)


def test_store_survives_files_that_were_cut_off(tmp_path: Path) -> None:
    kept = store.Store(tmp_path)
    kept.keep(["a", 1], {"x": 2})
    assert kept.find(["a", 1]) == {"x": 2} and kept.find(["a", 2]) is None
    next(path for path in tmp_path.rglob("*") if path.is_file()).write_text('{"x"')
    assert kept.find(["a", 1]) is None
    assert kept.file(["f"], lambda: b"1") == kept.file(["f"], lambda: b"2") == b"1"


def test_classes_by_name() -> None:
    classes = ["hen", "crane", "tree frog, tree-frog", "dog", "crane", "cup"]
    labels = dataset.labels_of(["n5_crane", "n1_crane", "n2_tree_frog", "n4_dog", "n9_cat"], classes)
    assert labels == {"n5_crane": 4, "n1_crane": 1, "n2_tree_frog": 2, "n4_dog": 3, "n9_cat": None}


def test_images_of_some_classes_alone(folder: Path, tmp_path: Path) -> None:
    named, classes = tmp_path / "named", tmp_path / "classes.json"
    named.mkdir()
    for k, name in enumerate(("red", "green", "green", "blue")):
        (folder / "images" / f"{k}.png").rename(named / f"n{k}_{name}.png")
    classes.write_text(json.dumps(NAMES))
    command = ["accuracy", "--task", "classification", "--network", f"{__name__}:name_it", "--out", "x"]
    command += ["--data", str(named), "--classes", str(classes), "--labels"]

    def taken(labels: str, *more: str) -> list[str]:
        images = request.images_of(parser_of().parse_args([*command, labels, *more]))
        return [image.name[3:-4] for image in images]

    assert taken("1:") == ["green", "green", "blue"]
    assert taken("0:1") == ["red"] and taken("2:") == ["blue"]
    # Images are counted of those of the classes.
    assert taken("1:2", "--take", "1:") == ["green"]
    with pytest.raises(ValueError, match="--labels leaves no image"):
        taken("3:")


def test_objects_of_the_default_analysis() -> None:
    y, x = np.mgrid[:96, :128]
    pixels = np.where(((x - 60) ** 2 + (y - 50) ** 2 < 700)[..., None], (200, 60, 40), (90, 120, 90)).astype(
        np.uint8
    )
    source = sources.Source("default+1")
    found = source.objects(pixels, "")
    assert source.margin == 1 and found and all(thing.level is not None for thing in found)


def test_masks_of_pictures_in_folders(folder: Path) -> None:
    told = folder / "instances.json"
    described = json.loads(told.read_text())
    (folder / "images" / "val").mkdir()
    for row in described["images"]:
        (folder / "images" / row["file_name"]).rename(folder / "images" / "val" / row["file_name"])
        row["file_name"] = f"val/{row['file_name']}"
    told.write_text(json.dumps(described))
    images = dataset.load_images(folder)
    assert [image.name for image in images] == [f"val/{k}.png" for k in range(4)]
    pixels = np.zeros((64, 96, 3), np.uint8)
    source = sources.Source("masks", told)
    assert all(len(source.objects(pixels, image.name)) == 1 for image in images)
    with pytest.raises(ValueError, match="does not name it"):
        source.objects(pixels, "9.png")
    # True boxes are in pixels of the size that is told.
    described["images"][2]["width"] = 48
    told.write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"2\.png has 96 x 64 pixels, instances.json says 48 x 64"):
        dataset.load_images(folder)


def test_objects_of_a_detector_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    _network(tmp_path / "quarters.onnx", False)
    source = sources.Source("detector", None, tmp_path / "quarters.onnx")
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = (255, 0, 0)
    assert [thing.label for thing in source.objects(pixels, "")] == ["red"]
    # Nothing found is nothing, though the analysis would take what stands out.
    grey = np.zeros((64, 64, 3), np.uint8)
    grey[20:40, 20:40] = 60
    assert not source.objects(grey, "") and sources.Source("default").objects(grey, "")

    def fail(*args: object) -> list[Object]:
        raise OSError("out of memory")

    monkeypatch.setattr(detector.Detector, "locate", fail)
    with pytest.raises(RuntimeError, match="failed: OSError: out of memory"):
        source.objects(pixels, "")


def _network(path: Path, segments: bool) -> None:
    """A network that sees the mean colours of the quarters of its input, with boxes that are the quarters."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    centres = np.array([[16, 48, 16, 48], [16, 16, 48, 48], [32] * 4, [32] * 4], np.float32)[None]
    constants = {"boxes": centres, "shape": np.array([1, 3, 4], np.int64)}
    nodes = [
        helper.make_node("AveragePool", ["images"], ["means"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Reshape", ["means", "shape"], ["scores"]),
    ]
    parts, outputs = ["boxes", "scores"], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)]
    if segments:
        constants |= {"coefficients": np.ones((1, 1, 4), np.float32), "half": np.float32(0.7)}
        constants["first"] = np.array([0], np.int64)
        nodes += [
            helper.make_node("AveragePool", ["images"], ["small"], kernel_shape=[4, 4], strides=[4, 4]),
            helper.make_node("Gather", ["small", "first"], ["red"], axis=1),
            helper.make_node("Sub", ["red", "half"], ["masks"]),
        ]
        parts.append("coefficients")
        outputs.append(helper.make_tensor_value_info("masks", TensorProto.FLOAT, None))
    nodes.append(helper.make_node("Concat", parts, ["out"], axis=1))
    entry = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    kept = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    model = helper.make_model(
        helper.make_graph(nodes, "quarters", [entry], outputs, kept),
        opset_imports=[helper.make_opsetid("", 13)],
    )
    model.ir_version = 8
    helper.set_model_props(model, {"names": str({0: "red", 1: "green", 2: "blue"})})
    onnx.save(model, path)


def test_onnx_detector_and_segmenter(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    mask = pytest.importorskip("pycocotools.mask")
    # An image of 128 x 64 fills the middle half of the input: two quarters above, two below.
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64] = (255, 0, 0)
    for segments in (False, True):
        _network(tmp_path / "quarters.onnx", segments)
        found = evaluator_of("detection", str(tmp_path / "quarters.onnx")).answer(pixels, pixels)
        red = [thing for thing in found if thing["label"] == "red" and thing["score"] > 0.6]
        assert sorted(thing["box"] for thing in red) == [[0, 0, 64, 32], [0, 32, 64, 32]]
        assert ("rle" in found[0]) == segments
        if not segments:
            with pytest.raises(ValueError, match="has no masks"):
                evaluator_of("segmentation", str(tmp_path / "quarters.onnx"))
        # Other names than the table has columns for are those of another export.
        network = yolo.Yolo(tmp_path / "quarters.onnx")
        network.names = dict(enumerate(NAMES * 2))
        with pytest.raises(ValueError, match=r"not \[1, 1[01], n\] for 6 classes"):
            network(pixels)
    area = mask.decode({"size": [64, 128], "counts": min(red, key=lambda thing: thing["box"])["rle"]})
    assert area[:30, 2:60].all() and not area[34:].any() and not area[:, 66:].any()


def test_onnx_classifier(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from onnx import TensorProto, helper

    entry = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    model = helper.make_model(
        helper.make_graph([node], "mean", [entry], [out]), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "mean.onnx")
    pixels = np.full((40, 60, 3), (10, 200, 100), np.uint8)
    assert evaluator_of("classification", str(tmp_path / "mean.onnx")).answer(pixels, pixels) == [1, 2, 0]


@pytest.mark.parametrize("channels", [(13, 12), (3, 3)])
def test_denoisers_change_nothing_with_weights_that_do_nothing(
    tmp_path: Path, channels: tuple[int, int]
) -> None:
    torch = pytest.importorskip("torch")
    first, last = torch.zeros(16, channels[0], 3, 3), torch.zeros(channels[1], 16, 3, 3)
    if channels[0] == 13:
        for k in range(12):
            first[k, k, 1, 1] = last[k, k, 1, 1] = 1
    weights = {"model.0.weight": first, "model.0.bias": torch.zeros(16)}
    weights |= {"model.2.weight": last, "model.2.bias": torch.zeros(channels[1])}
    torch.save(weights, tmp_path / "net.pth")
    pixels = np.random.default_rng(0).integers(0, 255, (33, 27, 3)).astype(np.uint8)
    found = evaluator_of("restoration", str(tmp_path / "net.pth"))
    noisy = found.prepare(pixels)
    assert 20 < np.std(noisy.astype(float) - pixels) < 25 and (noisy == found.prepare(pixels)).all()
    assert (restoration.Denoiser(tmp_path / "net.pth").restored(noisy) == noisy).all()
    quality, similarity = found.answer(noisy, pixels)
    assert 19 < quality < 22 and similarity is None
    torch.save({"a.weight": torch.zeros(4, 4, 3, 3), "a.bias": torch.zeros(4)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="neither FFDNet nor DnCNN"):
        evaluator_of("restoration", str(tmp_path / "net.pth"))


def test_text_agrees_by_characters() -> None:
    assert agreement(["STOP", "42"], ["STOP", "42"]) == agreement([], []) == 1
    assert agreement(["STOP"], ["STEP"]) == 0.75
    assert agreement([], ["x"]) == 0
    own = [["No exit", "STOP"], ["Kings Cross"]]
    answers = [["No exit", "STEP"], []]
    scores = tasks.TASKS["text"].scores(answers, tasks.Expected([None] * 2, own, [(8, 8)] * 2))
    assert scores["own answers"](np.ones((1, 2))).tolist() == [(11 / 12) / 2]
    # Where there is little to read in the original, nothing is measured, whatever is read later.
    own = [["No exit", "To\tthe"], [], ["A bus stop "], ["A bus stops"]]
    answers = [*own[:1], [], ["x"], []]
    scores = tasks.TASKS["text"].scores(answers, tasks.Expected([None] * 4, own, [(8, 8)] * 4))
    assert scores["own answers"](np.ones((1, 4))).tolist() == [1]
    assert tasks.left_out("text", own) == "in 3 of 4 originals fewer than 10 characters are read: left out."


def test_overlapping_boxes_are_one() -> None:
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    assert distinct(corners, np.array([0, 0, 1, 0]), yolo.OVERLAP, yolo.MOST) == [0, 2, 3]


def test_jobs_and_their_counts(folder: Path) -> None:
    wanted = tuple((variants.parse_variant(t), (1.0, 2.0)) for t in ("sdc", "sdc:1", "jpeg:1-3"))
    source = sources.Source("default")
    plan = Plan("detection", "a:b", folder, 1, (), (source,), wanted)
    jobs = jobs_of(plan, [dataset.LabelledImage(folder / "a.png")])
    assert [count_of(plan, job) for job in jobs] == [3, 4]
