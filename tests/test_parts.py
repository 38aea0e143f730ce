"""Data sets on many machines: what is done with a part, and the whole on a cluster of two nodes."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sdc
from sdc.cli import batch as command
from sdc.cli import main as cli
from sdc.cli import parts
from sdc.cli.main import sdc_parser
from sdc.cli.manifest import key_of
from sdc.cli.messages import Args, Said
from sdc.cli.parts import Plan, Summary, do_part, identity_in, output_name, part_of
from sdc.errors import SdcError

fsspec = pytest.importorskip("fsspec")

MEMORY = "memory://data"
PAGES = 2


def image_bytes(seed: int, side: int = 16) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process goes on with other tests, so it is not held to one thread as a worker is."""
    monkeypatch.setattr(parts, "stay_on_one_thread", lambda: None)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A store with three images and a file that is none; counts what is encoded."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    for name in ("a.png", "b.png", "deep/c.png"):
        files.pipe_file(f"/data/in/{name}", image_bytes(len(name)))
    files.pipe_file("/data/in/bad.png", b"no image")
    files.coded = []
    encode_bytes = parts.encode_bytes

    def counted(args: Args, data: bytes, name: str, *rest: Any, **more: Any) -> tuple[bytes, Said]:
        found = encode_bytes(args, data, name, *rest, **more)
        files.coded.append(name.removeprefix("/data/in/"))
        return found

    monkeypatch.setattr(parts, "encode_bytes", counted)
    yield files
    files.store.clear()


def plan_of(*options: str, shards: bool = False, run: str = "1") -> Plan:
    argv = ["batch", f"{MEMORY}/in", f"{MEMORY}/out", "--objects", "none", "--effort", "0", *options]
    args = sdc_parser().parse_args(argv)
    args.program = "sdc"
    parts._key_here.cache_clear()
    return Plan(args.input, args.output, shards, PAGES, run, key_of(args)[0], args)


def listed(files: Any) -> list[tuple[str, str]]:
    found = files.find("/data/in", detail=True)
    return [(path.removeprefix("/data/in/"), identity_in(info)) for path, info in sorted(found.items())]


def done(files: Any, *options: str, **about: Any) -> tuple[Summary, set[str]]:
    """Do all as one part; gives what came of it and what was encoded."""
    files.coded.clear()
    return do_part(plan_of(*options, **about), 0, listed(files)), set(files.coded)


ALL = {"a.png", "b.png", "deep/c.png"}


def rows(files: Any) -> dict[str, dict[str, Any]]:
    pages = [f"/data/out/{parts.RECORDS}/000000.{page}.jsonl" for page in range(PAGES)]
    lines = [line for page in pages if files.exists(page) for line in files.cat_file(page).splitlines()]
    return {row["file"]: row for row in map(json.loads, lines)}


@pytest.mark.parametrize("shards", [False, True])
def test_a_part_is_done_once(store: Any, shards: bool) -> None:
    found, coded = done(store, shards=shards)
    assert (found.done, found.before, coded) == (3, 0, ALL)
    assert [row["file"] for row in found.failed] == ["bad.png"]
    assert found.failed[0]["status"] == 64 and "E_PICTURE" in found.failed[0]["said"][0]
    found, coded = done(store, shards=shards, run="other")
    assert (found.done, found.before, coded, len(found.failed)) == (0, 3, set(), 1)
    store.pipe_file("/data/in/new.png", image_bytes(9))
    assert done(store, shards=shards)[1] == {"new.png"}
    time.sleep(0.01)
    store.pipe_file("/data/in/b.png", image_bytes(10))
    assert done(store, shards=shards)[1] == {"b.png"} and done(store, shards=shards)[1] == set()
    assert done(store, "--quality", "20", shards=shards)[1] == {*ALL, "new.png"}
    names = {output_name(name, shards) for name in (*ALL, "new.png")}
    if shards:
        with tarfile.open(fileobj=io.BytesIO(store.cat_file("/data/out/000000.tar"))) as tar:
            assert set(tar.getnames()) == names
            streams = [tar.extractfile(member) for member in tar]
            assert all(sdc.info(part.read())["file_state"] == "valid" for part in streams if part)
        left = [path for path in store.find("/data/out") if path.endswith(".sdc")]
        assert not left
    else:
        found_names = {path.removeprefix("/data/out/") for path in store.find("/data/out")}
        assert names == {name for name in found_names if name.endswith(".sdc")}


def test_what_was_lost_is_done_again(store: Any) -> None:
    done(store)
    store.rm("/data/out/a.sdc")
    store.pipe_file("/data/out/b.sdc", b"cut")
    assert done(store)[1] == {"a.png", "b.png"}
    page = part_of("b.png", PAGES, "page ")
    record = f"/data/out/{parts.RECORDS}/000000.{page}.jsonl"
    lines = [line for line in store.cat_file(record).splitlines() if b'"b.png"' not in line]
    store.pipe_file(record, b"\n".join([b"7", b"[]", *lines, b'{"file": "b.p']))
    assert done(store)[1] == {"b.png"}


def test_a_shard_changes_with_its_files(store: Any) -> None:
    done(store, shards=True)
    first = store.cat_file("/data/out/000000.tar")
    store.rm("/data/out/000000.tar")
    assert done(store, shards=True)[1] == ALL and store.cat_file("/data/out/000000.tar") == first
    time.sleep(0.01)
    store.pipe_file("/data/in/a.png", b"no image any more")
    assert done(store, shards=True)[1] == set()
    with tarfile.open(fileobj=io.BytesIO(store.cat_file("/data/out/000000.tar"))) as tar:
        assert tar.getnames() == ["b.sdc", "deep/c.sdc"]
    store.rm("/data/in/b.png")
    assert done(store, shards=True)[1] == set()
    with tarfile.open(fileobj=io.BytesIO(store.cat_file("/data/out/000000.tar"))) as tar:
        assert tar.getnames() == ["deep/c.sdc"]


def test_a_process_that_dies_repeats_the_file_that_it_was_at(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "PAGES", 1)
    encode_bytes, deaths = parts.encode_bytes, [2]

    def dies(args: Args, data: bytes, name: str, *rest: Any, **more: Any) -> tuple[bytes, Said]:
        if name.endswith("/b.png") and deaths[0]:
            deaths[0] -= 1
            raise KeyboardInterrupt  # which nothing there catches
        return encode_bytes(args, data, name, *rest, **more)

    monkeypatch.setattr(parts, "encode_bytes", dies)
    with pytest.raises(KeyboardInterrupt):
        done(store)
    assert (
        store.coded == ["a.png"]
        and rows(store)["b.png"]["tries"] == 1
        and "status" not in rows(store)["b.png"]
    )
    with pytest.raises(KeyboardInterrupt):
        done(store)
    assert store.coded == []
    found, coded = done(store)  # it has ended two processes
    assert coded == {"deep/c.png"} and (found.done, found.before) == (2, 0)
    (row,) = (row for row in found.failed if row["file"] == "b.png")
    assert row["status"] == 74 and "memory" in row["said"][0] and "2 processes" in row["said"][0]
    assert done(store, run="2")[1] == {"b.png"}  # another run tries again
    assert {name: row["tries"] for name, row in rows(store).items()} == {
        "a.png": 1, "b.png": 1, "bad.png": 1, "deep/c.png": 1,
    }  # fmt: skip


def test_another_version_on_a_machine_is_refused(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of()
    monkeypatch.setattr("sdc.cli.manifest.__version__", "9.9")
    with pytest.raises(SdcError, match=r"version, models or files on .* differ"):
        do_part(plan, 0, listed(store))


def test_parts_are_of_names() -> None:
    names = [f"{k}.png" for k in range(4000)]
    counts = np.bincount([part_of(name, 16) for name in names], minlength=16)
    assert counts.min() > 180 and counts.max() < 320
    assert output_name("a.b/c.d.jpg", True) == "a.b/c_d.sdc" and output_name("c.d.jpg", False) == "c.d.sdc"


def test_fsspec_says_what_it_cannot_read() -> None:
    with pytest.raises(SdcError, match=r"E_USAGE.*nonesuch"):
        parts.files_of("nonesuch://bucket/x")


# --- A cluster ----------------------------------------------------------------------------------------

# Without Ray its test is skipped, unless the environment variable ``SDC_REQUIRE_RAY`` is set.
HAS_RAY = find_spec("ray") is not None
if os.environ.get("SDC_REQUIRE_RAY") and not HAS_RAY:
    raise ModuleNotFoundError("ray, which SDC_REQUIRE_RAY asks for")

needs_ray = pytest.mark.skipif(not HAS_RAY, reason="needs Ray")
COMMAND = [sys.executable, "-c", "import sys; from sdc.cli.main import main; sys.exit(main())"]


def test_without_ray_the_command_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert cli.main(["batch", "in", "out"]) == 64
    assert "sdc-codec[batch]" in capsys.readouterr().err


def test_parts_stay_as_the_first_run_has_made_them(store: Any) -> None:
    path = f"/data/out/{parts.RECORDS}/about.json"
    args = plan_of("--shards", "100").args
    assert command._parts(store, path, args, 12_000, 2, {"a": {}}) == (120, 2)
    assert command._parts(store, path, args, 50_000, 64, {"b": {}}) == (120, 2)
    assert set(json.loads(store.cat_file(path))["keys"]) == {"a", "b"}
    with pytest.raises(SdcError, match="this folder has shards of another run"):
        command._parts(store, path, plan_of().args, 12_000, 2, {"a": {}})
    store.rm(path)
    counts = [command._parts(store, path, plan_of().args, n, 2, {"a": {}}) for n in (5, 160, 10**6)]
    assert counts == [(5, 4)] * 3
    for images, cores, count in ((160, 2, 16), (10**6, 2, 3906), (1, 64, 1)):
        assert command._parts(store, "/data/none.json", plan_of().args, images, cores, {})[0] == count


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes, with one core each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made.address
    made.shutdown()


def wait_for(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def records(out: Path) -> list[dict[str, Any]]:
    """All rows that can be read."""
    texts = [path.read_text() for path in (out / parts.RECORDS).glob("*.jsonl")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@needs_ray
@pytest.mark.slow
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, cluster: str) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    names = [f"{'deep/' if k % 3 == 0 else ''}{k}.png" for k in range(12)]
    for k, name in enumerate(names):
        (tmp_path / "in" / name).write_bytes(image_bytes(k, 256))
    (tmp_path / "in/bad.png").write_bytes(b"no image")
    argv = [*COMMAND, "batch", "in", "out", "--objects", "none", "--effort", "2"]
    argv += ["--shards", "4", "--ray", cluster]
    ran = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE)
    out = tmp_path / "out"

    def second() -> dict[str, Any] | None:
        """A row that is being worked on, of a process that has done another before."""
        found = records(out) if (out / parts.RECORDS).is_dir() else []
        busy = [row for row in found if "file" in row and "status" not in row]
        finished = {row["worker"] for row in found if row.get("status") == 0}
        return next((row for row in busy if row["worker"] in finished), None)

    victim = wait_for(lambda: second() or ran.poll() is not None)
    assert ran.poll() is None, ran.communicate()[1].decode()
    os.kill(int(victim["worker"].rpartition(":")[2]), signal.SIGKILL)
    err = ran.communicate(timeout=120)[1].decode()
    assert ran.returncode == 3 and err.count("E_PICTURE") == 1 and "12 images encoded, 1 failed" in err, err
    files = {row["file"]: row for row in records(out) if "file" in row}
    assert {name for name, row in files.items() if row["status"] == 0} == set(names)
    repeated = {name for name, row in files.items() if row["tries"] > 1}
    assert repeated <= {victim["file"]}  # it may have been done when the signal came
    streams = {}
    for shard in out.glob("*.tar"):
        with tarfile.open(shard) as tar:
            streams |= {member.name: part.read() for member in tar if (part := tar.extractfile(member))}
    assert set(streams) == {output_name(name, True) for name in names}
    plain = sdc.encode(np.asarray(Image.open(tmp_path / "in" / victim["file"])), effort=2)
    assert streams[output_name(victim["file"], True)] == plain
    assert len({row["worker"] for row in files.values()}) >= 2
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    again = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)
    assert again.returncode == 3
    assert "0 images encoded, 12 were done before, 1 failed" in again.stderr.decode()
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.tar")} == before
