"""Detectors in the layouts of the field, as networks that always find the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from situations import Situation, check, detectors

from sdc.analysis import pipeline
from sdc.analysis.detectors import adapters, metadata, tables
from sdc.analysis.detectors.boxes import Boxes, Preparation, Reading
from sdc.analysis.detectors.network import Network
from sdc.analysis.hashes import weights_beside
from sdc.analysis.interfaces import Options, Scene
from sdc.analysis.pipeline import analyze
from sdc.analysis.providers.detector import Detector
from sdc.analysis.providers.vocabulary import Vocabulary
from sdc.cli import main as cli
from sdc.errors import SdcError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

IMAGE = np.random.default_rng(1).integers(0, 256, (320, 320, 3), np.uint8)


def saved(
    path: Path,
    outputs: dict[str, Any],
    *,
    entry: list[Any] | None = None,
    kind: str = "FLOAT",
    told: dict[str, str] | None = None,
    outside: bool = False,
) -> str:
    """A network whose outputs are always the same, though they seem to depend on the image."""
    helper = onnx.helper
    types = {
        np.dtype(k): getattr(onnx.TensorProto, v)
        for k, v in (("f4", "FLOAT"), ("i8", "INT64"), ("i4", "INT32"))
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["exact"], to=onnx.TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["exact"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    weights = [onnx.numpy_helper.from_array(np.zeros((), np.float32), "zero")]
    for name, value in outputs.items():
        weights.append(onnx.numpy_helper.from_array(np.ascontiguousarray(value), f"{name} value"))
        nodes += [
            helper.make_node("Cast", ["nothing"], [f"{name} nothing"], to=types[value.dtype]),
            helper.make_node("Add", [f"{name} value", f"{name} nothing"], [name]),
        ]
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("images", getattr(onnx.TensorProto, kind), entry or [1, 3, 640, 640])],
        [helper.make_tensor_value_info(k, types[v.dtype], v.shape) for k, v in outputs.items()],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, told or {})
    onnx.save(model, path, save_as_external_data=outside, location=f"{path.name}.data", size_threshold=0)
    return str(path)


def made(path: Path, row: Situation) -> str:
    given = {name: row.options[name] for name in ("entry", "kind", "told", "outside") if name in row.options}
    return saved(path, row.make(), **given)


@pytest.mark.parametrize("row", detectors.ROWS, ids=str)
def test_layouts(row: Situation, tmp_path: Path) -> None:
    path = made(tmp_path / "model.onnx", row)
    try:
        found = Detector(Options(detector=path))
    except SdcError as error:
        check(row, (), error)
        return
    things = found.locate(Scene(IMAGE), ())
    assert found.adapter is not None and found.adapter.name == row.options["adapter"]
    check(row, found.notes)
    (thing,) = things
    assert thing.label == row.options["label"] and abs(thing.score - 0.9) < 0.11
    assert np.abs(np.subtract(thing.box, row.options["box"])).max() <= 2
    if row.options.get("outside"):
        assert (
            weights_beside(path)
            and found.model != Detector(Options(detector=made_inside(tmp_path, row))).model
        )


def made_inside(folder: Path, row: Situation) -> str:
    return saved(folder / "inside.onnx", row.make())


def test_weights_that_are_missing_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.onnx", detectors.ROWS[0].make(), outside=True)
    (tmp_path / "model.onnx.data").unlink()
    with pytest.raises(SdcError, match=r"E_USAGE: its weights are in another file, .*model\.onnx\.data"):
        Detector(Options(detector=path))


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.pt", b"PK\x03\x04", "a checkpoint of PyTorch"),
        ("a.tflite", b"\x1c\0\0\0TFL3", "TensorFlow Lite"),
        ("a.h5", b"\x89HDF\r\n", "Keras"),
        ("a.pb", b"\x0a\x07", "a graph of TensorFlow"),
        ("a.xml", b'<?xml version="1.0"?>', "OpenVINO"),
    ],
)
def test_networks_of_others_are_named(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SdcError, match=f"E_USAGE: not an ONNX network but .*{told}"):
        Detector(Options(detector=str(tmp_path / name)))


def test_values_that_change_are_an_error_and_no_guess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "model.onnx", detectors.ROWS[0].make())
    pipeline.provider_of.cache_clear()
    found = pipeline.provider_of("grounding", "onnx", Options(detector=path))
    run = found.network.run
    monkeypatch.setattr(
        found.network, "run", lambda array: [out._replace(value=out.value * 9) for out in run(array)]
    )
    with pytest.raises(SdcError, match=r"E_USAGE: its outputs are not those of yolov8 .*scores from"):
        analyze(IMAGE, Options(detector=path))
    # What holds no numbers is this image's fault, and the default does the work.
    monkeypatch.setattr(
        found.network, "run", lambda array: [out._replace(value=out.value * np.nan) for out in run(array)]
    )
    assert "hold no numbers" in analyze(IMAGE, Options(detector=path)).notes[0]


def test_a_network_that_fails_with_a_drawn_image_is_tried_with_the_real_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "model.onnx", detectors.torchvision())
    run, calls = Network.run, []

    def fail(self: Network, array: Any) -> Any:
        calls.append(array)
        if len(calls) in (1, 2):  # the drawn image, and a real one with nothing in it
            raise RuntimeError("can't reduce on dim with value of 0")
        return run(self, array)

    monkeypatch.setattr(Network, "run", fail)
    found = Detector(Options(detector=path))
    with pytest.raises(RuntimeError):
        found.locate(Scene(IMAGE), ())
    (thing,) = found.locate(Scene(IMAGE), ())
    assert thing.label == "person" and found.adapter is not None and found.adapter.name == "parts"


def test_a_note_of_a_detector_is_an_error_where_that_is_asked_for(tmp_path: Path) -> None:
    row = next(row for row in detectors.ROWS if "no numbers" in row.given)
    path = made(tmp_path / "model.onnx", row)
    pipeline.provider_of.cache_clear()
    assert analyze(IMAGE, Options(detector=path)).notes == (row.said,)
    with pytest.raises(SdcError, match=f"E_OBJECTS: {row.said}"):
        analyze(IMAGE, Options(detector=path), strict=True)


def test_two_layouts_that_fit_alike_are_not_guessed_at(tmp_path: Path) -> None:
    # 81 classes after a box, or 80 after a box and objectness, in neither grid.
    rows = detectors.yolo5(7, count=777)
    with pytest.raises(SdcError, match=r"E_USAGE: the layout is that of .* alike") as caught:
        Detector(Options(detector=saved(tmp_path / "a.onnx", {"out": detectors.one(rows)})))
    assert "out [1, 777, 12] float32" in str(caught.value)
    named = {"names": str([f"n{k}" for k in range(7)])}
    found = Detector(Options(detector=saved(tmp_path / "b.onnx", {"out": detectors.one(rows)}, told=named)))
    assert found.adapter.name == "yolov5"


class Mine:
    """An adapter of another package."""

    name = "mine"
    about = "[1, 1, 4], one box in pixels"

    def readings(self, network: Any) -> Any:
        """One, for its own shape."""
        if network.outputs[0].value.shape == (1, 1, 4):
            yield Reading(10, self._read, Preparation(), "one box")

    def _read(self, outputs: Any, least: float) -> Boxes:
        return Boxes(outputs[0][0], np.zeros(1, np.int64), np.ones(1, np.float32), 1)


def test_another_package_adds_an_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Entry:
        name = "mine"

        def load(self) -> Any:
            return Mine

    box = np.array([[detectors.CORNERS]], np.float32)
    path = saved(tmp_path / "model.onnx", {"box": box}, told={"names": "['thing']"})
    with pytest.raises(SdcError, match="no known layout"):
        Detector(Options(detector=path))
    monkeypatch.setattr(adapters, "entry_points", lambda group: [Entry()] if group == "sdc.detectors" else [])
    found = Detector(Options(detector=path))
    (thing,) = found.locate(Scene(IMAGE), ())
    assert (found.adapter.name, thing.label, thing.box) == ("mine", "thing", (50, 60, 100, 140))
    assert cli.main(["analyze", "--detectors"]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()] == ["mine", *(own.name for own in adapters.OWN)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{0: 'a', 1: 'b'}", {0: "a", 1: "b"}),
        ('{"0": "a", "2": "b"}', {0: "a", 2: "b"}),
        ("['a', 'b']", {0: "a", 1: "b"}),
        ('["a"]', {0: "a"}),
        ("a, b", {0: "a", 1: "b"}),
        ("", {}),
        ("{", {}),
        ("7", {}),
    ],
)
def test_names_in_every_form(text: str, names: dict[int, str]) -> None:
    found, wrong = metadata.class_names({"names": text})
    assert found == names and bool(wrong) == (text in ("{", "7"))


@pytest.mark.parametrize(
    "data", ["\ufeffdog\ncat\n".encode(), "dog\ncat".encode("utf-16"), b"dog\r\n\r\ncat"]
)
def test_a_vocabulary_may_have_a_byte_order_mark(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "words.txt").write_bytes(data)
    assert Vocabulary(Options(vocabulary=str(tmp_path / "words.txt"))).words == ["dog", "cat"]


def test_grids_have_a_cell_for_each_stride() -> None:
    cells = tables.grid(64, 96)
    assert len(cells) == 8 * 12 + 4 * 6 + 2 * 3
    assert cells[0].tolist() == [0, 0, 8] and cells[-1].tolist() == [2, 1, 32]
