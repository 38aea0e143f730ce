"""The compiled core on other processors, under sanitizers, and before compilers that warn of much.

``tests/try_core.py`` does the work, and more of it.  A build whose compiler or emulator is not there is
skipped, unless the environment variable ``SDC_REQUIRE_BUILDS`` is set.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import try_core

pytestmark = pytest.mark.slow


def wanted(missing: list[str]) -> None:
    """Skip a test for which programs are missing, where that may be."""
    required = bool(os.environ.get("SDC_REQUIRE_BUILDS"))
    if "gcc" in missing:  # who requires the core has a compiler
        required = required or bool(os.environ.get("SDC_REQUIRE_CORE"))
    if missing and not required:
        pytest.skip(f"needs {', '.join(missing)}")
    assert not missing, f"needs {', '.join(missing)}"


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What decoding of vectors and streams asks of the core."""
    path: Path = tmp_path_factory.mktemp("core") / "tape"
    try_core.record(path)
    return path


@pytest.mark.long
@pytest.mark.parametrize("name", ["address", "thread", "aarch64", "s390x", "nehalem"])
def test_the_same_numbers(name: str, tape: Path, tmp_path: Path) -> None:
    """On NEON, with the other order of bytes, on an old processor; and under sanitizers, with threads."""
    wanted(try_core.BUILDS[name].missing())
    said = try_core.replayed(name, tape, tmp_path).splitlines()
    assert said and all(line.endswith(" 0 differences") for line in said)
    calls = {int(line.split(":")[1].split()[0]) for line in said}
    assert len(calls) == 1 and min(calls) > 1000


@pytest.mark.long
def test_a_difference_is_found(tape: Path, tmp_path: Path) -> None:
    """A number of the tape that is not what the core makes, and a tape that ends early."""
    wanted(try_core.BUILDS["plain"].missing())
    data = tape.read_bytes()
    for name, changed in (("other", data[:-1] + bytes([data[-1] ^ 1])), ("short", data[:-3])):
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(RuntimeError, match="1 differences" if name == "other" else "ends with 2"):
            try_core.replayed("plain", tmp_path / name, tmp_path)


def test_garbage_under_sanitizers(tmp_path: Path) -> None:
    """Ten thousand payloads, maps, streams and networks; nothing is found, and NumPy agrees."""
    wanted([] if shutil.which("gcc") else ["gcc"])
    done = try_core.fuzzed(10_000, 1, 0, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "10000 items" in done.stdout and " 0 disagreements" in done.stdout
    for said in (
        "groups: E_RANS_FINAL",
        "map: E_MASK_LABEL",
        "symbols: E_ESCAPE",
        "stream: 3",
        "network: values",
    ):
        assert said in done.stdout


@pytest.mark.long
def test_compilers_and_static_analyzers_say_nothing() -> None:
    wanted([] if shutil.which("gcc") else ["gcc"])
    assert try_core.linted() == []


@pytest.mark.long
def test_a_fuzzer_that_follows_the_code(tmp_path: Path) -> None:
    """Some seconds of libFuzzer: no crash, and what is read without an error is written as it was."""
    wanted([] if shutil.which("clang") else ["clang"])
    done = try_core.target(4, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
