"""The network of the default analysis: things from maps, integers against floats, a short training."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sdc import Object
from sdc.analysis.finder import Maps, finder, read_finder
from sdc.analysis.things import things_missed, things_of
from sdc.networks.tensors import read_tensors
from sdc_reference.finder.command import main
from sdc_reference.finder.export import export, with_first_layers
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


def test_an_edge_divides_two_things_and_the_main_one_comes_first() -> None:
    thing, main = box(0.9, (5, 5, 25, 35)), box(0.9, (5, 5, 25, 20)) + box(0.3, (5, 20, 25, 35))
    found = things_of(maps(thing=thing, main=main, edge=box(1.0, (5, 19, 25, 21))), 320, 240)
    assert [o.level for o in found] == ["L1", "L2"]
    assert found[0].box[0] == 40 and found[0].box[2] in range(110, 131)
    whole = things_of(maps(thing=thing, main=main), 320, 240)
    assert [o.box for o in whole] == [(40, 40, 240, 160)]


def test_where_an_edge_is_weak_it_divides_and_a_line_within_divides_nothing() -> None:
    thing = box(0.9, (5, 5, 25, 35))
    weak = np.maximum(box(1.0, (5, 19, 13, 21), (16, 19, 25, 21)), box(0.4, (13, 19, 16, 21)))
    assert len(things_of(maps(thing=thing, main=thing, edge=weak), 320, 240)) == 2
    assert len(things_of(maps(thing=thing, main=thing, edge=0.45 * weak), 320, 240)) == 1
    line = box(1.0, (5, 19, 12, 21))
    (whole,) = things_of(maps(thing=thing, main=thing, edge=line), 320, 240)
    assert whole.box == (40, 40, 240, 160)


def test_a_part_goes_with_the_main_thing_and_a_small_one_apart_is_of_l2() -> None:
    thing = box(0.9, (2, 11, 9, 18), (9, 8, 26, 20), (24, 35, 27, 38))
    found = things_of(maps(thing=thing, main=thing, edge=box(1.0, (8, 8, 10, 20))), 320, 240)
    assert sorted((o.level, o.box[0] < 200) for o in found) == [("L1", True), ("L1", True), ("L2", False)]


def test_a_small_part_goes_with_the_main_thing_however_little_it_is_main() -> None:
    for top, right, level in ((10, 25, "L1"), (5, 30, "L2")):
        part = (top, 20, 18, right)
        thing, main = box(0.9, (5, 5, 25, 20), part), box(0.9, (5, 5, 25, 20)) + box(0.3, part)
        found = things_of(maps(thing=thing, main=main, edge=box(1.0, (top, 19, 18, 21))), 320, 240)
        assert [o.level for o in found] == ["L1", level]


def test_what_is_hardly_sure_is_of_l3_and_not_of_l2() -> None:
    for sure, level in ((0.3, "L2"), (0.22, "L3")):
        thing = np.maximum(box(0.9, (2, 2, 12, 12)), box(sure, (14, 20, 28, 38)))
        main = np.maximum(box(0.9, (2, 2, 12, 12)), box(0.4, (14, 20, 28, 38)))
        found = things_of(maps(thing=thing, main=main), 320, 240)
        assert [o.level for o in found] == ["L1", level]
        assert (found[1].reason == "perhaps a thing") == (level == "L3")


def test_a_rim_is_no_thing_of_its_own() -> None:
    thing, edge = box(0.9, (5, 5, 25, 31)), box(1.0, (5, 26, 25, 28))
    (whole,) = things_of(maps(thing=thing, main=thing, edge=edge), 320, 240)
    assert whole.box == (40, 40, 208, 160)
    wider = box(0.9, (5, 5, 25, 37))
    assert len(things_of(maps(thing=wider, main=wider, edge=edge), 320, 240)) == 2


def test_where_nothing_is_sure_the_surest_is_the_thing() -> None:
    thing = np.maximum(box(0.2, (10, 10, 16, 16)), box(0.35, (12, 12, 14, 14)))
    (found,) = things_of(maps(thing=thing, main=thing), 320, 240)
    assert (found.level, found.box) == ("L1", (80, 80, 48, 48))
    sure = np.maximum(thing, box(0.9, (20, 20, 28, 36)))
    assert [o.level for o in things_of(maps(thing=sure, main=sure), 320, 240)] == ["L1", "L3"]


def test_nothing_that_stands_out_is_one_scene() -> None:
    for given in (
        {},
        {"thing": box(0.6, (5, 5, 9, 9)), "main": box(0.25, (5, 5, 9, 9))},
        {"thing": box(0.9, (5, 5, 6, 6)), "main": box(0.9, (5, 5, 6, 6))},
    ):
        (scene,) = things_of(maps(**given), 64, 48)
        assert (scene.label, scene.level, scene.box) == ("scene", "L1", (0, 0, 64, 48))


def test_a_blurred_edge_is_no_thing_and_text_is_one() -> None:
    thing = np.maximum(box(0.2, (8, 8, 22, 22)), box(0.9, (10, 10, 20, 20)))
    given = {"thing": thing, "main": thing, "text": box(0.9, (2, 30, 5, 38))}
    found = things_of(maps(**given), 320, 240)
    assert [(o.label, o.level) for o in found] == [("", "L1"), ("text", "L3")]
    far = things_of(maps(thing=np.maximum(thing, box(0.2, (2, 30, 8, 38))), main=thing), 320, 240)
    assert [o.level for o in far] == ["L1", "L3"]


def test_what_others_have_found_is_not_missed() -> None:
    """A known box takes the places that it covers; a mask those that it has."""
    found = maps(thing=box(0.9, (2, 2, 12, 12), (18, 20, 28, 38)))  # of 30 x 40 places, for 320 x 240 pixels
    known = Object("dog", (16, 16, 80, 80))
    (missed,) = things_missed(found, [known], 320, 240)
    assert (missed.box, missed.level, missed.label) == ((160, 144, 144, 80), "L3", "")
    assert not things_missed(found, [known, Object("cat", (150, 140, 160, 90))], 320, 240)
    corner = np.zeros((90, 160), bool)
    corner[:8, :8] = True
    masked = Object("cat", (150, 140, 160, 90), mask=corner)
    assert [o.box[2:] for o in things_missed(found, [known, masked], 320, 240)] == [(144, 80)]
    assert [o.score for o in things_missed(found, [], 320, 240)] == pytest.approx([0.9, 0.9])


@pytest.mark.parametrize("width, height", [(1, 1), (3, 2), (16, 16), (4001, 3000)])
def test_a_thing_of_few_places_has_pixels_in_any_image(width: int, height: int) -> None:
    thing = box(0.9, (11, 13, 13, 15))
    (found,) = things_of(maps(thing=thing, main=thing), width, height)
    x, y, w, h = found.box
    assert 0 <= x < x + w <= width and 0 <= y < y + h <= height and found.level == "L1"
    assert x <= 14 * width / 40 <= x + w and y <= 12 * height / 30 <= y + h


def test_only_what_is_sure_and_can_be_checked_has_a_name() -> None:
    thing = box(0.9, (5, 5, 25, 20))
    for number, certain, name in ((1, 0.95, "person"), (1, 0.6, ""), (2, 0.95, "")):
        classes = np.zeros((3, 30, 40), np.float32)
        classes[number] = certain
        assert things_of(maps(thing=thing, main=thing, classes=classes), 64, 48)[0].label == name


def settled_network(image: torch.Tensor) -> FinderNetwork:
    """A random network whose statistics are those of an image, so that its values have the usual sizes."""
    torch.manual_seed(1)
    network = FinderNetwork()
    for module in network.features.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
            module.train()
    with torch.inference_mode():
        network(image)
    network.last.weight.data *= 10
    return network.eval()


def test_integers_do_what_floating_point_does() -> None:
    rng = np.random.default_rng(1)
    image = np.kron(rng.integers(0, 256, (14, 20, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    values = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    network = settled_network(values)
    data = export(network, [values], "random")
    assert len(data) < 2_000_000
    with torch.inference_mode():
        want = network(values).thing.sigmoid()[0, 0].numpy()
    have = read_finder(data).maps(image).thing
    assert have.shape == want.shape == (56, 80) and want.std() > 0.02
    assert np.corrcoef(have.ravel(), want.ravel())[0, 1] > 0.98


def test_layers_that_a_run_has_kept_are_those_of_the_file_it_began_from() -> None:
    image = torch.rand(1, 3, 64, 64) * 255
    network = settled_network(image)
    before = export(network, [image], "before")
    with torch.no_grad():
        for module in network.features[:7].modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight.copy_(module.weight.half())
        network.features[8].conv[0][0].weight.mul_(-1)
        network.last.weight.mul_(-1)
    after = export(network, [image], "after")
    mended = read_tensors(with_first_layers(after, before, 7))[0]
    old, new = (read_tensors(data)[0] for data in (before, after))
    first = [name for name in old if name.split(".")[0] in {"stem", "f1", "f2", "f3", "f4", "f5", "f6"}]
    assert len(first) == 54 and any(not np.array_equal(old[name], new[name]) for name in first)
    for name in mended:
        assert np.array_equal(mended[name], (old if name in first else new)[name]), name
    assert not np.array_equal(mended["f8.0.weight"], old["f8.0.weight"])
    with pytest.raises(ValueError, match="is not as it was"):
        with_first_layers(after, before, 9)


def test_what_is_shipped_is_small_and_of_any_size() -> None:
    assert finder().maps(np.zeros((1, 700, 3), np.uint8)).thing.shape == (8, 80)
    assert finder().maps(np.zeros((33, 17, 3), np.uint8)).classes.shape[0] == len(
        finder().description["classes"]
    )


@pytest.mark.slow
def test_a_run_stops_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = itertools.count(0, 0.2)  # a step takes 200 ms, on any machine
    monkeypatch.setattr("sdc_reference.finder.training.time", SimpleNamespace(monotonic=clock.__next__))
    rng = np.random.default_rng(2)
    (tmp_path / "samples").mkdir()
    for k in range(2):
        flat = [rng.integers(0, 256, (64, 96)).astype(np.uint8) for _ in range(4)]
        classes = np.full((64, 96), 255 if k else 1, np.uint8)
        image = rng.integers(0, 256, (64, 96, 3)).astype(np.uint8)
        Sample(image, *flat, classes, not k).save(tmp_path / "samples" / f"{k}.npz")
    features = FinderNetwork().features.state_dict()
    torch.save({f"features.{name}": value for name, value in features.items()}, tmp_path / "start.pth")
    words = ["train", "--samples", str(tmp_path / "samples"), "--start", str(tmp_path / "start.pth")]
    words += ["--out", str(tmp_path / "run"), "--batch", "2", "--keep", "7"]
    for minutes in ("0.01", "0.03"):
        main([*words, "--minutes", minutes])
    said = capsys.readouterr().out
    assert "from step 0" in said and said.count("2 samples, 1 of them outlined") == 2
    state = torch.load(tmp_path / "run" / "last.pt", weights_only=True)
    assert state["step"] == 9
    same = {int(name.split(".")[0]): True for name in features}
    for name, value in features.items():
        same[int(name.split(".")[0])] &= bool(torch.equal(value, state["network"][f"features.{name}"]))
    assert [number for number, stays in same.items() if stays] == list(range(7))
