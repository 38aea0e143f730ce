"""Builds the compiled core in other ways than people do, and tries it there.

    python tests/try_core.py replay [BUILD ...] [--all]   plays what the vectors ask on other processors and
                                                          under sanitizers; BUILD is one of those below
    python tests/try_core.py fuzz [--count N] [--seed S] [--first K]
                                                          garbage, with AddressSanitizer and
                                                          UndefinedBehaviorSanitizer, against NumPy
    python tests/try_core.py target [--seconds N]         libFuzzer, needs clang
    python tests/try_core.py lint                         warnings and static analyzers of gcc and clang

The builds: ``plain`` as it is; ``address`` and ``thread`` with sanitizers of gcc; ``memory`` with one of
clang; ``aarch64`` and ``s390x``, which is big-endian, by Debian's cross compilers under ``qemu-user``;
``nehalem`` and ``haswell``, older processors, under ``qemu-user``; ``windows`` by MinGW under Wine.
What a build needs and is not there is named, and the command then ends with 1.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "tests"
CORE = ROOT / "sdc" / "core"
SOURCES = sorted(path for path in CORE.glob("*.c") if path.name != "module.c")
"""The core without its binding to Python."""

COMMON = ["-std=c11", "-ffp-contract=off", "-fno-strict-aliasing", "-pthread", f"-I{CORE}"]
STRICT = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ADDRESS_OPTIONS = {"ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1"}
"""Python itself leaves memory behind when it ends; ``replay`` looks for leaks."""


@dataclass(frozen=True)
class Build:
    """A way to build and run the player of tapes.

    Attributes:
        compiler: with its options.
        runner: what runs the program, if it does not run by itself.
        threads: to run with.
        path: to run, or ``all``.
    """

    compiler: str
    runner: str = ""
    threads: int = 3
    path: str = "all"

    def missing(self) -> list[str]:
        """Programs that it needs and that are not there."""
        words = [self.compiler.split()[0], *self.runner.split()[:1]]
        return [word for word in words if shutil.which(word) is None]


BUILDS = {
    "plain": Build("gcc -O2"),
    "address": Build(f"gcc {shlex.join(SANITIZED)}"),
    "thread": Build("gcc -O1 -g -fsanitize=thread", threads=3, path="portable"),
    "memory": Build("clang -O1 -g -fsanitize=memory"),
    "aarch64": Build("aarch64-linux-gnu-gcc -O2 -static", "qemu-aarch64", 2),
    "s390x": Build("s390x-linux-gnu-gcc -O2 -static", "qemu-s390x", 2),
    "nehalem": Build("gcc -O2 -static", "qemu-x86_64 -cpu Nehalem", 2),
    "haswell": Build("gcc -O2 -static", "qemu-x86_64 -cpu Haswell", 2),
    "windows": Build("x86_64-w64-mingw32-gcc -O2 -static", "/usr/lib/wine/wine64"),
}
EXPECTED = {"aarch64": "neon", "nehalem": "sse4", "haswell": "avx2"}
"""Path that is the best of a processor."""


def run(words: Sequence[str | Path], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command; returns what it says.

    Args:
        more: environment variables.
    """
    env = {**os.environ, **more}
    return subprocess.run([str(w) for w in words], cwd=ROOT, env=env, capture_output=True, text=True)


def built(name: str, folder: Path) -> list[str]:
    """Build the player of tapes; returns the words that run it.

    Raises:
        RuntimeError: it cannot be built.
    """
    build, program = BUILDS[name], folder / f"replay-{name}"
    done = run(
        [*build.compiler.split(), *COMMON, *STRICT, HERE / "core" / "replay.c", *SOURCES, "-o", program]
    )
    if done.returncode:
        raise RuntimeError(f"{name} cannot be built:\n{done.stderr}")
    return [*build.runner.split(), str(program)]


def record(tape: Path, everything: bool = False) -> None:
    """Write a tape, in a process of its own.

    Args:
        everything: all vectors and many streams; else some.
    """
    done = run([sys.executable, HERE / "core_tape.py", tape, *(["--all"] if everything else [])])
    if done.returncode:
        raise RuntimeError(done.stderr)


def replayed(name: str, tape: Path, folder: Path) -> str:
    """Play a tape; returns what the player says, which ends with its lines on each path.

    Raises:
        RuntimeError: something differs, or a sanitizer found something.
    """
    words = built(name, folder)
    more = {"WINEDEBUG": "-all", "WINEPREFIX": str(folder / "wine")} if name == "windows" else {}
    place = "z:" + str(tape).replace("/", "\\") if name == "windows" else str(tape)
    done = run([*words, place, BUILDS[name].path, str(BUILDS[name].threads)], **more)
    if done.returncode:
        raise RuntimeError(f"{name} ends with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    best = EXPECTED.get(name)
    if best and not done.stdout.startswith(best):
        raise RuntimeError(f"{name}: {best} is not the first path: {done.stdout}")
    return done.stdout


def sanitized_module(folder: Path) -> tuple[Path, dict[str, str]]:
    """The core as a module of Python with sanitizers, and the environment variables that it needs.

    Raises:
        RuntimeError: it cannot be built.
    """
    module = folder / "_core.abi3.so"
    include = f"-I{sysconfig.get_path('include')}"
    words = [
        "gcc",
        "-shared",
        "-fPIC",
        *SANITIZED,
        *COMMON,
        include,
        *SOURCES,
        CORE / "module.c",
        "-o",
        module,
    ]
    done = run(words)
    if done.returncode:
        raise RuntimeError(f"the module cannot be built:\n{done.stderr}")
    library = run(["gcc", "-print-file-name=libasan.so"]).stdout.strip()
    return module, {**ADDRESS_OPTIONS, "LD_PRELOAD": library, "OMP_NUM_THREADS": "1"}


IN_ITS_PLACE = """
import importlib.util, runpy, sys
spec = importlib.util.spec_from_file_location("sdc.core._core", sys.argv[1])
sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
sys.path.insert(0, sys.argv[2])
from sdc import core
assert core.native() is module
sys.argv = sys.argv[3:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def fuzzed(count: int, seed: int, first: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Put garbage through the core with sanitizers."""
    module, more = sanitized_module(folder)
    words = [sys.executable, "-c", IN_ITS_PLACE, module, HERE, HERE / "core_fuzz.py"]
    numbers = ["--count", str(count), "--seed", str(seed), "--first", str(first)]
    return run([*words, *numbers], **more)


def target(seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let libFuzzer look for garbage."""
    program = folder / "target"
    options = [*SANITIZED, "-fsanitize=fuzzer", *COMMON]
    done = run(["clang", *options, HERE / "core" / "target.c", *SOURCES, "-o", program])
    if done.returncode:
        raise RuntimeError(done.stderr)
    where = f"-artifact_prefix={ROOT / 'build'}/"
    (ROOT / "build").mkdir(exist_ok=True)
    return run([program, where, f"-max_total_time={seconds}", "-max_len=300", "-verbosity=0"])


def linted() -> list[str]:
    """What compilers and their static analyzers say of the core; nothing, as a rule."""
    include = f"-I{sysconfig.get_path('include')}"
    said = []
    ways = [["gcc", "-O1", "-c"], ["clang", "-fsyntax-only"], ["clang", "--analyze"]]
    for words in (w for w in ways if shutil.which(w[0])):
        for source in [*SOURCES, CORE / "module.c", *sorted((HERE / "core").glob("*.c"))]:
            own = [*COMMON, *STRICT, include, source, "-o", "/dev/null"]
            done = run([*words, *own, *(["--analyzer-output", "text"] if "--analyze" in words else [])])
            if done.returncode or done.stderr.strip():
                said.append(f"{shlex.join(words)} {source.name}:\n{done.stderr}")
    return said


def _replay(given: argparse.Namespace, folder: Path) -> int:
    tape, status = folder / "tape", 0
    record(tape, given.all)
    print(f"the tape has {tape.stat().st_size} bytes")
    for name in given.builds or BUILDS:
        missing = BUILDS[name].missing()
        try:
            said = f"needs {', '.join(missing)}\n" if missing else replayed(name, tape, folder)
        except RuntimeError as error:
            missing, said = ["no error"], f"{error}\n"
        status |= bool(missing)
        print("\n".join(f"{name}: {line}" for line in said.splitlines()), flush=True)
    return status


def _finished(done: subprocess.CompletedProcess[str]) -> int:
    print(done.stdout, end="")
    print(done.stderr, end="", file=sys.stderr)
    return int(done.returncode != 0)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="try_core", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay")
    replay.add_argument("builds", nargs="*", metavar="BUILD", help=", ".join(BUILDS))
    replay.add_argument("--all", action="store_true", help="all vectors, and many streams")
    fuzz = commands.add_parser("fuzz")
    for name, number in (("count", 10_000), ("seed", 1), ("first", 0)):
        fuzz.add_argument(f"--{name}", type=int, default=number)
    commands.add_parser("target").add_argument("--seconds", type=int, default=60)
    commands.add_parser("lint")
    given = parser.parse_args(arguments)
    for name in getattr(given, "builds", ()):
        if name not in BUILDS:
            parser.error(f"no build {name}; there are {', '.join(BUILDS)}")
    work: dict[str, Callable[[Path], int]] = {
        "replay": lambda folder: _replay(given, folder),
        "fuzz": lambda folder: _finished(fuzzed(given.count, given.seed, given.first, folder)),
        "target": lambda folder: _finished(target(given.seconds, folder)),
        "lint": lambda folder: print("\n".join(linted()) or "nothing is said") or 0,
    }
    with tempfile.TemporaryDirectory(prefix="sdc-core-") as name:
        return work[given.command](Path(name))


if __name__ == "__main__":
    sys.exit(main())
