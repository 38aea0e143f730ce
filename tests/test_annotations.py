"""Files of objects as they come from the field: near to right, of other tools, and too large for memory."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from situations import Situation, check, objects

import sdc
from sdc.cli import main as cli
from sdc.errors import SdcError
from sdc.objects import coco_index, document, json_stream
from sdc.objects.object import Object, Objects


def loaded(path: Path, row: Situation, *, strict: bool = False) -> tuple[Objects | None, SdcError | None]:
    made = row.make()
    path.write_bytes(made if isinstance(made, bytes) else json.dumps(made).encode())
    name = row.options.get("name", "base.png")
    turned = row.options.get("turned", 1)
    try:
        return Object.load(path, 96, 64, name, turned=turned, strict=strict), None
    except SdcError as error:
        return None, error


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A world in which every COCO file is a large one, and texts come in small pieces."""
    monkeypatch.setattr(coco_index, "LARGE", 1)
    monkeypatch.setattr(json_stream, "BLOCK", 7)
    monkeypatch.setenv("SDC_CACHE", str(tmp_path / "cache"))
    document._opened.cache_clear()
    return tmp_path / "cache"


@pytest.mark.parametrize("row", objects.ROWS, ids=str)
def test_files_of_objects(row: Situation, tmp_path: Path) -> None:
    found, error = loaded(tmp_path / "o.json", row)
    check(row, found.notes if found is not None else (), error)
    if found is not None:
        assert [thing.label for thing in found] == row.options["labels"]
        assert [list(thing.box) for thing in found] == row.options["boxes"]
    _, refused = loaded(tmp_path / "o.json", row, strict=True)
    assert (refused.code if refused else "") == ("E_OBJECTS" if row.said else "")


@pytest.mark.parametrize("row", objects.ROWS, ids=str)
def test_the_index_gives_what_the_whole_file_does(row: Situation, tmp_path: Path, large: Path) -> None:
    found, error = loaded(tmp_path / "o.json", row)
    check(row, found.notes if found is not None else (), error)
    if found is not None:
        assert [list(thing.box) for thing in found] == row.options["boxes"]


# --- Large files ------------------------------------------------------------------------------------


def many(images: int, annotations: int) -> dict[str, Any]:
    dice = random.Random(4)
    return {
        "info": {"a": [1, {"b": "]}"}], "é": '\\"]'},
        "annotations": [
            {
                "image_id": dice.randrange(images),
                "category_id": 1,
                "bbox": [n % 50, 3.5, 4e0, 5],
                "text": 'ü"{',
            }
            for n in range(annotations)
        ],
        "categories": [{"id": 1, "name": "Käse 😀"}],
        "images": [{"id": k, "file_name": f"é{k}.jpg", "width": 64, "height": 48} for k in range(images)],
        "empty": [],
        "number": 12,
    }


@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_index_finds_what_belongs_to_an_image(tmp_path: Path, large: Path, ascii_only: bool) -> None:
    source = many(20, 300)
    path = tmp_path / "many.json"
    path.write_text(json.dumps(source, ensure_ascii=ascii_only, indent=None if ascii_only else 1), "utf-8")
    for k in range(20):
        name = f"/x/é{k}.jpg"
        assert Object.load(path, 64, 48, name) == Object.load(source, 64, 48, name)
    (index,) = large.iterdir()
    before = index.stat().st_mtime_ns
    document._opened.cache_clear()
    assert Object.load(path, 64, 48, "é3.jpg") and index.stat().st_mtime_ns == before
    # Another file, another index.
    path.write_text(json.dumps(many(3, 5)))
    assert len(Object.load(path, 64, 48, "é1.jpg")) == sum(
        r["image_id"] == 1 for r in many(3, 5)["annotations"]
    )
    assert len(list(large.iterdir())) == 2


def test_a_file_that_has_not_changed_is_not_hashed_again(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "many.json"
    path.write_text(json.dumps(many(3, 5)))
    os.utime(path, (1e9, 1e9))
    assert Object.load(path, 64, 48, "é1.jpg")
    assert sorted(p.name[:5] for p in large.iterdir()) == ["coco-", "hash-"]
    document._opened.cache_clear()
    monkeypatch.setattr(hashlib, "sha256", lambda data=b"", real=hashlib.sha256: real(data) if data else None)
    assert Object.load(path, 64, 48, "é1.jpg")
    monkeypatch.undo()
    monkeypatch.setattr(coco_index, "LARGE", 1)
    monkeypatch.setenv("SDC_CACHE", str(large))
    path.write_text(json.dumps(many(3, 6)))
    document._opened.cache_clear()
    expected = sum(row["image_id"] == 1 for row in many(3, 6)["annotations"])
    assert len(Object.load(path, 64, 48, "é1.jpg")) == expected


def test_an_index_that_is_damaged_is_made_anew(tmp_path: Path, large: Path) -> None:
    source = many(20, 300)
    path = tmp_path / "many.json"
    path.write_text(json.dumps(source))
    expected = Object.load(path, 64, 48, "é3.jpg")
    (index,) = large.iterdir()
    for damage in (b"", b"no database", index.read_bytes()[:5000]):
        index.write_bytes(damage)
        document._opened.cache_clear()
        assert Object.load(path, 64, 48, "é3.jpg") == expected == Object.load(source, 64, 48, "é3.jpg")


def test_threads_and_forks_share_an_index(tmp_path: Path, large: Path) -> None:
    source = many(20, 300)
    path = tmp_path / "many.json"
    path.write_text(json.dumps(source))
    names = [f"é{k}.jpg" for k in range(20)] * 5
    expected = [Object.load(source, 64, 48, name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: Object.load(path, 64, 48, name), names)) == expected
    if not hasattr(os, "fork"):
        return
    ways = [os.pipe() for _ in range(2)]
    for _, way in ways:
        if os.fork() == 0:
            good = all(Object.load(path, 64, 48, name) == e for name, e in zip(names, expected, strict=True))
            os.write(way, b"1" if good else b"0")
            os._exit(0)
    assert all(Object.load(path, 64, 48, name) == e for name, e in zip(names, expected, strict=True))
    assert [os.read(way, 1) for way, _ in ways] == [b"1", b"1"]
    for _ in ways:
        os.wait()


def test_an_index_that_cannot_be_kept_is_said(
    tmp_path: Path, large: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    large.write_text("a file where the folder should be")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "many.json"
    path.write_text(json.dumps(many(3, 5)))
    found = Object.load(path, 64, 48, "é1.jpg", strict=True)
    assert found and len(found.notes) == 1 and "is not kept" in found.notes[0]
    document._opened.cache_clear()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "é1.jpg")
    argv = ["encode", str(tmp_path / "é1.jpg"), str(tmp_path / "o.sdc"), "--objects", str(path), "--strict"]
    assert cli.main([*argv, "--effort", "0"]) == 0
    err = capfd.readouterr().err
    assert err.count("is not kept") == 1 and err.count("\n") == 1


def test_a_document_of_our_own_is_never_indexed(tmp_path: Path, large: Path) -> None:
    path = tmp_path / "own.json"
    for start in ("", "\ufeff"):
        path.write_text(start + json.dumps(objects.listed({"label": "é", "box": [1, 2, 3, 4]})()), "utf-8")
        assert Object.load(path, 64, 48) == [Object("é", (1, 2, 3, 4))]
    path.write_text(json.dumps([{"label": "é", "box": [1, 2, 3, 4]}]), "utf-16")
    document._opened.cache_clear()
    assert Object.load(path, 64, 48) == [Object("é", (1, 2, 3, 4))]
    assert not list(large.iterdir())


@pytest.mark.parametrize("cut", [10, 100, 300, -30, -2, -1])
def test_a_large_file_that_is_cut_is_refused(tmp_path: Path, large: Path, cut: int) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(many(3, 20))[:cut])
    with pytest.raises(SdcError, match="not JSON") as caught:
        Object.load(path, 64, 48, "é1.jpg")
    assert caught.value.code == "E_OBJECTS" and not list(large.iterdir())


def test_items_stand_where_the_stream_says(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(many(5, 30), ensure_ascii=False).encode()
    for block in (1, 3, 1000, 10**6):
        monkeypatch.setattr(json_stream, "BLOCK", block)
        read: dict[str, list[Any]] = {}
        for member in json_stream.members(io.BytesIO(data), "x"):
            read.setdefault(member.key, []).append(json.loads(data[member.start : member.end]))
        assert read["annotations"] == many(5, 30)["annotations"] and read["number"] == [12]
        assert read["empty"] == [[]] and read["images"] == many(5, 30)["images"]


# --- Commands ---------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "val"):
        os.makedirs(f"data/{name}")
        Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save(f"data/{name}/0001.png")
    return tmp_path


def run(*argv: str) -> int:
    return cli.main(["encode", *argv, "--effort", "0", "--jobs", "1"])


def labels(path: str) -> list[str]:
    return [thing["label"] for thing in sdc.info(Path(path).read_bytes())["objects"]]


def test_a_folder_is_matched_below_itself(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("o.json").write_text(json.dumps(objects.several("train/0001.png", "val/0001.png")()))
    assert run("data", "out", "--objects", "o.json") == 0
    assert (labels("out/train/0001.sdc"), labels("out/val/0001.sdc")) == (["red"], ["green"])
    os.chdir("data/val")
    assert run("0001.png", "o.sdc", "--objects", "../../o.json") == 0
    assert labels("o.sdc") == ["green"] and not capfd.readouterr().err
    os.chdir(folder)
    # A file of one image is about no other image of a folder.
    Path("one.json").write_text(json.dumps(objects.coco(image={"file_name": "other.jpg"})()))
    assert run("data", "more", "--objects", "one.json") == 64
    assert capfd.readouterr().err.count("there are 'other.jpg'") == 2


def test_processes_share_an_index(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDC_CACHE", str(folder / "cache"))
    padded = {**objects.several("train/0001.png", "val/0001.png")(), "padding": " " * coco_index.LARGE}
    Path("o.json").write_text(json.dumps(padded))
    assert cli.main(["encode", "data", "out", "--objects", "o.json", "--effort", "0", "--jobs", "2"]) == 0
    assert (labels("out/train/0001.sdc"), labels("out/val/0001.sdc")) == (["red"], ["green"])
    assert len(list((folder / "cache").iterdir())) == 1


@pytest.mark.parametrize(
    "option", [("--find", "dog"), ("--detector", "a.onnx"), ("--chat", "http://x/v1"), ("--chat-model", "m")]
)
@pytest.mark.parametrize("given", ["o.json", "none"])
def test_options_that_given_objects_make_useless_are_refused(
    folder: Path, option: tuple[str, str], given: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run("data/val/0001.png", "o.sdc", "--objects", given, *option) == 64
    err = capfd.readouterr().err
    assert "E_USAGE: has no effect" in err and f"({option[0]})" in err and not Path("o.sdc").exists()


def test_a_missing_file_of_objects_shows_what_is_near(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("0001.txt").touch()
    assert run("data/val/0001.png", "o.sdc", "--objects", "0001.json") == 66
    assert "'0001.txt'" in capfd.readouterr().err


def test_an_image_that_is_turned_is_said(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exif = Image.Exif()
    exif[274] = 3
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save("base.jpg", exif=exif)
    Path("o.json").write_text(json.dumps(objects.coco()()))
    assert run("base.jpg", "o.sdc", "--objects", "o.json") == 0
    assert "turned by its EXIF orientation 3" in capfd.readouterr().err
    assert run("base.jpg", "p.sdc", "--objects", "o.json", "--strict") == 64 and not Path("p.sdc").exists()
    # What this package found in it is for it as it is shown.
    assert cli.main(["analyze", "base.jpg", "-o", "own.json", "--grounding", "salient"]) == 0
    assert run("base.jpg", "q.sdc", "--objects", "own.json", "--strict") == 0
