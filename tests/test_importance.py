"""What levels are worth: the same objects, ranked in several ways."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdc.objects.object import Object
from sdc.types import Level
from sdc_reference.evaluation import figures, rankings, sources
from sdc_reference.evaluation.cli import main
from sdc_reference.evaluation.commands import importance
from sdc_reference.evaluation.lines import Line

PLACES = {"red": ((230, 30, 30), (8, 8)), "green": ((20, 200, 60), (88, 8)), "blue": ((40, 40, 220), (8, 56))}
SIDE = 32


def evaluator(pixels: np.ndarray) -> list[dict[str, object]]:
    """A detector of the red square, the surer the more of it is there."""
    near = np.abs(pixels.astype(int) - PLACES["red"][0]).sum(-1) < 150
    y, x = np.nonzero(near)
    if len(x) < 50:
        return []
    box = [int(x.min()), int(y.min()), int(np.ptp(x)) + 1, int(np.ptp(y)) + 1]
    return [{"label": "red", "score": min(1.0, len(x) / SIDE**2), "box": box}]


def things() -> list[Object]:
    """The squares, of which a detector is surest of the blue one and least sure of the red one."""
    scores = {"red": 0.3, "green": 0.6, "blue": 0.9}
    return [Object(n, (*corner, SIDE, SIDE), score=scores[n]) for n, (_, corner) in PLACES.items()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images of three squares, of which only the red one counts, and what a model said of them."""
    (tmp_path / "data").mkdir()
    (tmp_path / "answers").mkdir()
    source: dict[str, list[object]] = {"images": [], "annotations": []}
    source["categories"] = [{"id": 1, "name": "red"}]
    levels = {"red": Level.L1, "green": Level.L2, "blue": Level.L3}
    said = [replace(thing, level=levels[thing.label]) for thing in things()]
    for k in range(2):
        pixels = np.random.default_rng(k).integers(100, 140, (96, 128, 3)).astype(np.uint8)
        for colour, (x, y) in PLACES.values():
            pixels[y : y + SIDE, x : x + SIDE] = colour
        Image.fromarray(pixels).save(tmp_path / "data" / f"{k}.png")
        source["images"].append({"id": k, "file_name": f"{k}.png", "width": 128, "height": 96})
        box = [*PLACES["red"][1], SIDE, SIDE]
        note = {"id": k + 1, "image_id": k, "category_id": 1, "bbox": box, "area": SIDE**2, "iscrowd": 0}
        source["annotations"].append(note)
        (tmp_path / "answers" / f"{k}.json").write_text(json.dumps(Object.dump(said, 128, 96)))
    (tmp_path / "data" / "instances.json").write_text(json.dumps(source))
    return tmp_path


def command(folder: Path, *more: str) -> list[str]:
    words = f"importance --task detection --network {__name__}:evaluator --data {folder / 'data'}"
    return [*words.split(), "--out", str(folder / "out"), *more]


def test_rankings() -> None:
    given = [replace(thing, level=Level.L1, rank=7) for thing in things()]
    assert [(t.level, t.rank) for t in rankings.ranked_by("default", given, "a")] == [(None, None)] * 3
    by_score = rankings.ranked_by("score", given, "a")
    assert [t.level for t in by_score] == ["L3", "L2", "L1"] and [t.rank for t in by_score] == [2, 1, 0]
    assert [t.label for t in by_score] == ["red", "green", "blue"]
    lots = {tuple(t.level for t in rankings.ranked_by("random", given, f"{k}")) for k in range(40)}
    assert len(lots) == 6 and all(sorted(lot) == ["L1", "L2", "L3"] for lot in lots)
    assert rankings.ranked_by("random", given, "a") == rankings.ranked_by("random", given, "a")
    five = rankings.ranked_by("score", [replace(given[0], score=k / 5) for k in range(5)], "a")
    assert sorted(t.level for t in five) == ["L1", "L1", "L2", "L2", "L3"]
    assert rankings.ranked_by("random", [], "a") == []


def test_sources_with_a_ranking(folder: Path) -> None:
    pixels = np.zeros((96, 128, 3), np.uint8)
    own = sources.Source("recorded", recorded=folder / "answers")
    assert (own.kind, own.ranking, own.margin) == ("recorded", "", 0)
    assert [t.level for t in own.objects(pixels, "0.png")] == ["L1", "L2", "L3"]
    by_score = sources.Source("recorded@score+2", recorded=folder / "answers")
    assert (by_score.kind, by_score.ranking, by_score.margin) == ("recorded", "score", 2)
    assert [t.level for t in by_score.objects(pixels, "0.png")] == ["L3", "L2", "L1"]
    with pytest.raises(ValueError, match=r"9\.json is not there: nothing was recorded"):
        own.objects(pixels, "9.png")
    with pytest.raises(ValueError, match="needs --recorded FOLDER"):
        sources.Source("recorded")
    with pytest.raises(ValueError, match="@RANKING, one of default, score, random"):
        sources.Source("masks@best")
    (folder / "answers" / "1.json").write_text(json.dumps({"width": 128, "height": 96, "objects": []}))
    assert by_score.objects(pixels, "1.png") == []


def test_score_at_a_rate() -> None:
    line = Line(
        "", "sdc", (1, 2), np.array([[0.1] * 41, [0.4] * 41]), {"s": np.array([[20.0] * 41, [40.0] * 41])}
    )
    for rate, score in ((0.1, 20), (0.2, 30), (0.4, 40), (0.9, 40)):
        found = figures.score_at(line, "s", rate)
        assert found.value == pytest.approx(score) and found.low == pytest.approx(score)
    below = figures.score_at(line, "s", 0.09)
    assert below.value is None and below.note == "none" and below.without == 1


def test_levels_are_worth_what_they_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools")
    main(command(folder, "--recorded", str(folder / "answers"), "--draws", "20", "--qualities", "sdc=8,40"))
    said = capsys.readouterr().out
    assert said == (folder / "out" / "importance.md").read_text() + "\n"
    assert "## `sdc:1`, true labels, at equal bits per pixel of the levels alone" in said
    found = json.loads((folder / "out" / "importance.json").read_text())
    assert found["about"]["objects"] == "recorded+1" and found["about"]["images"] == 2
    rows = {(r["codec"], r["ranking"]): r for r in found["rankings"] if r["score"] == "true labels"}
    assert set(rows) == {
        (codec, ranking)
        for codec in importance.CODECS
        for ranking in ("as recorded", "default", "score", "random")
    }
    # L1 is the red square of what the model said, and the blue one by score.
    assert rows["sdc:1", "as recorded"]["highest"]["value"] == pytest.approx(1)
    assert rows["sdc:1", "score"]["highest"]["value"] == 0
    # With L1 to L3 all have all squares, the red one at another quality.
    for ranking in ("as recorded", "score"):
        assert rows[importance.CODECS[1], ranking]["highest"]["value"] > 0.9
    for row in rows.values():
        assert ("random" in row) == (row["ranking"] != "random")
        rates = [at["bpp"] for at in row["at"]]
        assert rates == sorted(rates) and len(rates) in (0, 3)


def test_what_cannot_be_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, words in (
        ([], "objects of one source"),
        (["--sources", "masks", "masks+1"], "objects of one source"),
        (["--sources", "masks@random"], "named by --rankings"),
        (["--sources", "masks", "--codecs", "sdc"], "a whole image has no levels"),
        (["--recorded", str(folder / "none")], "is not there: nothing was recorded"),
    ):
        with pytest.raises(SystemExit, match=words):
            main(command(folder, *wrong))
    assert not list((folder / "out").rglob("importance.*"))
