"""The contact sheet: what it shows, for whole and partial streams and pictures of any shape."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from sdc.errors import SdcError
from sdc.format.build import build
from sdc.format.chunks import ICCP, OBJS
from sdc.format.deflated import inflate_chunk
from sdc.format.edit import extract
from sdc.format.grps import COMPLETE
from sdc.format.parse import parse
from sdc.images import drawing, layout
from sdc.images import sheet as sheets
from sdc.images.sheet import sheet
from sdc.testing.streams import Drawn, random_stream
from sdc.types import LEVELS


class Spy:
    """Stands in for the last step of a sheet and keeps what it is given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(sheets, "compose", self)

    def __call__(self, title, panels, size) -> Image.Image:
        self.title = " / ".join(text for text, _ in title)
        self.panels = {p.heading: p for p in panels}
        self.words = {p.heading: " / ".join(text for text, _ in p.items) for p in panels}
        self.size = size
        return Image.new("RGB", (1, 1))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    return Spy(monkeypatch)


def four_levels(**more) -> Drawn:
    """A stream with a group of each level."""
    for seed in range(1000):
        drawn = random_stream(seed, width=96, height=80, count=4, **more)
        if [g.level for g in drawn.groups] == list(LEVELS):
            return drawn
    raise AssertionError("no such stream")


def test_levels_add_up(spy: Spy) -> None:
    drawn = four_levels(extras=False)
    original = np.zeros((80, 96, 3), np.uint8)
    sheet(drawn.data, original)
    assert list(spy.panels) == ["original", "4 groups", "L1", "L1 + L2", "L1 + L2 + L3", "all"]
    assert f"{len(drawn.data):,} bytes" in spy.title and "96 x 80 pixels" in spy.title
    assert "model 0" in spy.title
    stream = parse(drawn.data)
    for level, heading in enumerate(["L1", "L1 + L2", "L1 + L2 + L3", "all"]):
        size = stream.groups[level].offset + stream.groups[level].size
        assert stream.prefix(levels=LEVELS[: level + 1]) == size
        assert f"first {size:,} bytes" in spy.words[heading]
        assert f"{8 * size / (96 * 80):.3f} bpp" in spy.words[heading]
        assert f"{stream.groups[level].quality}" in spy.words[heading]
        assert "dB" in spy.words[heading]
        # A prefix of that many bytes is enough, and one byte less is not.
        assert parse(drawn.data[:size]).groups[level].state == COMPLETE
        assert parse(drawn.data[: size - 1]).groups[level].state != COMPLETE


def test_what_is_not_decoded_is_a_checkerboard(spy: Spy) -> None:
    drawn = four_levels(extras=False)
    sheet(drawn.data)
    assert spy.size == (192, 160)
    board = np.asarray(drawing._checkerboard(spy.size))
    first = np.kron(drawn.labels == 1, np.ones((32, 32), bool))
    shown = np.asarray(spy.panels["L1"].image)
    whole = np.asarray(spy.panels["all"].image)
    assert (shown[~first] == board[~first]).all()
    assert (shown[first] == whole[first]).all()


def test_missing_groups_are_named(spy: Spy) -> None:
    drawn = four_levels(extras=False)
    stream = parse(drawn.data)
    sheet(drawn.data[: stream.groups[2].offset + 6])
    assert "partial" in spy.title
    assert "missing" not in spy.words["L1 + L2"]
    assert "group 2 (L3) truncated" in spy.words["L1 + L2 + L3"]
    assert "group 3 (other) truncated" in spy.words["all"]
    broken = bytearray(drawn.data)
    broken[stream.groups[0].offset + 5] ^= 1
    sheet(bytes(broken))
    assert "group 0 (L1) damaged" in spy.words["L1"]


def test_withdrawn_groups_are_no_levels(spy: Spy) -> None:
    drawn = four_levels(extras=False)
    sheet(extract(drawn.data, levels=["L1", "L3"]))
    assert list(spy.panels) == ["4 groups", "L1", "L1 + L3"]
    assert "L2" in spy.words["4 groups"] and "withdrawn" in spy.words["4 groups"]
    assert "partial" not in spy.title


def test_objects_on_the_map(spy: Spy) -> None:
    drawn = four_levels(extras=True)
    out = sheet(drawn.data)
    (heading,) = (h for h in spy.panels if "groups" in h)
    assert heading == "4 groups, 4 objects"
    stream = parse(drawn.data)
    profile = stream.chunk(ICCP)
    assert profile is not None and out.info["icc_profile"] == inflate_chunk(profile)
    # Metadata that cannot be read is no reason to show nothing.
    after = tuple(replace(c, payload=c.payload[:-1]) if c.type == OBJS else c for c in stream.after)
    sheet(build(replace(stream, after=after)))
    assert "objects unreadable" in spy.words["4 groups"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (700, 1), (17, 33), (40, 900), (130, 300), (300, 130)])
def test_any_shape(shape: tuple[int, int]) -> None:
    height, width = shape
    drawn = random_stream(3, width=width, height=height, amplitude=20, extras=True)
    out = sheet(drawn.data, np.zeros((height, width, 3), np.uint8))
    assert out.mode == "RGB"
    assert 300 < out.width < 3200 and 150 < out.height < 3200
    assert len(out.getcolors(1 << 24) or []) > 3
    out.save(io.BytesIO(), "PNG")


@pytest.mark.parametrize("seed", range(12))
def test_random_streams(seed: int) -> None:
    drawn = random_stream(seed, amplitude=60)
    assert {g.level for g in drawn.groups} == set(parse(drawn.data).levels)
    assert len(LEVELS) == len(drawing.LEVEL_COLOURS)
    sheet(drawn.data)


def test_labels_stay_short_and_on_one_line() -> None:
    assert drawing.short_label("a\n b\tc\x00") == "a b c"
    assert drawing.short_label("") == "object"
    assert len(drawing.short_label("long " * 100)) <= drawing.LONGEST_LABEL


def test_captions_fit_their_panel() -> None:
    items = [("word " * 30, (0, 0, 0)), ("x", (0, 0, 0)), ("y", (0, 0, 0))]
    lines = layout.wrap(items, layout.TEXT, 320)
    assert len(lines) > 2
    assert all(layout.text_width("    ".join(t for t, _ in line), layout.TEXT) <= 320 for line in lines)
    assert " ".join(t for line in lines for t, _ in line).split() == ["word"] * 30 + ["x", "y"]


def test_bytes_a_reader_or_a_parsed_stream() -> None:
    data = random_stream(1, width=20, height=10).data
    first = sheet(data).tobytes()
    assert sheet(io.BytesIO(data)).tobytes() == sheet(parse(data)).tobytes() == first


def test_original_of_another_size_is_refused() -> None:
    drawn = random_stream(1, width=20, height=10)
    with pytest.raises(SdcError) as caught:
        sheet(drawn.data, np.zeros((20, 10, 3), np.uint8))
    assert caught.value.code == "E_PICTURE"
