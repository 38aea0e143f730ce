"""Presets of tasks, and margins around objects."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.analysis import Options, analyze
from sdc.analysis.registry import PROVIDERS
from sdc.cli import main as cli
from sdc.codec.encoder import qualities_of
from sdc.codec.presets import PRESETS, Preset, parse_preset, preset_for, preset_of
from sdc.errors import SdcError
from sdc.format.grps import COMPLETE
from sdc.format.parse import parse
from sdc.format.prov import parse_provenance
from sdc.objects.grouping import group_map
from sdc.objects.object import Object
from sdc.types import Level

L1, L2, L3, OTHER = Level
PIXELS = np.random.default_rng(4).integers(0, 255, (48, 80, 3)).astype(np.uint8)
FIRST, SECOND = Object("first", (0, 0, 16, 16), "L1"), Object("second", (64, 32, 16, 16), "L2")


def test_presets_are_written_as_they_are_read() -> None:
    preset = parse_preset("L2-6,other-20,margin1")
    assert preset == Preset((0, -6, 0, -20), 1)
    assert parse_preset("margin1,model2") == Preset(margin=1, model=2)
    for each in (preset, *PRESETS.values(), Preset(), Preset((1, 0, 0, -63), 15, 2, 9, 4, 4)):
        assert parse_preset(str(each)) == each
    for wrong in ("other", "L4-2", "margin16", "margin-1", "only1-3", "other-16,,"):
        with pytest.raises(ValueError, match="is not such as"):
            parse_preset(wrong)
    with pytest.raises(SdcError, match="classification, detection, segmentation, restoration, viewing"):
        preset_of("reading")
    assert preset_of(" Detection ") is PRESETS["detection"]


def test_the_most_important_level_gets_the_quality_asked_for() -> None:
    preset = parse_preset("L2-6,other-20")
    assert qualities_of(30, preset) == {L1: 30, L2: 24, L3: 30, OTHER: 10}
    assert [qualities_of(30, preset, levels)[OTHER] for levels in ((L1, OTHER), (L2, OTHER), (OTHER,))] == [
        10,
        16,
        30,
    ]
    # They stay in their range.
    assert qualities_of(10, preset)[OTHER] == 0 and qualities_of(61, preset, (L2, L3))[L3] == 63
    assert qualities_of(30, levels=(OTHER,)) == dict.fromkeys(Level, 30)


def test_levels_that_are_not_named_follow_the_most_important_one_named() -> None:
    preset = parse_preset("L2-6,other-20")
    assert qualities_of({"L1": 44}, preset) == {L1: 44, L2: 38, L3: 44, OTHER: 24}
    assert qualities_of({"other": 3, "L2": 40}, preset) == {L1: 46, L2: 40, L3: 46, OTHER: 3}
    # Where a preset says nothing of levels, they take the lowest one named.
    assert qualities_of({"L1": 44, "L2": 32}, parse_preset("margin1")) == {L1: 44, L2: 32, L3: 32, OTHER: 32}
    assert qualities_of({"L2": 50, "other": 5}) == {L1: 50, L2: 50, L3: 50, OTHER: 5}


def test_margin_takes_cells_of_nobody() -> None:
    one, two = Object("a", (32, 0, 16, 16), "L1"), Object("b", (48, 0, 16, 16), "L3")
    grouped = group_map([two, one], 112, 48, margin=1)
    # Between the two there is no cell; where both reach, the more important has it.
    assert grouped.levels == (L1, L3, OTHER)
    assert grouped.labels.tolist() == [[3, 1, 1, 2, 2, 3, 3], [3, 1, 1, 1, 2, 3, 3], [3] * 7]
    assert [thing.group for thing in grouped.objects] == [1, 0]
    # At the edges it ends, far enough it takes everything, and then there is no group of the rest.
    assert group_map([one], 112, 48, margin=4).levels == (L1,)
    wide = group_map([one], 112, 48, margin=3)
    assert wide.labels.tolist() == [[1] * 6 + [2]] * 3
    # An object of level other gets none, and keeps its cells.
    low = Object("c", (48, 0, 16, 16), "other")
    for by, labels in (("level", [2, 1, 1, 2, 2, 2, 2]), ("object", [3, 1, 1, 2, 3, 3, 3])):
        assert group_map([one, low], 112, 16, by, 1).labels.tolist() == [labels]
    assert (group_map([], 112, 48, margin=2).labels == 1).all()


@pytest.mark.parametrize("margin", [-1, 16, 1.0, True])
def test_margins_that_are_none(margin: int) -> None:
    with pytest.raises(SdcError, match="0 to 15 cells"):
        group_map([FIRST], 80, 48, margin=margin)


def qualities(data: bytes) -> dict[str, int]:
    return {group.level: group.quality for group in parse(data).groups}


def test_encoder_does_as_the_preset_says() -> None:
    objects = [FIRST, SECOND]
    shifted = parse_preset("L2-6,other-20,margin1")
    data = sdc.encode(PIXELS, objects=objects, quality=30, preset=shifted, effort=0)
    assert qualities(data) == {"L1": 30, "L2": 24, "other": 10}
    assert (parse(data).labels == 1).sum() == 4
    # What is said of a level, or of the margin, goes before the preset.
    by_level = {"L1": 40, "L2": 38, "other": 30}
    told = sdc.encode(PIXELS, objects=objects, quality=by_level, preset=shifted, margin=0, effort=0)
    assert told == sdc.encode(PIXELS, objects=objects, quality=by_level, effort=0)
    named = sdc.encode(PIXELS, objects=objects, quality=30, preset="detection", effort=0)
    assert named == sdc.encode(PIXELS, objects=objects, quality=30, preset=PRESETS["detection"], effort=0)
    with pytest.raises(SdcError, match="a preset is one of"):
        sdc.encode(PIXELS, preset="reading", effort=0)


def test_streams_by_a_preset_are_complete() -> None:
    for preset in PRESETS:
        data = sdc.encode(PIXELS, objects=[FIRST, SECOND], quality=30, preset=preset, effort=0)
        assert {group.state for group in parse(data).groups} == {COMPLETE}
        assert sdc.decode(data).covered.all()
        # One group is of the quality that was asked for, whatever its level.
        alone = sdc.encode(PIXELS, quality=30, preset=preset, effort=0)
        wanted = PRESETS[preset]
        rest = Preset(model=wanted.model, restoration=wanted.restoration, analysis=wanted.analysis)
        assert alone == sdc.encode(PIXELS, quality=30, preset=rest, effort=0)


def test_a_preset_names_the_model_where_none_is_asked_for() -> None:
    for preset, model, number in (("detection", None, 2), ("detection", 1, 1), ("viewing", None, 1)):
        data = sdc.encode(PIXELS, preset=preset, model=model, effort=0)
        assert parse(data).head.model == number
        effort = PRESETS[preset].effort
        assert (sdc.encode(PIXELS, preset=preset, model=model) == data) == (effort == 0)


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(PIXELS).save("a.png")
    things = [{"label": "first", "box": [0, 0, 16, 16], "level": "L1"}]
    Path("o.json").write_text(json.dumps({"objects": things}))
    monkeypatch.setitem(PRESETS, "detection", parse_preset("other-9,margin1"))  # type: ignore[arg-type]

    def coded(*more: str) -> tuple[dict[str, int], int]:
        arguments = ["encode", "a.png", "a.sdc", "--objects", "o.json", "--effort", "0", *more]
        assert cli.main(arguments) == 0
        data = Path("a.sdc").read_bytes()
        return qualities(data), int((parse(data).labels == 1).sum())

    assert coded("--quality", "30") == ({"L1": 30, "other": 30}, 1)
    assert coded("--quality", "30", "--for", "detection") == ({"L1": 30, "other": 21}, 4)
    assert coded("--quality", "L1=30,other=25", "--for", "detection") == ({"L1": 30, "other": 25}, 4)
    assert coded("--quality", "L1=30", "--for", "detection") == ({"L1": 30, "other": 21}, 4)
    assert coded("--quality", "30", "--for", "detection", "--margin", "0")[1] == 1
    assert coded("--quality", "30", "--for", " Detection ") == ({"L1": 30, "other": 21}, 4)
    assert coded("--quality", "30", "--objects", "none", "--for", "detection")[0] == {"other": 30}
    assert capsys.readouterr().err == ""
    assert coded("--quality", "30", "--for", "detecton") == ({"L1": 30, "other": 30}, 1)
    assert (
        "no model ranks by 'detecton', and it is none of the presets (classification,"
        in capsys.readouterr().err
    )
    assert coded("--margin", "2")[1] == 9
    monkeypatch.setitem(PRESETS, "detection", parse_preset("model2"))  # type: ignore[arg-type]
    for more, number in (([], 2), (["--model", "1"], 1)):
        coded("--for", "detection", *more)
        assert parse(Path("a.sdc").read_bytes()).head.model == number
    assert cli.main(["encode", "a.png", "a.sdc", "--objects", "o.json", "--margin", "99"]) == 64


def test_a_task_is_recorded_where_a_model_ranked_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDC_CHAT_URL", raising=False)
    picture = np.full((64, 96, 3), 90, np.uint8)
    picture[16:48, 32:64] = (220, 40, 30)
    Image.fromarray(picture).save("a.png")
    for task, notes in (("detection", 0), ("read the plate", 1)):
        assert cli.main(["encode", "a.png", "a.sdc", "--for", task, "--effort", "0"]) == 0
        assert capsys.readouterr().err.count("note: --for has no effect") == notes
        about = parse_provenance(parse(Path("a.sdc").read_bytes()))
        assert about is not None and about["ranking"] and "for" not in about
        assert cli.main(["analyze", "a.png", "-o", "a.json", "--for", task]) == 0
        assert f"no model ranks by {task!r}" in capsys.readouterr().err

    # Things of the built-in network are objects, found on the way or in a file; what stands out is none.
    described = json.loads(Path("a.json").read_text())
    described["analysis"]["grounding"] = {"provider": "saliency", "model": "net.onnx"}
    Path("b.json").write_text(json.dumps(described))
    for more, merely in (([], False), (["--objects", "a.json"], False), (["--objects", "b.json"], True)):
        assert cli.main(["encode", "a.png", "a.sdc", "--for", "detection", "--effort", "0", *more]) == 0
        told = "the preset of detection gives the model and the effort alone: what stands out is no object"
        assert (told in capsys.readouterr().err) == merely
        assert set(qualities(Path("a.sdc").read_bytes()).values()) == ({32} if merely else {32, 16})

    # Whatever is not the built-in ranking is told the task, unless that had to do its work.
    monkeypatch.setitem(PROVIDERS["ranking"], "other", PROVIDERS["ranking"]["default"])
    monkeypatch.setitem(PROVIDERS["ranking"], "broken", ".providers.salient:SalientRegions")
    asked = Options(ranking="other", purpose="read the plate")
    assert analyze(picture, asked).provenance["for"] == "read the plate"
    failed = analyze(picture, replace(asked, ranking="broken"))
    assert failed.provenance["ranking"] == {"provider": "default"} and "for" not in failed.provenance


def test_the_library_decides_what_a_preset_is_for_regions() -> None:
    objects = [FIRST, SECOND]
    for provider in ("salient", "saliency"):
        found = {"grounding": {"provider": provider}}
        data = sdc.encode(PIXELS, objects=objects, preset=" Detection ", provenance=found)
        assert data == sdc.encode(PIXELS, objects=objects, model=2, effort=3, provenance=found)
        assert data.notes == (
            "the preset of detection gives the model and the effort alone: what stands out is no object;"
            " use the objects of a detector or of a file",
        )
    # Objects of other origin, tasks of no objects, and presets of one's own are taken as they are.
    for preset, origin in (
        ("detection", {"grounding": {"provider": "onnx"}}),
        ("detection", {"grounding": {"provider": "finder"}}),
        ("detection", {"grounding": "salient"}),
        ("detection", {"grounding": {"provider": ["salient"]}}),
        ("detection", None),
        ("classification", {"grounding": {"provider": "salient"}}),
        (PRESETS["detection"], {"grounding": {"provider": "salient"}}),
    ):
        assert preset_for(preset, origin) == (preset_of(preset), ())
    assert sdc.encode(PIXELS, objects=objects, preset="detection").notes == ()


def test_a_preset_of_qualities_alone_is_not_used_for_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "segmentation", parse_preset("other-9"))  # type: ignore[arg-type]
    preset, (note,) = preset_for("segmentation", {"grounding": {"provider": "salient"}})
    assert preset == Preset() and note.startswith("the preset of segmentation is not used: what stands out")
