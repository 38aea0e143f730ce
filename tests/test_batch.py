"""Runs over folders: what a second run does, what a killed process costs, and how a run ends."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from situations import Situation, check, commands

from sdc.cli import encode as encode_command
from sdc.cli import main as cli
from sdc.cli import manifest, progress
from sdc.cli.jobs import Job
from sdc.cli.messages import Args, Said
from sdc.cli.pool import run_jobs
from sdc.cli.workers import Workers
from sdc.errors import SdcError

RECORD = Path("out", manifest.manifest_name("encode"))
QUICK = ("--effort", "0", "--objects", "none", "--jobs", "1")
Run = Callable[..., tuple[int, str, set[str]]]


def picture(path: str | Path, seed: int = 0, side: int = 16) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command in a folder with three images; gives status, standard error, and what was encoded."""
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)
    for k, name in enumerate(("a", "b", "deep/c")):
        picture(f"in/{name}.png", k)
    coded: list[str] = []
    encode_one = encode_command.encode_one

    def counted(args: Args, source: str, target: str) -> Said:
        said = encode_one(args, source, target)
        coded.append(os.path.relpath(source, "in"))
        return said

    monkeypatch.setattr(encode_command, "encode_one", counted)

    def call(*argv: str) -> tuple[int, str, set[str]]:
        coded.clear()
        status = cli.main(argv or ("encode", "in", "out", *QUICK))
        return status, capsys.readouterr().err, set(coded)

    yield call
    assert not list(tmp_path.rglob(".sdc-*"))


ALL = {"a.png", "b.png", "deep/c.png"}


# --- A second run -------------------------------------------------------------------------------------


def test_a_second_run_codes_nothing_again(run: Run) -> None:
    assert run() == (0, "", ALL)
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    status, err, coded = run()
    assert (status, coded) == (0, set())
    assert err.count("\n") == 1 and err.startswith("sdc: note: 3 of 3 files are done already")
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before
    RECORD.unlink()
    assert run() == (0, "", ALL)


def _new_image() -> None:
    picture("in/deep/new.png", 9)


def _changed_image() -> None:
    before = os.stat("in/b.png")
    picture("in/b.png", 7)
    os.utime("in/b.png", ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def _touched_image() -> None:
    os.utime("in/b.png", (1, 1))


def _lost_output() -> None:
    Path("out/a.sdc").unlink()


def _cut_output() -> None:
    Path("out/a.sdc").write_bytes(Path("out/a.sdc").read_bytes()[:-1])


def _other_output() -> None:
    Path("out/a.sdc").write_bytes(Path("out/b.sdc").read_bytes())


def _copied_output() -> None:
    os.utime("out/a.sdc", (1, 1))


def _cut_record() -> None:
    text = RECORD.read_text()
    lines = text.splitlines(keepends=True)
    assert '"deep/c.png"' in lines[-1]
    RECORD.write_text(text[:-9])


def _strange_record() -> None:
    lines = [line for line in RECORD.read_text().splitlines() if '"file": "a.png"' not in line]
    strange = ["", "[]", "7", '{"file": "a.png"}', '{"file": "a.png", "key": 3, "status": 0, "read": 5}', "{"]
    RECORD.write_text("\n".join([*lines, *strange]))


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (_new_image, {"deep/new.png"}), (_changed_image, {"b.png"}), (_touched_image, set()),
        (_lost_output, {"a.png"}), (_cut_output, {"a.png"}), (_other_output, {"a.png"}),
        (_copied_output, set()), (_cut_record, {"deep/c.png"}), (_strange_record, {"a.png"}),
    ],
)  # fmt: skip
def test_only_what_has_changed_is_coded_again(run: Run, change: Callable[[], None], again: set[str]) -> None:
    assert run()[0] == 0
    change()
    status, err, coded = run()
    assert (status, coded) == (0, again), err
    assert run()[2] == set()


def test_other_options_or_another_version_code_everything_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("encode", "in", "out", *QUICK)
    assert run()[2] == ALL
    status, err, coded = run(*command, "--quality", "20")
    assert (status, coded) == (0, ALL) and "every file is done again" in err
    assert run(*command, "--quality", "20")[2] == set()
    assert run(*command, "--quality", "20", "--threads", "1", "--max-pixels", "5000")[2] == set()
    monkeypatch.setattr(manifest, "__version__", "9.9")
    assert run(*command, "--quality", "20")[2] == ALL


def test_objects_are_part_of_what_is_read(run: Run) -> None:
    objects = {"objects": [{"label": "cat", "box": [0, 0, 16, 16]}]}
    Path("objects/deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c"):
        Path(f"objects/{name}.json").write_text(json.dumps(objects))
    folder = ("encode", "in", "out", "--effort", "0", "--jobs", "1", "--objects", "objects")
    assert run(*folder)[2] == ALL and run(*folder)[2] == set()
    objects["objects"][0]["label"] = "dog"
    Path("objects/b.json").write_text(json.dumps(objects))
    assert run(*folder)[2] == {"b.png"}
    one = (*folder[:-1], "objects/a.json")
    assert run(*one)[2] == ALL and run(*one)[2] == set()
    Path("objects/a.json").write_text(json.dumps(objects))
    assert run(*one)[2] == ALL


def test_one_bad_file_stops_nothing_and_is_tried_again(run: Run) -> None:
    Path("in/bad.png").write_bytes(b"no image")
    for coded in (ALL, set()):
        status, err, found = run()
        assert (status, found) == (3, coded) and err.count("E_PICTURE") == 1 and "bad.png" in err
    rows = [json.loads(line) for line in RECORD.read_text().splitlines()]
    bad = [row for row in rows if row.get("file") == "bad.png"]
    assert len(bad) == 2 and bad[0]["status"] == 64 and "E_PICTURE" in bad[0]["said"][0]
    picture("in/bad.png", 5)
    assert run()[2] == {"bad.png"}


def test_many_files_that_fail_are_listed_at_the_end(run: Run) -> None:
    for k in range(12):
        Path(f"in/{k:02}.png").write_bytes(b"no image")
    status, err, coded = run()
    assert (status, coded) == (3, ALL)
    assert "12 of 15 files failed: 00.png, 01.png" in err.splitlines()[-1]
    assert err.splitlines()[-1].endswith("09.png and 2 more")


def test_a_record_that_cannot_be_written_is_a_note(run: Run) -> None:
    RECORD.mkdir(parents=True)
    status, err, coded = run()
    assert (status, coded) == (0, ALL) and err.count("\n") == 1 and "no record is kept" in err


def test_an_analysis_goes_on_too(run: Run) -> None:
    command = ("analyze", "in", "-o", "found", "--jobs", "1")
    assert run(*command)[0] == 0 and len(list(Path("found").rglob("*.json"))) == 3
    assert "3 of 3 files are done already" in run(*command)[1]


def test_what_a_server_did_not_answer_is_asked_again(run: Run) -> None:
    command = ("encode", "in", "out", "--effort", "0", "--jobs", "1", "--chat", "http://127.0.0.1:9/v1")
    for _ in range(2):
        status, err, coded = run(*command)
        assert (status, coded) == (0, ALL) and err.count("ranking by chat failed") == 3, err


# --- Progress -----------------------------------------------------------------------------------------


def test_a_log_gets_lines(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", 0.0)
    lines = run()[1].splitlines()
    assert [line.split(" files")[0] for line in lines] == ["sdc: note: 1 of 3", "sdc: note: 2 of 3"]
    assert all(re.search(r"files, [\d.]+ (a second|s each), about \d+ s left$", line) for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"), (59, "59 s"), (125, "2 min 5 s"), (3000, "50 min"), (7500, "2 h 5 min"),
        (9e5, "10 days 10 h"),
    ],
)  # fmt: skip
def test_times_in_words(seconds: float, words: str) -> None:
    assert progress.duration(seconds) == words


# --- Processes that die -------------------------------------------------------------------------------

ARGS = argparse.Namespace(program="sdc", jobs=2, threads=None)


def deadly(args: Args, source: str, target: str) -> Said:
    """Work that some files end."""
    if source == "killed":
        from sdc import paths

        Path(target).parent.joinpath(f"{paths._TEMPORARY}{paths._mark}left").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    if source == "exits":
        os._exit(3)
    if source == "bad":
        raise SdcError("E_PICTURE", "bad")
    return [f"did {source}"]


@pytest.mark.slow
def test_a_killed_process_costs_its_own_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["1", "killed", "2", "bad", "exits", "3", "4"]
    statuses = run_jobs(deadly, ARGS, [Job(name, str(tmp_path / name), name) for name in names])
    assert sorted(statuses) == [0, 0, 0, 0, 64, 74, 74]
    lines = capsys.readouterr().err.splitlines()
    assert [line.rpartition("(")[2] for line in lines] == [f"{name})" for name in names]
    assert "E_IO" in lines[1] and "SIGKILL" in lines[1] and "memory" in lines[1] and "--jobs" in lines[1]
    assert "exit status 3" in lines[4] and "memory" not in lines[4]
    assert not list(tmp_path.iterdir())


class Unloadable:
    """Work that no process can load."""

    def __call__(self, args: Args, source: str, target: str) -> Said:
        raise AssertionError

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return os._exit, (7,)


@pytest.mark.slow
def test_processes_that_cannot_start_are_given_up() -> None:
    with pytest.raises(SdcError, match="exit status 7; use --jobs 1"):
        list(Workers(Unloadable(), ARGS, 2).run([(0, Job("a")), (1, Job("b"))]))


# --- Ends ---------------------------------------------------------------------------------------------

COMMAND = [sys.executable, "-c", "import sys; from sdc.cli.main import main; sys.exit(main())"]


def children(process: int) -> list[int]:
    tasks = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in tasks.read_text().split()]


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(holds: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


FILES = 6


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_ended_leaves_nothing_half_done(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "in").mkdir()
    for k in range(FILES):
        picture(tmp_path / f"in/{k}.png", k, 256)
    argv = [*COMMAND, "encode", "in", "out", "--objects", "none", "--effort", "1", "--jobs", "2"]
    record = tmp_path / RECORD
    ran = subprocess.Popen(argv, cwd=tmp_path, stderr=subprocess.PIPE)
    wait_for(lambda: record.exists() and '"file"' in record.read_text())
    others = children(ran.pid)
    assert len(others) >= 2
    ran.send_signal(number)
    err = ran.communicate(timeout=30)[1].decode()
    if number == signal.SIGKILL:
        assert ran.returncode == -9 and not err
        wait_for(lambda: not any(map(alive, others)))  # they end with the file that they do
    else:
        assert ran.returncode == 128 + number
        said = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        assert err == f"sdc: {said}\n"
        wait_for(lambda: not any(map(alive, others)), 2.0)  # one of them only watches over the others
    assert not list(tmp_path.rglob(".sdc-*"))
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    done = [row["file"] for row in rows if "file" in row]
    assert done and len(done) < FILES
    assert set(done) <= {f"{path.stem}.png" for path in (tmp_path / "out").glob("*.sdc")}
    if number == signal.SIGTERM:
        again = subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False)
        assert f"{len(done)} of {FILES} files are done already" in again.stderr.decode()
        assert again.returncode == 0 and len(list((tmp_path / "out").glob("*.sdc"))) == FILES


@pytest.mark.slow
def test_what_nohup_ignores_stays_ignored(tmp_path: Path) -> None:
    code = """
import os, signal
from sdc.cli.signals import Ended, ended_in_order
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with ended_in_order():
    os.kill(os.getpid(), signal.SIGHUP)
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Ended as end:
        assert end.name == "SIGTERM"
    else:
        raise AssertionError
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
signal.signal(signal.SIGHUP, signal.SIG_DFL)
try:
    with ended_in_order():
        os.kill(os.getpid(), signal.SIGHUP)
except Ended as end:
    assert end.exit_status == 129
else:
    raise AssertionError
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "validate {files} --jobs 1", "info {file} --trace --json", "stat --json {files}",
        "extract {file} -", "share bash",
    ],
)  # fmt: skip
def test_a_reader_that_has_read_enough_is_no_error(tmp_path: Path, command: str) -> None:
    """As of other tools: no word, and the status that shells give for SIGPIPE."""
    from sdc.testing.streams import random_stream

    path = tmp_path / "s.sdc"
    path.write_bytes(random_stream(1, width=64, height=64, count=16, amplitude=3).data)
    argv = command.format(file=path, files=" ".join([str(path)] * 20)).split()
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as out:
        ran = subprocess.run([*COMMAND, *argv], stdout=out, stderr=subprocess.PIPE, check=False)
    assert (ran.returncode, ran.stderr) == (141, b"")


# --- Situations ---------------------------------------------------------------------------------------


class Endless(io.RawIOBase):
    """Standard input that goes on and on, of which nobody may read much."""

    def __init__(self, text: bytes):
        self.text, self.read_so_far = text, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = (self.text * (len(buffer) // len(self.text) + 1))[: len(buffer)]
        self.read_so_far += len(buffer)
        assert self.read_so_far < 1 << 18
        return len(buffer)


@pytest.mark.parametrize("row", commands.ROWS, ids=str)
def test_situations(
    row: Situation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("photo", "in/a", "in/b"):
        picture(f"{name}.png", 3)
    blocked = row.options.get("in_the_way", "")
    if blocked.endswith("/"):
        Path(blocked).mkdir(parents=True)
    elif blocked:
        Path(blocked).write_text("")
    source = io.BufferedReader(Endless(row.options.get("stdin", b"nothing ")))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(source))
    *before, last = row.make()
    for argv in before:
        assert cli.main([*argv]) == 0
    capsys.readouterr()
    status = cli.main([*last])
    lines = [line.removeprefix("sdc: ") for line in capsys.readouterr().err.splitlines()]
    notes = [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]
    told = next((line for line in lines if line.startswith("E_")), "")
    code, _, message = re.sub(r" \([^()]*\)$", "", told).partition(": ")
    error = SdcError(code, message) if told else None
    assert status == (error.exit_status if error else 0)
    check(row, notes, error)
