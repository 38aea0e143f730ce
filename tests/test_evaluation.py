"""The commands that make figures, on images small enough for a test."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from sdc.codec.decoder import decode
from sdc.codec.encoder import encode
from sdc.networks.registry import load_model
from sdc_reference.evaluation import curves, encoders, metrics, published, rate_file, throttle
from sdc_reference.evaluation.cli import main
from sdc_reference.evaluation.codecs import PEERS
from sdc_reference.evaluation.commands import entropy, partial, peers, work
from sdc_reference.evaluation.plots import draw_rates
from sdc_reference.evaluation.speed.process import others
from sdc_reference.evaluation.store import Store

# The first example of https://github.com/FAU-LMS/bjontegaard: kbit/s and PSNR of libx265 with two presets.
ANCHOR = [(1358.24, 34.851), (2486.44, 36.845), (4593.60, 38.615), (9487.76, 40.037)]
TEST = [(1356.24, 34.987), (2451.52, 36.970), (4469.00, 38.651), (9787.80, 40.121)]


def image(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / 25.0
    waves = [128 + 100 * np.sin(x * (1 + k / 2)) * np.cos(y * (1 + k)) for k in range(3)]
    noise = np.random.default_rng(1).normal(0, 6, (height, width, 3))
    return np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.fromarray(image(96, 128)).save(folder / "a.png")
    return folder


BOXES = [(5, 5, 60, 60), (80, 10, 50, 40), (100, 70, 40, 30)]


def evaluator(pixels: np.ndarray) -> list[dict[str, object]]:
    """A detector of those of ``BOXES`` that are not all of one colour."""
    there = [box for box in BOXES if pixels[box[1] :, box[0] :][: box[3], : box[2]].std((0, 1)).min() > 2]
    return [{"label": "thing", "score": 0.9, "box": list(box)} for box in there]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    folder = tmp_path / "coco"
    (folder / "images").mkdir(parents=True)
    Image.fromarray(image(120, 160)).save(folder / "images" / "a.png")
    source = {
        "images": [{"id": 1, "file_name": "a.png", "width": 160, "height": 120}],
        "annotations": [
            {
                "id": k,
                "image_id": 1,
                "category_id": 1,
                "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                "bbox": [x, y, w, h],
                "area": w * h,
                "iscrowd": 0,
            }
            for k, (x, y, w, h) in enumerate(BOXES, 1)
        ],
        "categories": [{"id": 1, "name": "thing"}],
    }
    (folder / "instances.json").write_text(json.dumps(source))
    return folder


def test_rate_difference_of_shifted_curves() -> None:
    half = [(b / 2, d) for b, d in ANCHOR]
    assert curves.rate_difference(half, ANCHOR) == pytest.approx(-0.5)
    assert curves.rate_difference([(1, 30), (2, 40)], [(2, 30), (4, 40)]) == pytest.approx(-0.5)
    assert curves.common_range(TEST, ANCHOR) == (34.987, 40.037)
    with pytest.raises(ValueError, match="no quality in common"):
        curves.rate_difference([(1, 30), (2, 35)], [(2, 36), (4, 40)])


def test_bjontegaard_rate_is_the_integral_between_piecewise_cubics() -> None:
    pytest.importorskip("bjontegaard")
    from scipy.interpolate import PchipInterpolator

    at = np.linspace(34.987, 40.037, 100_001)
    logs = [PchipInterpolator([d for _, d in c], np.log10([b for b, _ in c]))(at) for c in (TEST, ANCHOR)]
    expected = 10 ** (logs[0] - logs[1]).mean() - 1
    assert curves.bjontegaard_rate(TEST, ANCHOR) == pytest.approx(expected, abs=1e-5)
    assert -0.05 < expected < -0.03
    assert curves.bjontegaard_rate([(b / 2, d) for b, d in ANCHOR], ANCHOR) == pytest.approx(-0.5)
    with pytest.raises(ValueError, match="no quality in common"):
        curves.bjontegaard_rate([(1, 30), (2, 35)], [(2, 36), (4, 40)])


def test_curves_leave_out_points_that_show_no_more() -> None:
    points = [(0.1, 30.0, None), (0.2, 29.0, None), (0.3, 31.0, 12.0)]
    assert curves.curve_of(points, "PSNR") == [(0.1, 30.0), (0.3, 31.0)]
    assert curves.curve_of(points, "MS-SSIM") == [(0.3, 12.0)]


def test_published_figures_rise() -> None:
    for points in published.PUBLISHED.values():
        assert [len(curves.curve_of(points, m)) for m in curves.MEASURES] == [len(points)] * 2


def test_multiply_adds_of_the_synthetic_model_by_hand() -> None:
    found = work.decoder_work(load_model(0))
    # 4 to 16 and 16 to 256 channels, once for 16 cells.
    assert found["hyper"] * 256 == (4 * 16 + 16 * 256) / 16
    # The first pass sees hyper features alone; of the others one layer is for all cells, the rest for half.
    first = (16 * 16 + 16 * 16) / 2
    later = 16 * 16 + (9 * 16 + 32 * 16 + 16 * 16) / 2
    assert found["contexts"] * 256 == first + 3 * later
    # 16 to 64 channels, then four sites per cell.
    assert found["synthesis"] * 256 == 16 * 64 + 4 * (16 * 16 + 9 * 16 + 16 * 16 + 16 * 192)


def test_rate_goes_on_where_it_was_interrupted(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[tuple[str, float]] = []

    def kept(store: Store, made_from: list[object], row: dict[str, object]) -> None:
        measured.append((str(made_from[-5]), float(str(made_from[-4]))))
        real(store, made_from, row)

    real = Store.keep
    monkeypatch.setattr(Store, "keep", kept)
    file = tmp_path / "rate.csv"
    command = ["rate", "--data", str(data), "--csv", str(file), "--jobs", "1"]
    command += ["--qualities", "10", "30", "50"]
    main([*command, "--peers", "jpeg"])
    assert len(measured) == 3 + 12 and measured[-1] == ("jpeg", 90)
    said, whole = capsys.readouterr().out, file.read_text()
    assert len(whole.splitlines()) == 1 + 3 + 12 and "JPEG             90 " in said
    # A measurement that was cut off is made again, and nothing else.
    newest = max(
        (tmp_path / "rate.cache" / "rows").rglob("*"),
        key=lambda path: (path.is_file(), path.stat().st_mtime_ns),
    )
    newest.write_text('{"bpp"')
    measured.clear()
    main([*command, "--peers", "jpeg"])
    assert measured == [("jpeg", 90)] and file.read_text() == whole
    # Codecs of other runs stay in the file, those of this one are replaced.
    main([*command[:-3], "20", "--effort", "0"])
    codecs = [line.split(",")[0] for line in file.read_text().splitlines()[1:]]
    assert {name: codecs.count(name) for name in codecs} == {"SDC": 3, "JPEG": 12, "SDC effort 0": 1}
    # The same name with other pixels is another image.
    Image.fromarray(image(96, 128)[::-1]).save(data / "a.png")
    measured.clear()
    main(command)
    assert len(measured) == 3
    with pytest.raises(SystemExit, match="same images"):
        main(["compare", "--csv", str(file)])
    file.write_text(whole)
    capsys.readouterr()
    main(["compare", "--csv", str(file)])
    said = capsys.readouterr().out
    assert "published figures left out" in said and "  JPEG  " in said
    with pytest.raises(SystemExit, match="not a file of"):
        main(["compare", "--csv", __file__])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match="no images"):
        main(["rate", "--data", str(tmp_path / "empty"), "--csv", str(file)])


def test_rate_measures_files_and_decoded_pixels(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "rate.csv"
    main(["rate", "--data", str(data), "--csv", str(file), "--jobs", "1", "--qualities", "30"])
    row = rate_file.load_rows(file).iloc[0]
    coded = encode(image(96, 128), quality=30)
    assert row["bpp"] == pytest.approx(len(coded) * 8 / (96 * 128), abs=1e-6)
    assert row["psnr"] == pytest.approx(metrics.psnr(decode(coded).pixels, image(96, 128)), abs=1e-4)
    assert np.isnan(row["ms_ssim"])  # the image is too small for it


def brightness(pixels: np.ndarray) -> list[str]:
    """An evaluator that reads how bright the image is."""
    return [f"{int(pixels.mean())} of 255 it is"]


def test_what_rate_has_coded_is_not_coded_again_for_accuracy(data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    shared = ["--data", str(data), "--cache", str(cache)]
    main(
        [
            "rate",
            *shared,
            "--csv",
            str(tmp_path / "rate.csv"),
            "--effort",
            "0",
            "--qualities",
            "10",
            "--jobs",
            "1",
        ]
    )

    def coded() -> list[Path]:
        return sorted(path for path in (cache / "files").rglob("*") if path.is_file())

    before = coded()
    command = ["accuracy", *shared, "--task", "text", "--network", f"{__name__}:brightness", "--draws", "20"]
    command += ["--out", str(tmp_path / "out"), "--codecs", "sdc", "--qualities"]
    main([*command, "sdc=10"])
    assert coded() == before and len(before) == 1
    main([*command, "sdc=10,20"])
    assert len(coded()) == 2


def test_means_of_similarity_are_taken_before_decibels() -> None:
    rows = pd.DataFrame(
        {
            "codec": ["a", "a", "b", "b"],
            "setting": [5.0] * 4,
            "bpp": [0.1, 0.3, 1, 1],
            "psnr": [30.0, 32.0, 40, 40],
            "ms_ssim": [0.9, 0.98, 0.99, np.nan],
        }
    )
    a, b = (rate_file.points_of(group)[0] for _, group in rate_file.means_of(rows).groupby("codec"))
    assert a == pytest.approx((0.2, 31, -10 * np.log10(0.06))) and b == (1, 40, None)


def test_similarity_and_plot(tmp_path: Path) -> None:
    pytest.importorskip("pytorch_msssim")
    a = image(176, 176)
    assert metrics.ms_ssim(a, a) == pytest.approx(1)
    assert metrics.decibels(0.99) == pytest.approx(20)
    pytest.importorskip("matplotlib")
    draw_rates({"SDC": [(0.1, 27.0, 11.0), (0.5, 33.0, 17.0)]}, True, tmp_path / "plot.svg")
    assert "VVC" in (tmp_path / "plot.svg").read_text()


@pytest.mark.slow
def test_part_alone_is_the_part_of_the_whole(
    data: Path, coco: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["partial", "--data", str(data), "--coco", str(coco)])
    said = capsys.readouterr().out
    assert said.count("ellipses, 1 images") == said.count("objects of COCO, 1 images") == 3
    with pytest.raises(SystemExit, match="--data, --coco or both"):
        main(["partial"])

    def wrong(*args: object, **options: object) -> object:
        got = decode(*args, **options)
        if options:
            got.pixels[got.covered] ^= 1
        return got

    monkeypatch.setattr(partial, "decode", wrong)
    with pytest.raises(SystemExit, match="other pixels"):
        main(["partial", "--data", str(data)])


@pytest.mark.slow
def test_quality_for_a_rate() -> None:
    small = image(96, 128)
    bpp = metrics.bits_per_pixel(encode(small, quality=37), small)
    assert abs(encoders.quality_for(small, bpp, encode) - 37) <= 1
    assert encoders.quality_for(small, 100, encode) == 63


def test_symbols_make_the_stream_and_its_ideal() -> None:
    for quality in (10, 60):
        coded = entropy.coded_symbols(encode(image(96, 128), quality=quality))
        bits, escapes = entropy.ideal_bits(coded)
        assert 0 < bits < len(coded.payload) * 8 < bits * 1.01 + 48
        assert 0 <= escapes < len(coded.indices) / 100


@pytest.mark.slow
def test_commands_say_what_they_found(
    data: Path, coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    some = ["--data", str(data), "--qualities", "10", "50"]
    main(["agree", "--data", str(data)])
    main(["ablation", *some])
    main(["entropy", *some])
    main(["work"])
    main(["budget", "--coco", str(coco)])
    main(["sheet", "--coco", str(coco), "--out", str(tmp_path / "sheet.jpg")])
    said = capsys.readouterr().out
    assert "3 files: 3 the same from NumPy and torch (cpu), 3 decode alike" in said
    assert said.count("without context") == 2
    assert "kMAC/pixel, target 15" in said
    assert [f"quality {q}, 1 streams with 4 groups" in said for q in (0, 8, 16)] == [True] * 3
    parts = re.search(r"bytes ([\d.]+): head ([\d.]+) .*map ([\d.]+) .*crcs 16.0 .*latents ([\d.]+)", said)
    assert parts is not None and float(parts[1]) >= float(parts[2]) + float(parts[3]) + 16 + float(parts[4])
    assert Image.open(tmp_path / "sheet.jpg").width > 1500


def test_times_are_told_as_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    named = {"SDC NumPy": 0.2, "SDC torch": 0.1, "AVIF": 0.004, "mbt2018-mean": 1.1, "cheng2020-anchor": 10.0}
    peers.print_times([(name, None, None, seconds) for name, seconds in named.items()], 1)
    said = capsys.readouterr().out
    assert "SDC NumPy decodes 5.5 times as fast as mbt2018-mean, target 10, missed" in said
    assert "SDC torch takes 25.0 times as long as AVIF, target at most 20, missed" in said
    assert "SDC torch decodes 100.0 times as fast as cheng2020-anchor, target 25\n" in said


@pytest.mark.slow
def test_integers_against_floating_point(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    from sdc_reference.model.reference import ReferenceModel

    Image.fromarray(image(130, 64)).save(tmp_path / "a.png")
    torch.manual_seed(0)
    model = ReferenceModel()
    torch.save({"average": model.state_dict(), "sizes": asdict(model.sizes)}, tmp_path / "last.pt")
    some = ["--data", str(tmp_path), "--qualities", "30", "42"]
    main(["integers", "--checkpoint", str(tmp_path / "last.pt"), *some])
    said = capsys.readouterr().out
    assert said.count("dB  integers ") == 2 and "bits of integers at equal PSNR: -" in said
    lost = float(re.search(r"at most ([\d.]+) dB lost", said)[1])
    (tmp_path / "fit").mkdir()
    Image.fromarray(image(260, 260)).save(tmp_path / "fit" / "b.png")
    main(["integers", "--checkpoint", str(tmp_path / "last.pt"), *some, "--fit", str(tmp_path / "fit")])
    said = capsys.readouterr().out
    assert float(re.search(r"at most ([\d.]+) dB lost", said)[1]) < 0.7 * lost


def test_others_compute_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: begun.append(real(*a, **k)) or begun[-1])
    with pytest.raises(KeyError), others(2):
        assert len(begun) == 2 and all(other.poll() is None for other in begun)
        raise KeyError
    assert all(other.poll() is not None for other in begun)


@pytest.mark.slow
def test_a_data_loader_is_timed_from_disk_and_from_a_store(
    coco: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    main(["loader", "--coco", str(coco), "--count", "3"])
    rows = {
        line[:16].strip(): [float(word) for word in line[16:].split()]
        for line in capsys.readouterr().out.splitlines()[2:]
    }
    assert list(rows) == ["SDC whole", "SDC L1 to L3", "SDC L1", "SDC L1, boxes", "JPEG 75", "AVIF 75"]
    assert all(len(row) == 4 and figure > 0 for row in rows.values() for figure in row)
    pixels = np.asarray(Image.open(coco / "images" / "a.png"))
    assert rows["JPEG 75"][0] == round(len(PEERS["jpeg"].encode(pixels, 75)) / 1000, 1)
    assert rows["SDC L1"][0] <= rows["SDC L1, boxes"][0] <= rows["SDC whole"][0] < rows["JPEG 75"][0]


@pytest.mark.slow
def test_a_data_loader_says_what_its_time_and_bytes_are_worth(
    coco: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("pycocotools")
    words = "--count 1 --quality 50 --peers jpeg=60 --preset margin1,other-20 --network"
    main(["loader", "--coco", str(coco), *words.split(), f"{__name__}:evaluator"])
    rows = {
        line[:16].strip(): [float(word) for word in line[16:].split()]
        for line in capsys.readouterr().out.splitlines()[2:]
    }
    assert list(rows)[-1] == "JPEG 60"
    for kilobytes, _, _, computing, found, worth, a_megabyte in rows.values():
        assert worth == pytest.approx(found * computing, rel=0.05)
        assert a_megabyte == pytest.approx(1000 * found / kilobytes, rel=0.05)
    # Of L1 alone one object of three is there.
    assert rows["SDC L1 to L3"][4] == rows["JPEG 60"][4] == 1
    assert 0.3 < rows["SDC L1"][4] == rows["SDC L1, boxes"][4] < 0.4
    assert rows["SDC L1 to L3"][6] > 1.5 * rows["JPEG 60"][6]


def test_loaders_that_cannot_be_compared(coco: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["loader", "--coco", str(coco), "--peers", "gif=75"])
    assert "'gif=75' is not NAME=QUALITY with one of jpeg" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="loader: "):
        main(["loader", "--coco", str(coco), "--network", str(coco / "none.onnx")])


def test_a_line_sends_no_more_than_its_rate(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(range(200)) * 100)
    with throttle.served(tmp_path, 8 * 100_000) as (url, line):
        start = time.perf_counter()
        assert urlopen(f"{url}x").read() == (tmp_path / "x").read_bytes()
        assert time.perf_counter() - start >= 0.2 and line.sent == 20_000
        part = urlopen(Request(f"{url}x", headers={"Range": "bytes=3-5"}))
        assert part.status == 206 and part.read() == bytes([3, 4, 5])
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"{url}../{tmp_path.name}.txt")
