"""Figures of restoration: ways, rows, curves, draws of images."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sdc
from sdc.codec.presets import Preset
from sdc.networks.registry import models_folder
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.types import Pixels
from sdc_reference.evaluation import cli as evaluation
from sdc_reference.evaluation.commands.restoration import (
    CAPTURED,
    CLEAN,
    FOR_RESTORATION,
    ORDINARY,
    QUALITIES,
    RESTORED,
    Case,
    Row,
    Tools,
    Ways,
    gain_at_equal_rate,
    line_of,
    read_rows,
    summary,
)
from sdc_reference.evaluation.metrics import psnr


def photograph() -> Pixels:
    """Something with slopes, edges and colours."""
    y, x = np.mgrid[:64, :64] / 64
    planes = [x, (x + y) / 2, (np.sin(12 * x) > y)]
    pixels: Pixels = (40 + 160 * np.stack(planes, -1)).astype(np.uint8)
    return pixels


def row(way: str, setting: int, bpp: float, psnr: float, strength: int = 0) -> Row:
    return Row("a", "noise", strength, way, setting, bpp, psnr, 0.9)


def some_rows() -> list[Row]:
    rows = [row(RESTORED, k, 2.0**k, 30 + k, s) for k in range(3) for s in (0, 1)]
    rows += [row(CAPTURED, k, 2.0**k, 28 + k + s, s) for k in range(3) for s in (0, 1)]
    return rows + [row("AVIF", k, 2.0**k, 28.5 + k, s) for k in range(3) for s in (0, 1)]


def test_figures_compare_at_equal_rate(tmp_path: Path) -> None:
    rows = some_rows()
    captured = [r for r in rows if r.way == CAPTURED]
    curve = line_of(captured, np.ones((1, 1))).curve("PSNR")
    assert curve == [(1.0, 28.5), (2.0, 29.5), (4.0, 30.5)]
    ours = line_of([r for r in rows if r.way == RESTORED], np.ones((1, 1))).curve("PSNR")
    assert math.isclose(gain_at_equal_rate(ours, curve), 1.5)
    rows.append(replace(rows[0], image="not whole"))
    lines = list(summary(rows))
    assert (
        lines[4]
        == "| noise | 1 | 2.333 | 2.333 | 29.50 | 31.00 | +2.00, +1.00 | +1.0, +2.0 | 0.9000 | 0.9000 |"
    )
    # 1.5 dB are one and a half doublings; one image drawn anew is the same image.
    share = f"{100 * (2**-1.5 - 1):+.0f}"
    assert lines[-1] == f"| AVIF | {share} [{share}, {share}] |" and "| AVIF | +1.50 |" in lines
    assert lines[-3:-1] == ["|---|---|", f"| {CAPTURED} | {share} [{share}, {share}] |"]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([Row.__dataclass_fields__, *(vars(r).values() for r in rows)])
    assert read_rows(path) == rows and read_rows(tmp_path / "none.csv") == []
    assert math.isnan(gain_at_equal_rate([(1.0, 1.0), (2.0, 2.0)], [(3.0, 1.0), (4.0, 2.0)]))
    assert list(summary([r for r in rows if r.way == CAPTURED])) == ["nothing was restored yet"]


def test_draws_of_images_weigh_them() -> None:
    rows = [row("x", k, 1.0 + k, 20 + k, s) for k in range(2) for s in (0, 1)]
    rows += [replace(r, image="b", bpp=3.0, psnr=40.0) for r in rows]
    line = line_of(rows, np.array([[1, 1], [2, 0], [0, 2]]))
    assert line.rates.tolist() == [[2.0, 1.0, 3.0], [2.5, 2.0, 3.0]]
    assert line.scores["PSNR"].tolist() == [[30, 20, 40], [30.5, 21, 40]]


def half_of(pixels: Pixels) -> Pixels:
    return pixels // 2


def test_each_way_codes_and_restores_in_its_order() -> None:
    shown = photograph()
    tools = Tools(None, ["avif"], {"half": half_of}, {"adapted half": half_of})
    ways = Ways(Case(shown, tools), 2).all()
    assert list(ways) == [
        CAPTURED,
        "AVIF",
        "SDC, then half",
        "SDC, then adapted half",
        "AVIF, then half",
        "half, then SDC",
        "half, then AVIF",
    ]
    found = {way: result() for way, result in ways.items()}
    stream = sdc.encode(shown, quality=QUALITIES[2], effort=0)
    decoded = sdc.decode(stream).pixels
    assert found[CAPTURED][0] == 8 * len(stream) / 64**2 and np.array_equal(found[CAPTURED][1], decoded)
    for way in ("SDC, then half", "SDC, then adapted half"):
        assert found[way][0] == found[CAPTURED][0] and np.array_equal(found[way][1], half_of(decoded))
    assert found["AVIF, then half"][0] == found["AVIF"][0]
    assert np.array_equal(found["AVIF, then half"][1], half_of(found["AVIF"][1]))
    first = sdc.encode(half_of(shown), quality=QUALITIES[2], effort=0)
    assert np.array_equal(found["half, then SDC"][1], sdc.decode(first).pixels)
    assert psnr(found["half, then AVIF"][1], half_of(shown)) > psnr(found["half, then AVIF"][1], shown) + 5


def test_the_analysis_for_degraded_images_codes_what_is_restored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = (1 << 24) + 6
    name = models_folder() / "sdc-model-1-encoder.safetensors"
    tensors, about = read_tensors(name.read_bytes())
    tensors["analysis.last.bias"] = tensors["analysis.last.bias"] + 1000 * (np.arange(256) < 9)
    changed = {
        key: array.astype(np.int32) if key.endswith("bias") else array for key, array in tensors.items()
    }
    (tmp_path / f"sdc-model-{number}-encoder.safetensors").write_bytes(write_tensors(changed, about))
    restoring = (models_folder() / "sdc-model-4.safetensors").read_bytes()
    (tmp_path / f"sdc-model-{number}.safetensors").write_bytes(restoring)
    monkeypatch.setenv("SDC_MODELS", str(tmp_path))
    ways = Ways(Case(photograph(), Tools(4, analysis=number)), 2).all()
    found = {way: result() for way, result in ways.items()}
    assert list(found) == [CAPTURED, RESTORED, FOR_RESTORATION, ORDINARY]
    plain = sdc.encode(photograph(), quality=QUALITIES[2], effort=0)
    own = sdc.encode(photograph(), quality=QUALITIES[2], effort=0, preset=Preset(analysis=number))
    for ways, data in (((CAPTURED, ORDINARY), plain), ((FOR_RESTORATION, RESTORED), own)):
        both = sdc.decode(data, restore=4)
        for way, pixels in zip(ways, (both.pixels, both.restored), strict=True):
            assert found[way][0] == 8 * len(data) / 64**2 and np.array_equal(found[way][1], pixels)
    assert plain != own


OWN = {"darker": (lambda pixels, rng: pixels // 2, lambda pixels, rng: pixels // 4)}


def test_trials_of_ones_own(tmp_path: Path) -> None:
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    words = ["restoration", "--data", tmp_path, "--csv", tmp_path / "rows.csv", "--side", 64, "--peers"]
    evaluation.main([*map(str, words), "--trials", f"{__name__}:OWN", "--tasks", "darker"])
    rows = read_rows(tmp_path / "rows.csv")
    assert {(r.task, r.strength) for r in rows} == {("darker", 0), ("darker", 1)}
    assert any(line.startswith("| darker | 1 |") for line in summary(rows))
    for trials, task, said in (
        (f"{__name__}:OWN", "noise", "no task noise: there are clean, darker"),
        (f"{__name__}:psnr", "darker", "is no mapping from tasks"),
        ("nothing_here:OWN", "darker", "nothing_here"),
    ):
        with pytest.raises(SystemExit, match=said):
            evaluation.main([*map(str, words), "--trials", trials, "--tasks", task])


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    clean_folder = tmp_path / "clean"
    clean_folder.mkdir()
    Image.fromarray(photograph()).save(clean_folder / "a.png")
    words = ["restoration", "--data", clean_folder, "--csv", tmp_path / "rows.csv", "--side", 64]
    words += ["--peers", "--sheets", tmp_path / "sheets", "--tasks", CLEAN]
    evaluation.main(list(map(str, words)))
    first = read_rows(tmp_path / "rows.csv")
    assert len({r.tried for r in first}) == len(first) == 2 * len(QUALITIES)
    assert (tmp_path / "sheets" / "a.png").is_file()
    evaluation.main([*map(str, words), "haze"])
    both = read_rows(tmp_path / "rows.csv")
    assert [r.tried for r in both[: len(first)]] == [r.tried for r in first]
    assert {r.task for r in both[len(first) :]} == {"haze"}
    weights = {"a.weight": torch.zeros(12, 13, 3, 3), "a.bias": torch.zeros(12)}
    torch.save(weights, tmp_path / "net.pth")
    more = ["--denoisers", tmp_path / "net.pth", tmp_path / "net.pth"]
    with pytest.raises(SystemExit, match="two files are both FFDNet"):
        evaluation.main([*map(str, words), *map(str, more)])
