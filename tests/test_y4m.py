"""Images as files of YUV4MPEG2, and VVC's programs where they are."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from sdc_reference.evaluation import external
from sdc_reference.evaluation.metrics import psnr
from sdc_reference.evaluation.y4m import read_y4m, write_y4m

APPS = Path(external.__file__).with_name("vvc-apps.json")


def smooth(height: int, width: int) -> np.ndarray:
    """An image of all hues that change slowly, ``uint8 [H, W, 3]``."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 17), np.cos(y / 23), np.sin((x + y) / 31)]
    return np.stack([128 + 100 * wave for wave in waves], -1).round().astype(np.uint8)


def samples_of(path: Path, height: int, width: int) -> list[np.ndarray]:
    """The planes of a file, read without its reader."""
    data = path.read_bytes()
    values = np.frombuffer(data[data.index(b"FRAME\n") + 6 :], "<u2").astype(int)
    assert len(values) == height * width * 3 // 2
    return np.split(values, [height * width, height * width * 5 // 4])


JFIF = ((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813))
"""From RGB to luma and the two differences, as JFIF 1.02 has them."""


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255), (10, 200, 90)])
def test_colours_are_those_of_jpeg(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    pixels = np.full((6, 8, 3), colour, np.uint8)
    write_y4m(pixels, tmp_path / "a.y4m")
    planes = samples_of(tmp_path / "a.y4m", 6, 8)
    for plane, row, middle in zip(planes, JFIF, (0, 512, 512), strict=True):
        assert len(set(plane.tolist())) == 1
        value = middle + float(np.dot(row, colour)) * 1023 / 255
        assert abs(plane[0] - min(value, 1023)) < 0.6
    assert (read_y4m(tmp_path / "a.y4m") == pixels).all()


def test_what_changes_slowly_comes_back(tmp_path: Path) -> None:
    pixels = smooth(62, 94)
    write_y4m(pixels, tmp_path / "a.y4m")
    assert psnr(read_y4m(tmp_path / "a.y4m"), pixels) > 48
    # Chroma that lay half a pixel aside would cost about ten dB.
    luma, blue, _ = samples_of(tmp_path / "a.y4m", 62, 94)
    assert len(luma) == 4 * len(blue)
    write_y4m(pixels[:, ::-1], tmp_path / "b.y4m")
    assert (read_y4m(tmp_path / "b.y4m")[:, ::-1] == read_y4m(tmp_path / "a.y4m")).all()


def test_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.y4m"
    with pytest.raises(ValueError, match="even sizes, not 5 x 4"):
        write_y4m(np.zeros((4, 5, 3), np.uint8), path)
    assert not path.exists()
    write_y4m(np.zeros((4, 4, 3), np.uint8), path)
    data = path.read_bytes()
    for wrong, said in (
        (b"", "no YUV4MPEG2"),
        (data[:-1], "no whole frame"),
        (data.replace(b"FRAME", b"FRAMF"), "no whole frame"),
        (data.replace(b"C420p10", b"C420jpeg"), "not 420p10"),
        (data.replace(b"C420p10 ", b""), "samples '420'"),
        (data.replace(b"W4 ", b""), "its size"),
    ):
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match=said):
            read_y4m(path)


def test_an_external_codec_takes_them(tmp_path: Path) -> None:
    copy = f'"{sys.executable}" -c "import shutil, sys; shutil.copy(*sys.argv[1:3])" {{input}} {{output}}'
    described = {
        "name": "copy",
        "settings": [1],
        "multiple": 2,
        "image": ".y4m",
        "encode": copy,
        "decode": copy,
    }
    (tmp_path / "copy.json").write_text(json.dumps(described))
    codec = external.load_external(tmp_path / "copy.json")
    pixels = smooth(33, 47)
    data = codec.encode(pixels, 1)
    assert data[:14] == b"\0\x21\0\x2fYUV4MPEG2 "
    shown = codec.decode(data)
    assert shown.shape == pixels.shape and psnr(shown, pixels) > 46


def test_vvc_is_described_twice_alike() -> None:
    apps, ffmpeg = (external.load_external(APPS.with_name(name)) for name in ("vvc-apps.json", "vvc.json"))
    assert (apps.name, apps.settings) == (ffmpeg.name, ffmpeg.settings)
    assert apps.version() != ffmpeg.version()


@pytest.mark.skipif(
    not (shutil.which("vvencapp") and shutil.which("vvdecapp")), reason="vvencapp or vvdecapp is not there"
)
def test_vvc_codes_an_image() -> None:
    vvc = external.load_external(APPS)
    pixels = smooth(66, 99)
    coded = [vvc.encode(pixels, qp) for qp in (47, 22)]
    assert len(coded[0]) < len(coded[1])
    errors = [psnr(vvc.decode(data), pixels) for data in coded]
    assert 30 < errors[0] < errors[1] and errors[1] > 44
