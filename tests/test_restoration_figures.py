"""Figures of restoration: ways, rows, curves, draws of images."""

from __future__ import annotations

import csv
import json
import math
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.ImageFilter import GaussianBlur

import sdc
from sdc.codec.presets import Preset
from sdc.networks.registry import models_folder
from sdc.networks.tensors import read_tensors, write_tensors
from sdc.types import Pixels
from sdc_reference.evaluation import cli as evaluation
from sdc_reference.evaluation.commands.restoration import QUALITIES, Case, Tools, Ways
from sdc_reference.evaluation.metrics import psnr
from sdc_reference.evaluation.perceptual import MEASURES, measures_of
from sdc_reference.evaluation.restored import (
    BEST,
    CAPTURED,
    CLEAN,
    FOR_RESTORATION,
    ORDINARY,
    RESTORED,
    Row,
    gain_at_equal_rate,
    line_of,
    read_rows,
    summary,
    writing_rows,
)
from sdc_reference.evaluation.restorers import RestorerError, load_restorer
from sdc_reference.restoration.trials import trial_of


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
    by_psnr = lines[: lines.index("Restored at the same rate, dB better in MS-SSIM:") - 1]
    assert by_psnr[-1] == f"| AVIF | {share} [{share}, {share}] |" and "| AVIF | +1.50 |" in by_psnr
    assert by_psnr[-3:-1] == ["|---|---|", f"| {CAPTURED} | {share} [{share}, {share}] |"]
    assert lines[-2:] == [f"| {CAPTURED} | - |", "| AVIF | - |"]  # MS-SSIM is the same everywhere
    assert read_rows(tmp_path / "none.csv") == []
    assert math.isnan(gain_at_equal_rate([(1.0, 1.0), (2.0, 2.0)], [(3.0, 1.0), (4.0, 2.0)]))
    assert list(summary([r for r in rows if r.way == CAPTURED])) == ["nothing was restored yet"]


def test_rows_are_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    old = list(Row.__dataclass_fields__)[:8]
    rows = some_rows()
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([old, *(list(vars(r).values())[:8] for r in rows)])
    assert read_rows(path) == rows and {r.st_lpips for r in rows} == {None}
    with writing_rows(path, rows) as write:
        write(replace(rows[0], st_lpips=0.25, brisque=float("inf")))
        found = read_rows(path)  # before anything is closed
    assert found == [replace(rows[0], st_lpips=0.25, brisque=float("inf")), *rows[1:]]
    assert [p.name for p in tmp_path.iterdir()] == ["rows.csv"]
    with path.open("a") as file:
        file.write("a,noise,0,AV")
    for text, said in ((path.read_text(), f"line {len(rows) + 3}, is no row"), ("a,b\n1,2\n", "no column")):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_rows(path)


def test_strengths_that_not_all_ways_have_are_left_out() -> None:
    rows = [*some_rows(), *(row("net, then SDC", k, 2.0**k, 27.0 + k, 1) for k in range(3))]
    rows += [replace(r, image="b") for r in rows]
    rows += [replace(r, image="c") for r in some_rows()]
    lines = list(summary(rows))
    assert lines[4].startswith("| noise | 2 | 2.333 | 2.333 | 30.00 | 31.00 | +1.00 | +1.0, +1.0 |")
    assert f"| {CAPTURED} | +1.00 |" in lines and "| net, then SDC | +3.00 |" in lines


def test_measures_are_compared_where_all_have_them() -> None:
    rows = [replace(r, st_lpips=0.3 - 0.1 * r.setting, brisque=50.0) for r in some_rows()]
    rows = [replace(r, st_lpips=(r.st_lpips or 0) + 0.05) if r.way == CAPTURED else r for r in rows]
    rows = [replace(r, brisque=70.0) if r.way == "AVIF" else r for r in rows]
    rows = [replace(r, st_lpips=None) if r.way == "AVIF" and r.strength else r for r in rows]
    lines = list(summary(rows))
    at = lines.index("Restored at the same rate, ST-LPIPS lower by:")
    assert lines[at + 4 : at + 6] == [f"| {CAPTURED} | +0.050 |", "| AVIF | not measured |"]
    at = lines.index("Rate at the same ST-LPIPS, % (BD-rate), and the middle 95 % of 300 draws of images:")
    # Half a doubling of the rate is worth 0.05.
    share = f"{100 * (2**-0.5 - 1):+.0f}"
    assert lines[at + 4 : at + 6] == [
        f"| {CAPTURED} | {share} [{share}, {share}] |",
        "| AVIF | not measured |",
    ]
    at = lines.index("Restored at the same rate, BRISQUE lower by:")
    assert lines[at + 4 :] == [f"| {CAPTURED} | +0.0 |", "| AVIF | +20.0 |", f"| {BEST} | +0.0 |"]


def test_the_best_other_way_is_none_of_the_codec_s_own() -> None:
    def best(rows: list[Row]) -> list[str]:
        return [line for line in summary(rows) if line.startswith(f"| {BEST} ")]

    rows = [replace(r, psnr=r.psnr + 0.5) if r.way == "AVIF" else r for r in some_rows()]
    wanted = [f"| {BEST} | +1.00 |", f"| {BEST} | +0.00 |"]
    assert best(rows) == wanted
    both = ORDINARY, FOR_RESTORATION
    own = [replace(r, way=way, psnr=r.psnr + 9) for r in rows if r.way == RESTORED for way in both]
    assert best(rows + own) == wanted
    assert best([r for r in rows if r.way in (RESTORED, CAPTURED)]) == []
    far = [replace(r, bpp=r.bpp / 99) if r.way == "AVIF" else r for r in rows]
    assert best(far) == [f"| {BEST} | - |"] * 2


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


def test_a_sheet_shows_what_is_captured_and_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    words = ["restored", "--image", str(tmp_path / "a.png"), "--out", str(tmp_path / "sheet.png")]
    evaluation.main([*words, "--tasks", "low-light", "rain", "--quality", "40"])
    assert "2 degradations" in capsys.readouterr().out
    sheet = np.asarray(Image.open(tmp_path / "sheet.png").convert("RGB"))
    dark = trial_of(photograph(), "low-light", 0)
    found = sdc.decode(sdc.encode(dark, quality=40, effort=0), restore=4)
    for pixels in (found.pixels, found.restored):
        assert pixels is not None
        windows = np.lib.stride_tricks.sliding_window_view(sheet[..., 1], pixels.shape[:2])
        assert (windows == pixels[..., 1]).all((2, 3)).any()
    with pytest.raises(SystemExit, match="E_MODEL"):
        evaluation.main([*words, "--analysis", "77"])
    with pytest.raises(SystemExit, match="unknown file extension"):
        evaluation.main([*words[:-1], str(tmp_path / "sheet.unknown")])
    with pytest.raises(SystemExit, match=r"none\.png"):
        evaluation.main(["restored", "--image", str(tmp_path / "none.png"), "--out", str(tmp_path / "b.png")])
    assert not (tmp_path / "b.png").exists()


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
        other = ["--csv", str(tmp_path / "other.csv"), "--trials", trials, "--tasks", task]
        with pytest.raises(SystemExit, match=said):
            evaluation.main([*map(str, words), *other])


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
    (by,) = {row.by for row in both}
    assert "restored by" in by and "64 pixels a side" in by
    with pytest.raises(SystemExit, match=r"analysis .*: name another file"):
        evaluation.main([*map(str, words), "haze", "--analysis", "4"])
    assert list(map(str, read_rows(tmp_path / "rows.csv"))) == list(map(str, both))
    weights = {"a.weight": torch.zeros(12, 13, 3, 3), "a.bias": torch.zeros(12)}
    torch.save(weights, tmp_path / "net.pth")
    more = ["--denoisers", tmp_path / "net.pth", tmp_path / "net.pth"]
    with pytest.raises(SystemExit, match="two files are both FFDNet"):
        evaluation.main([*map(str, words), *map(str, more)])


COPY = f'"{sys.executable}" -c "import shutil, sys; shutil.copy(*sys.argv[1:3])" {{input}} {{output}}'
FAILS = f'"{sys.executable}" -c "print(1); raise SystemExit(chr(65) * 9)" {{input}} {{output}}'
SILENT = f'"{sys.executable}" -c "" {{input}} {{output}}'


def program(folder: Path, commands: dict[str, str], name: str = "net") -> Path:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "image": ".ppm", "restore": commands}))
    return path


def test_programs_restore_by_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "clean").mkdir()
    Image.fromarray(photograph()[:32, :40]).save(tmp_path / "clean" / "a.png")
    words = ["restoration", "--data", tmp_path / "clean", "--csv", tmp_path / "rows.csv", "--peers", "avif"]
    words += ["--tasks", CLEAN, "haze", "--strengths", "1", "--model", "-1", "--programs"]

    def run(*more: str | Path) -> None:
        evaluation.main([*map(str, words), *map(str, more)])

    with pytest.raises(SystemExit, match=r"a\.png: net, haze: .*: AAAAAAAAA\n.*rows\.csv"):
        run(program(tmp_path, {"haze": FAILS}))
    rows = read_rows(tmp_path / "rows.csv")
    assert [r.way for r in rows if r.task == "haze"] == [CAPTURED, "AVIF"]
    with pytest.raises(SystemExit, match=r"net, haze: .*: it wrote no file"):
        run(program(tmp_path, {"haze": SILENT}))
    assert list(map(str, read_rows(tmp_path / "rows.csv"))) == list(map(str, rows))
    run(program(tmp_path, {"haze": COPY}))
    assert "net has no program for clean, and is left out there" in capsys.readouterr().err
    rows = read_rows(tmp_path / "rows.csv")
    assert {r.way for r in rows if r.task == CLEAN} == {CAPTURED, "AVIF"}
    found = {(r.way, r.setting): r for r in rows if r.task == "haze"}
    assert {r.strength for r in found.values()} == {1}
    for way in (CAPTURED, "AVIF"):
        codec = way.split()[0]
        for setting in range(len(QUALITIES)):
            for same in (f"{codec}, then net", f"net, then {codec}"):
                assert str(replace(found[same, setting], way=way)) == str(found[way, setting])


def test_programs_that_are_none_are_refused(tmp_path: Path) -> None:
    pixels = photograph()
    half = "from PIL import Image; import sys; Image.open(sys.argv[1]).resize((9, 7)).save(sys.argv[2])"
    shrinks = f'"{sys.executable}" -c "{half}" {{input}} {{output}}'
    for command, said in (
        (shrinks, "net, rain: it made 9x7 of 64x64"),
        ("no-such-program {input} {output}", "net, rain: .*no-such-program"),
        (f'"{sys.executable}" -c "import sys; open(sys.argv[1], chr(119))" {{output}} {{input}}', "cannot"),
    ):
        restorer = load_restorer(program(tmp_path, {"rain": command}), ["rain"])
        with pytest.raises(RestorerError, match=said):
            restorer.restored("rain", pixels)
    path = tmp_path / "net.json"
    good = {"name": "net", "restore": {"rain": COPY}}
    for wrong, said in (
        ({"name": ""}, "'name' is empty"),
        ({"restore": {}}, "has no task"),
        ({"restore": {"snow": COPY}}, "no task snow: there are rain"),
        ({"restore": {"rain": 3}}, "'rain' must be given as str"),
        ({"restore": {"rain": "x {input}"}}, "'rain' must have {output}"),
        ({"restore": {"rain": "x {input} {output} {setting}"}}, "'rain' cannot have {setting}"),
        ({"restore": {"rain": "x '{input} {output}"}}, "'rain' is no command"),
        ({"image": "ppm"}, "'image' must be the ending"),
    ):
        path.write_text(json.dumps(good | wrong))
        with pytest.raises(ValueError, match=said):
            load_restorer(path, ["rain"])
    for text, said in (("{", "is no JSON"), ("[]", "an object of JSON"), ("{}", "'name' must be given")):
        path.write_text(text)
        with pytest.raises(ValueError, match=said):
            load_restorer(path, ["rain"])
    words = ["restoration", "--data", tmp_path, "--csv", tmp_path / "rows.csv", "--peers", "--programs"]
    for name in ("SDC", "net"):
        paths = [str(program(tmp_path, {"rain": COPY}, name))] * 2
        with pytest.raises(SystemExit, match=f"two files are both {name}"):
            evaluation.main([*map(str, words), *paths])


def test_measures_see_what_is_worse() -> None:
    import_module("sdc.analysis.providers._torchvision")
    for package in ("stlpips_pytorch.stlpips", "brisque"):
        pytest.importorskip(package)
    clean = np.ascontiguousarray(pytest.importorskip("skimage").data.astronaut()[64:160, 160:256])
    noise = np.random.default_rng(1).normal(0, 1, clean.shape)
    noisy = [np.clip(np.rint(clean + sigma * noise), 0, 255).astype(np.uint8) for sigma in (0, 12, 40)]
    blurred = [clean, *(np.asarray(Image.fromarray(clean).filter(GaussianBlur(r))) for r in (1, 2))]
    for name, measure in measures_of(["st_lpips", "brisque"]).items():
        for rising in (noisy, blurred):
            values = [measure(pixels, clean) for pixels in rising]
            assert values == sorted(set(values)), (name, values)
        assert (values[0] == 0) == (name == "st_lpips")
        assert math.isnan(measure(clean[:31], clean[:31]))


def test_rows_without_a_measure_are_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    words = ["restoration", "--data", tmp_path, "--csv", tmp_path / "rows.csv", "--peers", "--tasks", CLEAN]
    evaluation.main(list(map(str, words)))
    plain = read_rows(tmp_path / "rows.csv")
    seen: list[float] = []

    def count(pixels: Pixels, clean: Pixels) -> float:
        seen.append(psnr(pixels, clean))
        return float(len(seen))

    monkeypatch.setitem(MEASURES, "brisque", lambda: count)
    for _ in range(2):
        evaluation.main([*map(str, words), "--measures", "brisque"])
    rows = read_rows(tmp_path / "rows.csv")
    assert [str(replace(r, brisque=None)) for r in rows] == list(map(str, plain))
    assert [(r.psnr, r.brisque) for r in rows] == [(value, k + 1) for k, value in enumerate(seen)]


def test_a_measure_without_its_package_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(photograph()).save(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "brisque", None)
    words = [
        "restoration",
        "--data",
        tmp_path,
        "--csv",
        tmp_path / "rows.csv",
        "--peers",
        "--measures",
        "brisque",
    ]
    with pytest.raises(SystemExit, match=r"brisque: .*the extra `measures` has what it needs"):
        evaluation.main(list(map(str, words)))
