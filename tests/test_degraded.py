"""What a detector finds in degraded images, as captured and restored: rows, figures, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.codec.presets import Preset
from sdc.types import Pixels
from sdc_reference.evaluation.cli import main
from sdc_reference.evaluation.commands.degraded import ALONE, UNCODED, WHOLE, key_of, read_rows, views

SIDE = 64
BOX = [16, 16, 32, 32]


def scene() -> Pixels:
    """A bright square on a dark ground."""
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    pixels[16:48, 16:48] = 210
    return pixels


def brightest(pixels: Pixels) -> list[dict[str, Any]]:
    """A detector: one box around all that is much brighter than the mean."""
    y, x = np.nonzero(pixels.mean(2) > pixels.mean() + 50)
    if not len(y):
        return []
    box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
    return [{"label": "square", "score": 0.9, "box": box}]


def nothing(pixels: Pixels) -> list[dict[str, Any]]:
    """A detector that finds nothing."""
    return []


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images, the second without objects."""
    images = []
    for k in (1, 2):
        Image.fromarray(scene()).save(tmp_path / f"{k}.png")
        images.append({"id": k, "file_name": f"{k}.png", "width": SIDE, "height": SIDE})
    note = {"id": 1, "image_id": 1, "category_id": 1, "bbox": BOX, "area": 1024, "iscrowd": 0}
    source = {"images": images, "annotations": [note], "categories": [{"id": 1, "name": "square"}]}
    (tmp_path / "instances.json").write_text(json.dumps(source))
    return tmp_path


def test_all_views_are_of_one_stream() -> None:
    objects = [sdc.Object("square", box=(16, 16, 32, 32))]
    shown = {
        (part, restored): (bpp, pixels) for part, restored, bpp, pixels in views(scene(), objects, 30, 4)
    }
    assert set(shown) == {(part, restored) for part in (WHOLE, ALONE) for restored in (False, True)}
    whole, alone = shown[WHOLE, False], shown[ALONE, False]
    assert alone[0] < whole[0] == shown[WHOLE, True][0]
    assert np.array_equal(alone[1][20:44, 20:44], whole[1][20:44, 20:44]) and (alone[1][:8, :8] == 128).all()
    decoded = sdc.decode(sdc.encode(scene(), objects=objects, quality=30, effort=0), restore=4)
    assert np.array_equal(decoded.restored, shown[WHOLE, True][1])


def test_streams_may_be_by_the_analysis_for_degraded_images(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = [sdc.Object("square", box=(16, 16, 32, 32))]
    own = sdc.encode(scene(), objects=objects, quality=30, effort=0, preset=Preset(analysis=4))
    found = list(views(scene(), objects, 30, 4, 4))
    assert own != sdc.encode(scene(), objects=objects, quality=30, effort=0)
    assert found[0][2] == 8 * len(own) / SIDE**2 and np.array_equal(found[0][3], sdc.decode(own).pixels)
    rows = data / "rows.jsonl"
    words = ["degraded", "--coco", str(data), "--network", f"{__name__}:brightest", "--rows", str(rows)]
    words += ["--qualities", "40", "--tasks"]
    main(words)
    plain = capsys.readouterr().out
    main([*words, "--analysis", "4"])
    assert len(read_rows(rows)) == 2 * 2 * 5 and capsys.readouterr().out != plain
    main(words)
    assert capsys.readouterr().out == plain


def test_the_command_answers_once_and_compares(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = data / "rows.jsonl"
    words = ["degraded", "--coco", str(data), "--network", f"{__name__}:brightest", "--rows", str(rows)]
    words += ["--qualities", "40", "--tasks", "low-light"]
    main(words)
    found = read_rows(rows)
    # Two images, clean and dark, before coding and in four views.
    assert len({key_of(row) for row in found}) == len(found) == 2 * 2 * 5
    said = capsys.readouterr().out
    assert "AP by the true labels, 2 images" in said and "AP by its own answers on clean images" in said
    clean = next(line for line in said.splitlines() if line.startswith("| clean | 40 | 1.000"))
    assert len(clean.split("|")) == 13 and "| 1.000 |" in clean
    answers = {(row["image"], row["part"]): row["answer"] for row in found if row["task"] == "clean"}
    assert answers["1.png", UNCODED] == brightest(scene()) and answers["2.png", ALONE] == []
    before = rows.read_text()
    rows.write_text(before[:-30])
    main(words)
    assert len(read_rows(rows)) == len(found) and {key_of(r) for r in read_rows(rows)} == {
        key_of(r) for r in found
    }
    assert capsys.readouterr().out == said
    # Another network is asked for itself, and its answers stand beside those of the first.
    main([word.replace(":brightest", ":nothing") for word in words])
    assert "| clean | 40 | 0.000" in capsys.readouterr().out
    assert len(read_rows(rows)) == 2 * len(found)
    main(words)
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--network", "missing.onnx"), "degraded: .*missing.onnx"),
        (("--network", f"{__name__}:brightest", "--model", "77"), "degraded: E_MODEL: model 77 is not known"),
        (
            ("--network", f"{__name__}:brightest", "--analysis", "77"),
            "degraded: E_MODEL: .*-77-encoder.*here",
        ),
    ],
)
def test_what_is_not_there_is_said(data: Path, words: tuple[str, ...], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        main(["degraded", "--coco", str(data), "--rows", str(data / "rows.jsonl"), *words])
    assert not (data / "rows.jsonl").exists()
