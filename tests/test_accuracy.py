"""Rate against accuracy, with judges that need no trained network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.objects import Object
from sdc_reference import accuracy
from sdc_reference.accuracy import (
    areas,
    coco,
    coders,
    data,
    external,
    judges,
    lines,
    measure,
    reading,
    restoration,
    sources,
    store,
    tasks,
)
from sdc_reference.analysis.detector import distinct

COLOURS = {"red": (230, 30, 30), "green": (20, 200, 60)}
NAMES = ["red, crimson", "green", "blue"]


def judge(pixels: np.ndarray) -> list[dict[str, Any]]:
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


def name_it(pixels: np.ndarray) -> list[int]:
    """A classifier by the brightest channel."""
    return np.argsort(-pixels.reshape(-1, 3).mean(0), kind="stable").tolist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of one square each, with COCO's annotations."""
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
    return Object("thing", (x, y, w, h), level)


def test_detection_from_pictures_to_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pycocotools")
    out = tmp_path / "out"
    words = "--sources masks masks+1 --draws 30 --qualities sdc=6,20,40 jpeg=5,30,80"
    words += " --codecs sdc sdc:all@other-10 sdc:1-3 jpeg jpeg:1-3"
    command = ["--task", "detection", "--network", f"{__name__}:judge", "--data", str(folder)]
    command += ["--out", str(out), *words.split()]
    accuracy.main(command)
    said = capsys.readouterr()
    # Originals, two codecs on the whole picture, and three with objects of two sources, at three settings.
    assert f"100/{4 * (1 + 2 * 3 + 3 * 2 * 3)} measurements" in said.err
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
    # Pictures as small as these pay more for the map than a margin leaves to be saved.
    assert total("sdc:1-3", "masks", 20) < total("sdc", "", 20)
    assert total("jpeg:1-3", "masks", 30) < total("jpeg", "", 30)
    page = (out / "index.html").read_text()
    assert "SDC loses" in page
    assert len(list((out / "examples").iterdir())) == 12

    def fail(*args: object, **options: object) -> bytes:
        raise AssertionError("coded again")

    monkeypatch.setattr(sdc, "encode", fail)
    monkeypatch.setattr(sys.modules[__name__], "judge", fail)
    tables = (out / "tables.md").read_text()
    accuracy.main(command)
    assert (out / "tables.md").read_text() == tables


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
    command = ["--task", "classification", "--network", f"{__name__}:name_it", "--data", str(named)]
    command += ["--classes", str(classes), "--out", str(tmp_path / "out"), "--draws", "20", "--jobs", "2"]
    command += ["--codecs", "sdc", "jpeg", "--qualities", "sdc=10,40", "jpeg=10,80"]
    accuracy.main([*command, "--ray"] if engine == "ray" else command)
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["original"]["true labels"]["value"] == 1
    assert found["original"]["true labels, top 5"]["value"] == 1


def test_wrong_arguments_are_told_in_a_line(folder: Path, tmp_path: Path) -> None:
    command = ["--task", "detection", "--network", f"{__name__}:judge", "--data", str(folder)]
    command += ["--out", str(tmp_path)]
    for wrong, words in (
        (["--codecs", "sdc:1-3"], "needs objects"),
        (["--codecs", "nonesuch"], "no codec 'nonesuch'"),
        (["--codecs", "jpeg@effort3"], "no option of jpeg"),
        (["--codecs", "jpeg:all", "--sources", "masks"], "has no groups"),
        (["--sources", "elsewhere"], "is not one of masks"),
        (["--sources", "detector"], "needs --detector"),
        (["--network", "nonesuch.onnx"], "nonesuch|onnxruntime"),
    ):
        with pytest.raises(SystemExit, match=words):
            accuracy.main([*command, *wrong])


def test_variants() -> None:
    variant = coders.parse_variant("sdc:1-3@L2-6,other-20,effort3,mean,metadata")
    assert variant.levels == (0, 1, 2) and variant.offsets == (0, -6, 0, -20)
    assert (variant.effort, variant.fill, variant.metadata, variant.partial) == (3, "mean", True, True)
    assert not coders.parse_variant("sdc:all").partial
    for wrong in ("sdc:4", "sdc@", "sdc@L4-2", "avif@metadata"):
        with pytest.raises(ValueError):
            coders.parse_variant(wrong)


def test_sdc_sends_what_its_levels_take() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    coder = coders.SdcCoder(1)
    subject = coders.Subject(pixels, [thing(0, 0, 16, 16, 0), thing(32, 32, 32, 16, 1)])
    whole = coders.parse_variant("sdc:all")
    stream = coder.encode(whole, subject, 30)
    assert coder.sent(whole, stream) == stream
    one = coders.parse_variant("sdc:1")
    sent = coder.sent(one, stream)
    assert sent == sdc.extract(stream, levels=["L1"])
    shown = coder.decode(one, sent)
    assert (shown[16:] == 128).all() and (shown[:16, :16] == coder.decode(whole, stream)[:16, :16]).all()
    # Without objects there is nothing to send, but a file all the same.
    nothing = coder.sent(one, coder.encode(one, coders.Subject(pixels), 30))
    assert len(nothing) > 20 and (coder.decode(one, nothing) == 128).all()


def test_opponents_code_the_same_cells() -> None:
    pixels = np.zeros((40, 70, 3), np.uint8)
    subject = coders.Subject(pixels, [thing(18, 2, 10, 10, 0), thing(50, 30, 16, 10, 3)])
    coder = coders.coder_of("jpeg", 1)
    shown = coder.decode(variant := coders.parse_variant("jpeg:1-3"), coder.encode(variant, subject, 95))
    grey = np.ones((40, 70), bool)
    grey[:16, 16:32] = False
    assert (np.abs(shown.astype(int) - np.where(grey, 128, 0)[..., None]) < 12).all()
    assert (subject.area((0, 1, 2)) == ~grey).all()


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


def test_margins() -> None:
    mask = np.zeros((3, 4), bool)
    mask[0, 0] = mask[2, 3] = True
    (grown,) = areas.grown([Object("a", (50, 20, 4, 3), 0, mask=mask)], 1, 100, 60)
    assert grown.box == (34, 4, 36, 35) and grown.mask is not None
    whole = np.zeros((60, 100), bool)
    for y, x in ((20, 50), (22, 53)):
        whole[y - 16 : y + 17, x - 16 : x + 17] = True
    assert (grown.mask == whole[4:39, 34:70]).all()
    (box,) = areas.grown([thing(0, 50, 10, 10)], 2, 100, 60)
    assert box.box == (0, 18, 42, 42)


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
    evaluation = coco._evaluate("bbox", truth, answers, sizes)
    assert isinstance(evaluation, COCOeval)
    evaluation.accumulate()
    precision = evaluation.eval["precision"]
    expected = precision[precision > -1].mean()
    weights = lines.draws_of(9, 20, 1)
    score = coco.average_precision("bbox", truth, answers, sizes)
    assert 0.2 < expected < 0.9
    assert score(weights)[0] == pytest.approx(expected, abs=1e-12)
    # A picture drawn twice is about as good as two pictures.
    twice = np.array([2.0] * 3 + [0.0] * 6)[None]
    again = coco.average_precision("bbox", truth[:3] * 2, answers[:3] * 2, sizes[:6])
    assert score(twice)[0] == pytest.approx(again(np.ones((1, 6)))[0], abs=0.03)
    nothing = coco.average_precision("bbox", truth, [[]] * 9, sizes)
    assert nothing(weights)[0] == 0
    assert np.isnan(coco.average_precision("bbox", [[]] * 9, answers, sizes)(weights)).all()


def line(codec: str, rates: list[float], scores: list[float], spread: float = 0.0) -> lines.Line:
    factor = 1 + spread * np.linspace(-1, 1, 41)[None]
    factor[0, 0] = 1
    rate = np.array(rates)[:, None] * factor
    score = np.repeat(np.array(scores)[:, None], 41, 1)
    return lines.Line("", codec, tuple(range(len(rates))), rate, {"s": score})


def test_figures_of_lines() -> None:
    a, b = line("sdc", [0.1, 0.2], [30, 40]), line("jpeg", [0.2, 0.4, 0.5], [30, 40, 39], 0.1)
    found = lines.difference(a, b, "s")
    assert found.value == pytest.approx(-0.5) and found.low is not None and found.high is not None
    assert found.low == pytest.approx(1 / 2.2 - 1, abs=0.02) and found.high == pytest.approx(
        1 / 1.8 - 1, abs=0.02
    )
    assert found.span == (30, 40) and found.without == 0
    apart = lines.difference(a, line("jpeg", [0.2, 0.4], [41, 42]), "s")
    assert apart.value is None and apart.note == "nothing in common" and apart.without == 1
    original = line("original", [0.0], [40])
    assert lines.rate_at(a, original, "s", 0.875).value == pytest.approx(np.sqrt(0.02))
    assert lines.rate_at(a, original, "s", 0.5).note == "at most"
    assert lines.rate_at(a, line("original", [0.0], [50]), "s", 0.99).value is None


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
    variant = coders.parse_variant("copy")
    assert (coder.decode(variant, coder.encode(variant, coders.Subject(pixels), 1)) == pixels).all()
    fails = f'"{sys.executable}" -c "import sys; sys.exit(sys.argv[1])" {{input}}'
    path.write_text(json.dumps({**described, "encode": fails}))
    with pytest.raises(RuntimeError, match=r"in\.png"):
        external.load_external(path).encode(pixels, 1)
    path.write_text(json.dumps({**described, "settings": 3}))
    with pytest.raises(ValueError, match="'settings' must be given as list"):
        external.load_external(path)


def test_store_survives_files_that_were_cut_off(tmp_path: Path) -> None:
    kept = store.Store(tmp_path)
    kept.keep(["a", 1], {"x": 2})
    assert kept.find(["a", 1]) == {"x": 2} and kept.find(["a", 2]) is None
    next(path for path in tmp_path.rglob("*") if path.is_file()).write_text('{"x"')
    assert kept.find(["a", 1]) is None
    assert kept.file(["f"], lambda: b"1") == kept.file(["f"], lambda: b"2") == b"1"


def test_classes_by_name() -> None:
    classes = ["hen", "crane", "tree frog, tree-frog", "dog", "crane", "cup"]
    labels = data.labels_of(["n5_crane", "n1_crane", "n2_tree_frog", "n4_dog", "n9_cat"], classes)
    assert labels == {"n5_crane": 4, "n1_crane": 1, "n2_tree_frog": 2, "n4_dog": 3, "n9_cat": None}


def test_objects_of_the_default_analysis() -> None:
    y, x = np.mgrid[:96, :128]
    pixels = np.where(((x - 60) ** 2 + (y - 50) ** 2 < 700)[..., None], (200, 60, 40), (90, 120, 90)).astype(
        np.uint8
    )
    found = sources.Source("default+1").objects(pixels, "")
    assert found and all(thing.level is not None for thing in found)


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
    # A picture of 128 x 64 fills the middle half of the input: two quarters above, two below.
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, :64] = (255, 0, 0)
    for segments in (False, True):
        _network(tmp_path / "quarters.onnx", segments)
        found = judges.judge_of("detection", str(tmp_path / "quarters.onnx")).answer(pixels, pixels)
        red = [thing for thing in found if thing["label"] == "red" and thing["score"] > 0.6]
        assert sorted(thing["box"] for thing in red) == [[0, 0, 64, 32], [0, 32, 64, 32]]
        assert ("rle" in found[0]) == segments
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
    assert judges.judge_of("classification", str(tmp_path / "mean.onnx")).answer(pixels, pixels) == [1, 2, 0]


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
    found = judges.judge_of("restoration", str(tmp_path / "net.pth"))
    noisy = found.prepare(pixels)
    assert 20 < np.std(noisy.astype(float) - pixels) < 25 and (noisy == found.prepare(pixels)).all()
    assert (restoration.Denoiser(tmp_path / "net.pth").restored(noisy) == noisy).all()
    quality, similarity = found.answer(noisy, pixels)
    assert 19 < quality < 22 and similarity is None
    torch.save({"a.weight": torch.zeros(4, 4, 3, 3), "a.bias": torch.zeros(4)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match="neither FFDNet nor DnCNN"):
        judges.judge_of("restoration", str(tmp_path / "net.pth"))


def test_text_agrees_by_characters() -> None:
    assert reading.agreement(["STOP", "42"], ["STOP", "42"]) == reading.agreement([], []) == 1
    assert reading.agreement(["STOP"], ["STEP"]) == 0.75
    assert reading.agreement([], ["x"]) == 0
    scores = tasks.TASKS["text"].scores([["ab"], []], tasks.Asked([None] * 2, [["ab"], ["cd"]], [(8, 8)] * 2))
    assert scores["own answers"](np.ones((1, 2))).tolist() == [0.5]


def test_overlapping_boxes_are_one() -> None:
    corners = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    assert distinct(corners, np.array([0, 0, 1, 0]), judges.OVERLAP, judges.MOST) == [0, 2, 3]


def test_jobs_and_their_counts(folder: Path) -> None:
    variants = tuple((coders.parse_variant(t), (1.0, 2.0)) for t in ("sdc", "sdc:1", "jpeg:1-3"))
    source = sources.Source("default")
    plan = measure.Plan("detection", "a:b", folder, 1, (), (source,), variants)
    jobs = measure.jobs_of(plan, [data.Picture(folder / "a.png")])
    assert [measure.count_of(plan, job) for job in jobs] == [3, 4]
