"""Presets of tasks, and margins around objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc import cli
from sdc.container import WITHDRAWN
from sdc.errors import SdcError
from sdc.objects import Object, group_map
from sdc.presets import PRESETS, Preset, parse_preset, preset_of

PIXELS = np.random.default_rng(4).integers(0, 255, (48, 80, 3)).astype(np.uint8)
FIRST, SECOND = Object("first", (0, 0, 16, 16), 0), Object("second", (64, 32, 16, 16), 1)


def test_presets_are_written_as_they_are_read() -> None:
    preset = parse_preset("L2-6,other-20,margin1,only1-3")
    assert preset == Preset((0, -6, 0, -20), 1, (0, 1, 2))
    for each in (preset, *PRESETS.values(), Preset(), Preset((1, 0, 0, -63), 15, (0,))):
        assert parse_preset(str(each)) == each
    for wrong in ("other", "L4-2", "margin16", "margin-1", "only2-3", "other-16,,", "only1-4"):
        with pytest.raises(ValueError, match="is not such as"):
            parse_preset(wrong)
    with pytest.raises(SdcError, match="classification, detection, segmentation, viewing"):
        preset_of("reading")


def test_qualities_stay_in_their_range() -> None:
    assert parse_preset("L1+4,other-20").qualities(10) == {"L1": 14, "L2": 10, "L3": 10, "other": 0}
    assert parse_preset("L1+4").qualities(61)["L1"] == 63


def test_margin_takes_cells_of_nobody() -> None:
    one, two = Object("a", (32, 0, 16, 16), 0), Object("b", (48, 0, 16, 16), 2)
    grouped = group_map([two, one], 112, 48, margin=1)
    # Between the two there is no cell; where both reach, the more important has it.
    assert grouped.levels == (0, 2, 3)
    assert grouped.labels.tolist() == [[3, 1, 1, 2, 2, 3, 3], [3, 1, 1, 1, 2, 3, 3], [3] * 7]
    assert [thing.group for thing in grouped.objects] == [1, 0]
    # At the edges it ends, far enough it takes everything, and then there is no group of the rest.
    assert group_map([one], 112, 48, margin=4).levels == (0,)
    wide = group_map([one], 112, 48, margin=3)
    assert wide.labels.tolist() == [[1] * 6 + [2]] * 3
    # An object of level other gets none, and keeps its cells.
    low = Object("c", (48, 0, 16, 16), 3)
    for by, labels in (("level", [2, 1, 1, 2, 2, 2, 2]), ("object", [3, 1, 1, 2, 3, 3, 3])):
        assert group_map([one, low], 112, 16, by, 1).labels.tolist() == [labels]
    assert (group_map([], 112, 48, margin=2).labels == 1).all()


@pytest.mark.parametrize("margin", [-1, 16, 1.0, True])
def test_margins_that_are_none(margin: int) -> None:
    with pytest.raises(SdcError, match="0 to 15 cells"):
        group_map([FIRST], 80, 48, margin=margin)


def qualities(data: bytes) -> dict[str, int]:
    return {group.level_name: group.quality for group in sdc.parse(data).groups}


def test_encoder_does_as_the_preset_says() -> None:
    objects = [FIRST, SECOND]
    shifted = parse_preset("L2-6,other-20,margin1")
    data = sdc.encode(PIXELS, objects=objects, quality=30, preset=shifted, effort=0)
    assert qualities(data) == {"L1": 30, "L2": 24, "other": 10}
    assert (sdc.parse(data).labels == 1).sum() == 4
    # What is said of a level, or of the margin, goes before the preset.
    by_level = {"L1": 40, "other": 30}
    told = sdc.encode(PIXELS, objects=objects, quality=by_level, preset=shifted, margin=0, effort=0)
    assert told == sdc.encode(PIXELS, objects=objects, quality=by_level, effort=0)
    named = sdc.encode(PIXELS, objects=objects, quality=30, preset="detection", effort=0)
    assert named == sdc.encode(PIXELS, objects=objects, quality=30, preset=PRESETS["detection"], effort=0)
    with pytest.raises(SdcError, match="presets for"):
        sdc.encode(PIXELS, preset="reading", effort=0)


def test_levels_that_are_not_stored_are_as_if_extracted() -> None:
    objects = [FIRST, SECOND]
    whole = sdc.encode(PIXELS, objects=objects, quality=30, effort=0)
    for text, levels in (("only1", ["L1"]), ("only1-3", ["L1", "L2"])):
        data = sdc.encode(PIXELS, objects=objects, quality=30, preset=parse_preset(text), effort=0)
        assert data == sdc.extract(whole, levels=levels)
        assert sdc.validate(data).state == "valid"
    # A picture of which nothing would be left is stored whole.
    for things in ([], [Object("far", (0, 0, 16, 16), 3)]):
        data = sdc.encode(PIXELS, objects=things, quality=30, preset=parse_preset("only1-3"), effort=0)
        assert all(group.state != WITHDRAWN for group in sdc.parse(data).groups)
        assert sdc.decode(data).covered.all()


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save("a.png")
    things = [{"label": "first", "box": [0, 0, 16, 16], "level": "L1"}]
    Path("o.json").write_text(json.dumps({"objects": things}))
    monkeypatch.setitem(PRESETS, "detection", parse_preset("other-9,margin1"))  # type: ignore[arg-type]

    def coded(*more: str) -> tuple[dict[str, int], int]:
        arguments = ["encode", "a.png", "a.sdc", "--objects", "o.json", "--effort", "0", *more]
        assert cli.main(arguments) == 0
        data = Path("a.sdc").read_bytes()
        return qualities(data), int((sdc.parse(data).labels == 1).sum())

    assert coded("--quality", "30") == ({"L1": 30, "other": 30}, 1)
    assert coded("--quality", "30", "--for", "detection") == ({"L1": 30, "other": 21}, 4)
    assert coded("--quality", "L1=30,other=25", "--for", "detection") == ({"L1": 30, "other": 25}, 4)
    assert coded("--quality", "30", "--for", "detection", "--margin", "0")[1] == 1
    assert coded("--quality", "30", "--for", "read the number plate") == ({"L1": 30, "other": 30}, 1)
    assert coded("--margin", "2")[1] == 9
    assert cli.main(["encode", "a.png", "a.sdc", "--objects", "o.json", "--margin", "99"]) == 64
