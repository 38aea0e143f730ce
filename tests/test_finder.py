"""The network of the default analysis: things from maps, integers against floats, a short training."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
import torch.nn.functional as F

from sdc.analysis.finder import Box, Maps, finder, read_finder
from sdc.analysis.things import things_of
from sdc_reference.finder.command import main
from sdc_reference.finder.export import export
from sdc_reference.finder.network import FinderNetwork
from sdc_reference.finder.samples import Sample

NAMES = ("other", "person", "sky")


def maps(**given: Any) -> Maps:
    """Maps of 30 x 40 places in which nothing is, but for what is given."""
    empty = {name: np.zeros((30, 40), np.float32) for name in ("thing", "main", "edge", "text")}
    classes = np.zeros((3, 30, 40), np.float32)
    classes[0] = 1
    return Maps(**{**empty, "classes": classes, **given}, names=NAMES)


def box(value: float, *boxes: tuple[int, int, int, int]) -> np.ndarray[Any, Any]:
    out = np.zeros((30, 40), np.float32)
    for top, left, bottom, right in boxes:
        out[top:bottom, left:right] = value
    return out


def test_an_edge_divides_two_things() -> None:
    thing = box(0.9, (5, 5, 25, 35))
    found = things_of(maps(thing=thing, main=thing, edge=box(1.0, (5, 19, 25, 21))), 320, 240)
    assert [o.level for o in found] == [None, None]  # whoever asks ranks them
    assert found[0].box[0] == 40 and found[0].box[2] in range(110, 131)
    whole = things_of(maps(thing=thing, main=thing), 320, 240)
    assert [o.box for o in whole] == [(40, 40, 240, 160)]


def test_boxes_divide_what_is_of_things_and_name_it() -> None:
    thing = box(0.9, (5, 5, 25, 35))
    boxes = (
        Box("horse", 0.9, 0.1, 0.1, 0.6, 0.9),
        Box("dog", 0.5, 0.2, 0.4, 0.4, 0.6),  # on the horse, and not sure
        Box("cat", 0.9, 0.9, 0.8, 1.0, 1.0),  # where the network sees nothing
        Box("bird", 0.2, 0.6, 0.1, 0.9, 0.9),
    )
    found = things_of(maps(thing=thing, boxes=boxes), 400, 300)
    assert [(o.label, o.score) for o in found] == [("horse", 0.9), ("", 0.9), ("", 0.9)]
    horse, dog, rest = found
    assert horse.box == (50, 50, 190, 200) and rest.box == (240, 50, 110, 200)
    assert dog.box == (80, 120, 80, 60)
    assert horse.mask is not None and not horse.mask[80:120, 40:100].any()
    thing[12:16, 8:12] = 0
    whole, _ = things_of(maps(thing=thing, boxes=boxes[:1]), 400, 300)
    assert whole.mask is not None and whole.mask.all()


def test_a_speck_in_a_box_is_no_part_of_its_thing() -> None:
    thing = box(0.9, (10, 10, 20, 20), (10, 24, 20, 26), (3, 3, 5, 5))
    found = things_of(maps(thing=thing, boxes=(Box("cat", 0.9, 0.0, 0.0, 1.0, 1.0),)), 400, 300)
    assert [(o.label, o.box) for o in found] == [("cat", (100, 100, 160, 100)), ("", (30, 30, 20, 20))]


def test_nothing_that_stands_out_is_one_scene() -> None:
    for given in ({}, {"thing": box(0.6, (5, 5, 9, 9)), "main": box(0.2, (5, 5, 9, 9))}):
        (scene,) = things_of(maps(**given), 64, 48)
        assert (scene.label, scene.level, scene.box) == ("scene", "L1", (0, 0, 64, 48))


def test_a_blurred_edge_is_no_thing_and_text_is_one() -> None:
    thing = np.maximum(box(0.3, (8, 8, 22, 22)), box(0.9, (10, 10, 20, 20)))
    given = {"thing": thing, "main": thing, "text": box(0.9, (2, 30, 5, 38))}
    found = things_of(maps(**given), 320, 240)
    assert [(o.label, o.level) for o in found] == [("", None), ("text", "L3")]
    far = things_of(maps(thing=np.maximum(thing, box(0.3, (2, 30, 8, 38))), main=thing), 320, 240)
    assert [o.level for o in far] == [None, "L3"]


@pytest.mark.parametrize("width, height", [(1, 1), (3, 2), (16, 16), (4001, 3000)])
def test_a_thing_of_few_places_has_pixels_in_any_image(width: int, height: int) -> None:
    thing = box(0.9, (11, 13, 13, 15))
    (found,) = things_of(maps(thing=thing, main=thing), width, height)
    x, y, w, h = found.box
    assert 0 <= x < x + w <= width and 0 <= y < y + h <= height
    assert x <= 14 * width / 40 <= x + w and y <= 12 * height / 30 <= y + h


def settled_network(image: torch.Tensor) -> FinderNetwork:
    """A random network whose layers are scaled by an image, so that values have the usual sizes."""
    torch.manual_seed(1)
    network = FinderNetwork()

    def settle(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        size = output.std()
        module.weight.data /= size
        module.bias.data /= size
        return output / size

    hooks = [conv.register_forward_hook(settle) for conv in network.convs.values()]
    with torch.inference_mode():
        network(image)
    for hook in hooks:
        hook.remove()
    last = network.conv(network.last)
    last.weight.data *= 3
    torch.nn.init.zeros_(cast(torch.Tensor, last.bias))
    return network.eval()


def test_integers_do_what_floating_point_does() -> None:
    rng = np.random.default_rng(1)
    image = np.kron(rng.integers(0, 256, (18, 26, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    network = settled_network(values)
    data = export(network, [values], "random")
    assert len(data) < 2_000_000
    with torch.inference_mode():
        want = network(values).thing.sigmoid()[0, 0].numpy()
    have = read_finder(data).maps(image).thing
    assert have.shape == want.shape == (72, 104) and want.std() > 0.05
    assert np.corrcoef(have.ravel(), want.ravel())[0, 1] > 0.98


def test_what_is_shipped_is_small_and_of_any_size() -> None:
    assert finder().maps(np.zeros((1, 700, 3), np.uint8)).thing.shape == (8, 104)
    assert finder().maps(np.zeros((33, 17, 3), np.uint8)).classes.shape[0] == len(
        finder().description["classes"]
    )


def test_the_first_weights_of_the_detector_see_pixels(tmp_path: Path) -> None:
    """YOLOX puts 2x2 pixels side by side, blue first, and convolves these; here it is one convolution."""
    rng = np.random.default_rng(3)
    network = FinderNetwork()
    shapes = [
        tuple(network.conv(n.name).weight.shape) for n in network.nodes[: network.own] if n.kind == "conv"
    ]
    weights = [rng.normal(size=shape).astype(np.float32) for shape in [(16, 12, 3, 3), *shapes[1:]]]
    tensors, nodes = [], []
    for k, weight in enumerate(weights):
        bias = rng.normal(size=len(weight)).astype(np.float32)
        tensors += [
            onnx.numpy_helper.from_array(weight, f"w{k}"),
            onnx.numpy_helper.from_array(bias, f"b{k}"),
        ]
        nodes.append(onnx.helper.make_node("Conv", [f"x{k}", f"w{k}", f"b{k}"], [f"x{k + 1}"]))
    graph = onnx.helper.make_graph(nodes, "detector", [], [], tensors)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "detector.onnx")
    network.begin(tmp_path / "detector.onnx")
    image = torch.from_numpy(rng.normal(size=(1, 3, 16, 24)).astype(np.float32))
    blue_first = image.flip(1)
    parts = [blue_first[..., dy::2, dx::2] for dx in (0, 1) for dy in (0, 1)]
    bias = torch.from_numpy(onnx.numpy_helper.to_array(tensors[1]).copy())
    want = F.conv2d(torch.cat(parts, 1), torch.from_numpy(weights[0]), bias, padding=1)
    torch.testing.assert_close(network.conv("stem")(image), want, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_run_stops_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    (tmp_path / "samples").mkdir()
    for k in range(2):
        flat = [rng.integers(0, 256, (64, 96)).astype(np.uint8) for _ in range(4)]
        classes = np.full((64, 96), 255 if k else 1, np.uint8)
        image = rng.integers(0, 256, (64, 96, 3)).astype(np.uint8)
        Sample(image, *flat, classes, not k).save(tmp_path / "samples" / f"{k}.npz")
    torch.save({"average": FinderNetwork().state_dict()}, tmp_path / "start.pt")
    words = ["train", "--samples", str(tmp_path / "samples"), "--start", str(tmp_path / "start.pt")]
    words += ["--out", str(tmp_path / "run"), "--batch", "2"]
    for steps in ("2", "3"):
        main([*words, "--steps", steps])
    said = capsys.readouterr().out
    assert "from step 0" in said and "from step 2" in said
    assert said.count("2 samples, 1 of them outlined") == 2
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    before = torch.load(tmp_path / "start.pt", weights_only=True)["average"]
    moved = {name for name, value in state["average"].items() if not torch.equal(value, before[name])}
    assert state["step"] == 3 and "stem" not in {name.split(".")[1] for name in moved} and moved
