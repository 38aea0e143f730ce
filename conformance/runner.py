"""Runs a decoder over the conformance vectors and says what is right, what is wrong, and where.

``sdc-conformance run --decoder 'CMD'`` (or ``python runner.py run ...``); see ``protocol.md`` for what
``CMD`` must understand.  Standard library only; nothing of ``sdc`` is needed.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import html
import json
import math
import os
import queue
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

VECTORS = Path(__file__).resolve().parent / "vectors"
LADDER = ("T0", "T1", "T2", "T3")
TIERS_ALL = (*LADDER, "M", "X", "V", "E")
STATUSES = (0, 1, 2, 3, 64)
LINE_MAX = 64 << 20
START_SECONDS = 30.0
JUDGE = (sys.executable, "-m", "sdc_conformance.adapter")
PROGRAM = ["sdc-conformance"] if shutil.which("sdc-conformance") else ["python3", sys.argv[0]]
"""How people call this."""
LEVELS = ("L1", "L2", "L3", "other")
CELL = 16

LIMITER = (
    "import os, resource, sys\n"
    "size = int(sys.argv[1])\n"
    "kind = resource.RLIMIT_DATA if sys.platform.startswith('linux') else resource.RLIMIT_AS\n"
    "resource.setrlimit(kind, (size, size))\n"
    "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
    "try:\n"
    "    os.execvp(sys.argv[2], sys.argv[2:])\n"
    "except OSError as error:\n"
    "    sys.exit(f'{sys.argv[2]}: {error.strerror}')\n"
)
"""Takes the memory cap and becomes the command; ``RLIMIT_DATA`` counts what is used, not what is reserved."""


# --- questions ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """One thing that a decoder is asked.

    Attributes:
        name: of the vector and the question, such as ``partial/two-groups.sdc:decode@57``.
        tier: of the question; single keys of its answer may be of a higher one.
        wanted: keys ``exit``, ``codes`` and ``answer``.
        cut: bytes of the file, all by default.
        groups: selection.
    """

    name: str
    entry: dict[str, Any] = field(repr=False)
    op: str
    tier: str
    wanted: dict[str, Any] = field(repr=False)
    cut: int | None = None
    groups: tuple[int, ...] | None = None

    def line(self, suite: Suite, identity: int) -> bytes:
        """The question as a line of ``serve``."""
        data = base64.b64encode(self.data(suite)).decode()
        question: dict[str, Any] = {"id": identity, "op": self.op, "data": data}
        if self.groups is not None:
            question["groups"] = list(self.groups)
        question |= {key: self.wanted[key] for key in ("quality", "objects") if key in self.wanted}
        return json.dumps(question).encode() + b"\n"

    def data(self, suite: Suite) -> bytes:
        """The file that the question is about."""
        if self.op != "encode":
            return suite.data(self.entry["file"])[: self.cut]
        width, height, pixels = self.picture(suite)
        return b"P6\n%d %d\n255\n" % (width, height) + pixels

    def picture(self, suite: Suite) -> tuple[int, int, bytes]:
        """What is to be encoded: width, height, and R, G, B of each pixel in raster order."""
        width, height, pixels = suite.picture(self.entry["file"])
        x, y, w, h = self.wanted.get("crop", (0, 0, width, height))
        rows = (pixels[3 * (width * row + x) :][: 3 * w] for row in range(y, y + h))
        return w, h, b"".join(rows)


@dataclass
class Suite:
    """The vectors: manifest and files.

    Attributes:
        folder: where they lie.
        manifest: as in ``manifest.json``.
    """

    folder: Path
    manifest: dict[str, Any]
    _data: dict[str, bytes] = field(default_factory=dict, repr=False)
    _pictures: dict[str, tuple[int, int, bytes]] = field(default_factory=dict, repr=False)

    @staticmethod
    def load(folder: Path = VECTORS) -> Suite:
        """Read the manifest of a folder."""
        return Suite(folder, json.loads((folder / "manifest.json").read_text("utf-8")))

    def data(self, name: str) -> bytes:
        """Bytes of a file, with the zeros put back that are not kept in it."""
        if name not in self._data:
            data = (self.folder / name).read_bytes()
            zeros = {e["file"]: e["zeros"] for e in self.manifest["vectors"] if "zeros" in e}
            at, size = zeros.get(name, (0, 0))
            self._data[name] = data[:at] + bytes(size) + data[at:]
        return self._data[name]

    def picture(self, name: str) -> tuple[int, int, bytes]:
        """Width, height and pixels of a picture of the vectors."""
        if name not in self._pictures:
            self._pictures[name] = read_png(self.data(name))
        return self._pictures[name]

    def check(self) -> list[str]:
        """What is wrong with the files."""
        out = []
        rows = [(e["file"], e["sha256"]) for e in self.manifest["vectors"]]
        rows += [(row["file"], row["sha256"]) for row in self.manifest["models"].values() if "file" in row]
        rows += list(self.manifest["stages"].items())
        for name, sha256 in rows:
            try:
                if hashlib.sha256(self.data(name)).hexdigest() != sha256:
                    out.append(f"{name} is not the file that the manifest names")
            except OSError as error:
                out.append(f"{name}: {error.strerror}")
        return out

    def models(self, *folders: Path) -> tuple[dict[str, Path], list[str]]:
        """Model files of the manifest.

        The file of a model that does not lie among the vectors is part of the package ``sdc``, which stands
        beside this one where both are installed, and in a clone.

        Args:
            folders: where to look first.

        Returns:
            ``(files by name, numbers of the models of which no file has the right hash)``.
        """
        places = [*folders, self.folder / "models", self.folder.parents[1] / "sdc" / "models"]
        found, missing = {}, []
        for number, row in self.manifest["models"].items():
            name = f"sdc-model-{number}.safetensors"
            for path in (place / name for place in places):
                if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]:
                    found[name] = path.resolve()
                    break
            else:
                missing.append(number)
        return found, missing

    def questions(self, tiers: Sequence[str], without: Iterable[str] = ()) -> list[Question]:
        """All questions of some tiers.

        Args:
            tiers: those claimed.
            without: chunks that the decoder does not read, and models such as ``model-1`` that are not here.
        """
        out: list[Question] = []
        for entry in self.manifest["vectors"]:
            if not set(entry.get("needs", ())) & set(without):
                for question in _questions(entry):
                    if question.tier in tiers:
                        out.append(question)
        return out


def _questions(entry: dict[str, Any]) -> Iterator[Question]:
    """Questions of a vector."""
    name = entry["file"]
    for ask in entry.get("ask", ()):
        groups = tuple(ask["groups"]) if "groups" in ask else None
        label = f"{name}:{ask['op']}" + ("" if groups is None else f"[{','.join(map(str, groups))}]")
        label += f"-{ask['name']}" if "name" in ask else ""
        yield Question(label, entry, ask["op"], ask["tier"], ask, None, groups)
    rule = entry.get("rule")
    if rule is None:
        return
    for step in rule["prefixes"]:
        for n in range(step["from"], step["to"] + 1):
            yield Question(f"{name}:info@{n}", entry, "info", "T2", _prefix_info(step), n)
            yield Question(f"{name}:decode@{n}", entry, "decode", "T2", _prefix_decode(rule, step), n)
    count = len(rule["groups"])
    for size in range(count + 1):
        for chosen in combinations(range(count), size):
            label = f"{name}:decode[{','.join(map(str, chosen))}]"
            yield Question(label, entry, "decode", "T2", _subset(rule, chosen), None, chosen)


def _prefix_info(step: dict[str, Any]) -> dict[str, Any]:
    """What ``info`` must say about a prefix."""
    if "codes" in step:
        return {"exit": step["exit"], "codes": step["codes"]}
    groups = [{"state": state} for state in step["states"]]
    return {"exit": step["exit"], "answer": {"errors": step["errors"], "groups": groups, "map": step["map"]}}


def _prefix_decode(rule: dict[str, Any], step: dict[str, Any]) -> dict[str, Any]:
    """What ``decode`` of all groups must say about a prefix."""
    if "codes" in step:
        return {"exit": step["exit"], "codes": step["codes"]}
    asked = [k for k in range(len(step["states"])) if k not in rule["withdrawn"]]
    good = [k for k in asked if step["states"][k] == "complete"]
    return _decoded(rule, asked, good, dict(enumerate(step["states"])), step["map"])


def _subset(rule: dict[str, Any], chosen: Sequence[int]) -> dict[str, Any]:
    """What ``decode`` of some groups must say about a whole file."""
    last = rule["prefixes"][-1]
    states = dict(enumerate(last["states"]))
    good = [k for k in chosen if states[k] == "complete"]
    return _decoded(rule, chosen, good, {k: states[k] for k in chosen}, last["map"])


def _decoded(
    rule: dict[str, Any], asked: Sequence[int], good: Sequence[int], states: dict[int, str], labels: str
) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for k, hashes in enumerate(rule["groups"]):
        row: dict[str, Any] = {"decoded": k in good}
        if k in asked:
            row["state"] = states[k]
        rows.append({**row, **hashes} if k in good else row)
    pixels = rule["pixels"][",".join(map(str, good))]
    return {
        "exit": 0 if len(good) == len(asked) else 3,
        "answer": {"map": labels, "groups": rows, "pixels": pixels},
    }


def read_png(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and pixels of a PNG file of 8-bit RGB samples, not interlaced, as the vectors are."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    assert data[24:29] == b"\x08\x02\0\0\0"
    packed, at = b"", 8
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        packed += data[at + 8 : at + 8 + size] if data[at + 4 : at + 8] == b"IDAT" else b""
        at += size + 12
    lines, step = zlib.decompress(packed), 3 * width + 1
    out, above = bytearray(), bytes(step + 2)
    for start in range(0, height * step, step):
        kind, line = lines[start], bytearray(3) + lines[start + 1 : start + step]
        for k in range(3, len(line)):
            a, b, c = line[k - 3], above[k], above[k - 3]
            paeth = min((abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c))[2]
            line[k] = (line[k] + (0, a, b, (a + b) >> 1, paeth)[kind]) & 255
        out += line[3:]
        above = bytes(line)
    return width, height, bytes(out)


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """One thing that is wrong with an answer."""

    tier: str
    what: str
    expected: str
    got: str


Ask = Callable[[dict[str, Any]], dict[str, Any]]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 200 else text[:197] + "..."


def judge(
    question: Question,
    status: Any,
    answer: Any,
    suite: Suite,
    tiers: Sequence[str],
    without: Sequence[str] = (),
) -> list[Failure]:
    """What is wrong with an answer.

    Args:
        status: exit status.
        answer: what was printed.
        tiers: those claimed; what belongs to others is not looked at.
        without: chunks that the decoder does not read.
    """
    wanted = question.wanted
    base = question.tier
    if not isinstance(answer, dict):
        return [Failure(base, "answer", "an object of JSON", _short(answer))]
    error = answer.get("error")
    error = error if isinstance(error, dict) else {}
    code = error.get("code")
    if isinstance(status, bool) or status not in exits_of(wanted):
        rows = answer.get("errors")
        errors = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
        codes = [code] if code is not None else [f"{e.get('code')} at {e.get('offset')}" for e in errors]
        said = f" ({', '.join(map(str, codes))})" if codes else ""
        right = f" ({' or '.join(wanted['codes'])})" if "codes" in wanted else ""
        return [
            Failure(
                base, "exit", f"{' or '.join(map(str, exits_of(wanted)))}{right}", f"{_short(status)}{said}"
            )
        ]
    out: list[Failure] = []
    if status in (1, 2, 64):
        if code not in wanted["codes"]:
            out.append(Failure(base, "error.code", " or ".join(wanted["codes"]), _short(code)))
        elif question.op != "model" and status != 64:
            out += _judge_place(question, error)
    elif question.op == "extract":
        out += _compare_data(question, answer)
    else:
        found: list[tuple[str, Any, Any]] = []
        expected = {
            k: v for k, v in wanted.get("answer", {}).items() if k != "objects" or "OBJS" not in without
        }
        _compare("", expected, answer, found)
        for path, value, got in found:
            tier = _tier(question, path)
            if tier in tiers:
                out.append(Failure(tier, path, _short(value), _short(got)))
    return out


def exits_of(wanted: dict[str, Any]) -> list[int]:
    """Exit statuses that are right: one, but where the specification leaves a choice."""
    exits = wanted["exit"]
    return list(exits) if isinstance(exits, list) else [exits]


def _judge_place(question: Question, error: dict[str, Any]) -> list[Failure]:
    """Whether an error says where the fault lies, and lies where it says."""
    offset, where = error.get("offset"), error.get("where")
    if offset is None:
        if isinstance(where, str) and where:
            return []
        return [Failure(question.tier, "error", "an offset, or where the fault lies", _short(error))]
    size = question.entry["bytes"] if question.cut is None else question.cut
    first, last = question.wanted.get("offsets", (0, size))
    if isinstance(offset, int) and not isinstance(offset, bool) and first <= offset <= last:
        return []
    return [Failure(question.tier, "error.offset", f"{first} to {last}, or none", _short(offset))]


def _compare_data(question: Question, answer: dict[str, Any]) -> list[Failure]:
    expected = question.wanted["answer"]["data"]
    try:
        got = hashlib.sha256(base64.b64decode(answer["data"], validate=True)).hexdigest()
    except (KeyError, TypeError, ValueError):
        return [Failure("X", "data", "the new stream in base64", _short(answer.get("data")))]
    return [] if got == expected else [Failure("X", "data", f"a stream with SHA-256 {expected}", got)]


def _tier(question: Question, path: str) -> str:
    """Tier of a key of an answer."""
    last = path.rsplit(".", 1)[-1]
    if question.op == "decode" and last == "pixels":
        return "T3"
    if question.op == "info" and path == "map" and question.tier == "T0":
        return "T1"
    return question.tier


def judge_stream(
    question: Question, suite: Suite, answer: dict[str, Any], again: dict[str, Any], ask: Ask
) -> list[Failure]:
    """What is wrong with a stream that an encoder made.

    Args:
        answer, again: of the encoder, to the same question.
        ask: asks the decoder that judges.
    """
    wanted = question.wanted
    width, height, pixels = question.picture(suite)
    out: list[Failure] = []

    def check(what: str, expected: Any, got: Any) -> bool:
        if expected != got:
            out.append(Failure("E", what, _short(expected), _short(got)))
        return expected == got

    data = answer.get("data")
    try:
        stream = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except ValueError:
        stream = b""
    if not check("data", True, bool(stream)):
        return out
    check("second run", hashlib.sha256(stream).hexdigest(), _hash_of(again.get("data")))
    info = ask({"op": "info", "data": data})
    for op, found in (("info", info), ("validate", ask({"op": "validate", "data": data}))):
        said = f"{found.get('exit')} {found.get('error', {}).get('code', '')}".strip()
        if not check(f"stream.{op}", "0", said):
            return out
    check("stream.size", f"{width} x {height}", f"{info['width']} x {info['height']}")
    groups = [{key: g[key] for key in ("level", "quality")} for g in info["groups"]]
    claim = [answer.get("width"), answer.get("height"), answer.get("groups")]
    check("claim", [info["width"], info["height"], groups], claim)
    check("stream.withdrawn", [], [k for k, g in enumerate(info["groups"]) if g["state"] != "complete"])
    quality = wanted["quality"]
    asked = [quality[LEVELS[g["level"]]] if isinstance(quality, dict) else quality for g in groups]
    check("quality", asked, [g["quality"] for g in groups])
    if out:
        return out
    whole = ask({"op": "decode", "data": data, "files": True})
    labels, samples = (base64.b64decode(whole["files"][name]) for name in ("map.bin", "pixels.rgb"))
    cols = -(-width // CELL)
    for thing in wanted.get("objects", ()):
        x, y, w, h = thing["box"]
        inside = {
            LEVELS[groups[labels[row * cols + col] - 1]["level"]] if labels[row * cols + col] else "no group"
            for row in range(-(-y // CELL), -(-(y + h) // CELL) if y + h == height else (y + h) // CELL)
            for col in range(-(-x // CELL), -(-(x + w) // CELL) if x + w == width else (x + w) // CELL)
        }
        check(f"level of {thing['label']}", [thing["level"]], sorted(inside))
    error = sum((a - b) ** 2 for a, b in zip(pixels, samples, strict=True))
    psnr = 10 * math.log10(255**2 * len(pixels) / max(error, 1e-9))
    bits = 8 * len(stream) / (width * height)
    if psnr < wanted.get("psnr", 0):
        out.append(Failure("E", "psnr", f"{wanted['psnr']} dB or more", f"{psnr:.2f} dB"))
    if bits > wanted.get("bpp", math.inf):
        out.append(Failure("E", "bpp", f"{wanted['bpp']} bits per pixel or less", f"{bits:.3f}"))
    for k, row in enumerate(whole["groups"]):
        alone = ask({"op": "decode", "data": data, "groups": [k]})
        check(f"group {k} alone", row.get("pixels"), alone["groups"][k].get("pixels"))
    return out


def _hash_of(data: Any) -> str:
    try:
        return hashlib.sha256(base64.b64decode(data, validate=True)).hexdigest()
    except (TypeError, ValueError):
        return "not base64"


MISSING = "nothing"

KEY_IDS = {
    "map": "MASK-05",
    "symbols": "PASS-01",
    "latents": "PASS-08",
    "pixels": "RECO-01",
    "state": "STAT-10",
    "error.offset": "TOOL-03",
    "offset": "GRPS-07",
    "level": "GRPS-05",
    "decoded": "STAT-01",
    "mask": "OBJS-16",
    "objects": "OBJS-17",
    "info": "CONF-03",
    "validate": "CONF-03",
    "withdrawn": "CONF-03",
    "size": "GRPS-06",
}
"""Sentences that say what a key of an answer is."""


def _compare(path: str, expected: Any, got: Any, out: list[tuple[str, Any, Any]]) -> None:
    """Collect differences; keys beyond those expected are ignored."""
    if isinstance(expected, dict) and isinstance(got, dict):
        for key, value in expected.items():
            _compare(f"{path}.{key}" if path else key, value, got.get(key, MISSING), out)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        if path == "errors":
            expected, got = sorted(expected, key=_order), sorted(got, key=_order)
        for k, (a, b) in enumerate(zip(expected, got, strict=True)):
            _compare(f"{path}[{k}]", a, b, out)
    elif type(expected) is not type(got) or expected != got:
        out.append((path, expected, got))


def _order(row: Any) -> tuple[int, str]:
    if not isinstance(row, dict):
        return (-1, "")
    offset = row.get("offset")
    return (offset if isinstance(offset, int) else -1, str(row.get("code")))


# --- asking ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        command: the decoder, in words.
        tiers: those claimed.
        timeout: seconds for a question.
        memory: bytes that a process may use.
        serve: whether the decoder offers ``serve``.
        limit: questions asked at most, 0 for all; the first of every class come first.
        judge: the decoder that looks at the streams of an encoder, in words; it must offer ``files``.
    """

    command: Sequence[str]
    tiers: Sequence[str] = LADDER
    jobs: int = 2
    timeout: float = 20.0
    memory: int = 2 << 30
    serve: bool = True
    models: Path | None = None
    without: Sequence[str] = ()
    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    progress: bool = True
    limit: int = 0
    judge: Sequence[str] = JUDGE


@dataclass(frozen=True)
class Result:
    """What became of a question."""

    question: Question
    failures: tuple[Failure, ...]
    by: str
    seconds: float
    noise: str = ""

    @property
    def name(self) -> str:
        """Name of the question."""
        return self.question.name


@dataclass
class Report:
    """What became of all questions.

    Attributes:
        left_out: number of questions that were not asked, for want of a chunk or a model.
        missing: numbers of the models that questions were left out for, since no file was found.
    """

    options: Options
    suite: Suite
    results: list[Result]
    skipped: list[Result]
    stale: list[str]
    left_out: int
    missing: list[str]
    seconds: float

    @property
    def failed(self) -> list[Result]:
        """Results that are wrong."""
        return [r for r in self.results if r.failures]

    @property
    def failures(self) -> list[Failure]:
        """Everything that is wrong."""
        return [f for r in self.failed for f in r.failures]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failed and not self.stale and bool(self.results)


class Broken(Exception):
    """A process died, was silent or printed what nobody can read."""


class Process:
    """A command under caps, in a process group of its own."""

    def __init__(self, options: Options, models: Path, arguments: Sequence[str]):
        self.noise = tempfile.TemporaryFile()
        limited = [sys.executable, "-S", "-c", LIMITER, str(options.memory), *options.command, *arguments]
        environment = {**os.environ, "SDC_MODELS": str(models)}
        self.process = subprocess.Popen(
            limited,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.noise,
            env=environment,
            start_new_session=True,
        )
        self.rest = bytearray()

    def said(self) -> str:
        """The end of what the process wrote on standard error."""
        size = self.noise.seek(0, os.SEEK_END)
        self.noise.seek(max(0, size - 2000))
        return self.noise.read().decode("utf-8", "replace")

    def kill(self) -> None:
        """End the process and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def read(self, until: float, line: bool) -> bytes:
        """Read a line, or everything; afterwards the process may still run.

        Raises:
            Broken: time is up, the process ended within a line, or it printed too much.
        """
        assert self.process.stdout is not None
        handle = self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            found = line and b"\n" in self.rest
            while not found:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Broken("no answer in time")
                part = os.read(handle, 1 << 20)
                if not part:
                    if line:
                        raise Broken(self.death())
                    out, self.rest = self.rest, bytearray()
                    return bytes(out)
                self.rest += part
                found = line and b"\n" in part
                if len(self.rest) > LINE_MAX:
                    raise Broken("more output than anybody can want")
        out, _, self.rest = self.rest.partition(b"\n")
        return bytes(out)

    def death(self) -> str:
        """How the process ended."""
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return "closed its output"
        if status < 0:
            return f"died by {signal.Signals(-status).name}"
        return f"ended with status {status} in place of an answer"

    def write(self, data: bytes, until: float) -> None:
        """Write a line, whatever its length.

        Raises:
            Broken: the process takes no more.
        """
        assert self.process.stdin is not None
        handle = self.process.stdin.fileno()
        os.set_blocking(handle, False)
        view = memoryview(data)
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_WRITE)
            while view:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Broken("does not read its input")
                try:
                    view = view[os.write(handle, view[: 1 << 16]) :]
                except BlockingIOError:
                    continue
                except OSError:
                    raise Broken(self.death()) from None


def quality_text(quality: Any) -> str:
    """A quality as it stands on the command line: ``32``, or ``L1=48,other=8``."""
    if not isinstance(quality, dict):
        return str(quality)
    return ",".join(f"{level}={number}" for level, number in quality.items())


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Broken(f"printed what is not JSON: {text[:80].decode('utf-8', 'replace')}") from None


class Worker:
    """Asks questions, one after the other."""

    def __init__(self, suite: Suite, options: Options, models: Path):
        self.suite, self.options, self.models = suite, options, models
        self.process: Process | None = None
        self.judge: Process | None = None
        self.count = 0

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def end(self) -> None:
        """End everything."""
        self.close()
        if self.judge is not None:
            self.judge.kill()
            self.judge = None

    def ask(self, question: Question, command: bool = False) -> Result:
        """Ask through ``serve``, or by a command of its own."""
        start = time.monotonic()
        by = "command" if command or not self.options.serve else "serve"
        noise = ""
        try:
            put = self._command if by == "command" else self._line
            status, answer = put(question)
            options = self.options
            failures = judge(question, status, answer, self.suite, options.tiers, options.without)
            if question.op == "encode" and not failures:
                failures = judge_stream(question, self.suite, answer, put(question)[1], self._judged)
            if failures and self.process is not None:
                noise = self.process.said()
        except Broken as broken:
            wanted = " or ".join(map(str, exits_of(question.wanted)))
            failures = [Failure(question.tier, "process", f"an answer with status {wanted}", str(broken))]
            if self.process is not None:
                noise = self.process.said()
            self.close()
        return Result(question, tuple(failures), by, time.monotonic() - start, noise)

    def _judged(self, line: dict[str, Any]) -> dict[str, Any]:
        """Answer of the judge to a line."""
        until = time.monotonic() + self.options.timeout + START_SECONDS
        try:
            if self.judge is None:
                options = replace(self.options, command=self.options.judge)
                self.judge = Process(options, self.models, ["serve"])
            self.judge.write(json.dumps({"id": 0, **line}).encode() + b"\n", until)
            answer = _parsed(self.judge.read(until, True))
        except Broken as broken:
            said = self.judge.said().strip().splitlines()[-1:] if self.judge else []
            name = shlex.join(self.options.judge)
            raise Broken(" ".join([f"{name}, the judge: {broken}", *said])) from None
        return answer if isinstance(answer, dict) else {}

    def _line(self, question: Question) -> tuple[Any, Any]:
        fresh = self.process is None
        if self.process is None:
            self.process = Process(self.options, self.models, ["serve"])
        self.count += 1
        until = (
            time.monotonic()
            + self.options.timeout
            + (START_SECONDS if fresh and self.options.timeout > 5 else 0)
        )
        self.process.write(question.line(self.suite, self.count), until)
        answer = _parsed(self.process.read(until, True))
        if self.process.rest:
            raise Broken("printed more than one line")
        if not isinstance(answer, dict) or answer.get("id") != self.count:
            raise Broken(f"answered another question: {_short(answer)}")
        return answer.get("exit"), answer

    def _command(self, question: Question) -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory(prefix="sdc-conformance-") as name:
            folder = Path(name)
            suffix = ".ppm" if question.op == "encode" else Path(question.entry["file"]).suffix
            (folder / f"file{suffix}").write_bytes(question.data(self.suite))
            out = folder / "out"
            arguments = [question.op, str(folder / f"file{suffix}")]
            if question.op == "decode":
                out.mkdir()
            if question.op in ("decode", "extract", "encode"):
                arguments.append(str(out))
            if question.groups is not None:
                arguments += ["--groups", ",".join(map(str, question.groups))]
            if question.op == "encode":
                arguments += ["--quality", quality_text(question.wanted["quality"])]
            if "objects" in question.wanted:
                objects = folder / "objects.json"
                objects.write_text(json.dumps({"objects": question.wanted["objects"]}), "utf-8")
                arguments += ["--objects", str(objects)]
            self.close()
            self.process = Process(self.options, self.models, arguments)
            assert self.process.process.stdin is not None
            self.process.process.stdin.close()
            until = time.monotonic() + self.options.timeout
            text = self.process.read(until, False)
            try:
                status = self.process.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Broken("no end in time") from None
            if status not in STATUSES:
                raise Broken(self.process.death())
            answer = _parsed(text)
            if isinstance(answer, dict):
                self._files(question, status, answer, out)
            return status, answer

    def _files(self, question: Question, status: int, answer: dict[str, Any], out: Path) -> None:
        """Take hashes of what was written into the answer, in place of what it says."""
        if question.op in ("extract", "encode") and status in (0, 3):
            answer["data"] = base64.b64encode(out.read_bytes()).decode() if out.is_file() else None
        if question.op != "decode":
            return
        names = sorted(path.name for path in out.iterdir())
        if status in (1, 2, 64):
            if names:
                raise Broken(f"left {', '.join(names)} behind with status {status}")
            return
        for name, key in (("map.bin", "map"), ("pixels.rgb", "pixels")):
            if name in names:
                answer[key] = hashlib.sha256((out / name).read_bytes()).hexdigest()
            elif name == "map.bin" or "T3" in self.options.tiers:
                raise Broken(f"{name} is not there")
        if "result.json" not in names:
            raise Broken("result.json is not there")
        result = _parsed((out / "result.json").read_bytes())
        if not isinstance(result, dict) or result.get("groups") != answer.get("groups"):
            raise Broken("result.json is not what was printed")


def _sample(questions: Sequence[Question]) -> list[Question]:
    """A few questions for the commands: small files, every status, operation and a selection."""
    seen: Counter[tuple[str, int, bool]] = Counter()
    out = []
    for question in questions:
        kind = (question.op, exits_of(question.wanted)[0], question.groups is not None)
        tiny = question.entry["bytes"] < 1000 or question.op == "encode"
        if question.cut is None and tiny and seen[kind] < 1:
            seen[kind] += 1
            out.append(question)
    return out


def _first_of_each(questions: Sequence[Question], limit: int) -> list[Question]:
    """Some questions, taken in turn from the classes."""
    by_class: dict[str, list[Question]] = {}
    for question in questions:
        by_class.setdefault(f"{question.tier} {question.entry['class']} {question.op}", []).append(question)
    out: list[Question] = []
    while len(out) < limit and any(by_class.values()):
        for rows in by_class.values():
            if rows and len(out) < limit:
                out.append(rows.pop(0))
    return out


def run(suite: Suite, options: Options) -> Report:
    """Ask everything.

    Returns:
        The report; results are in the order of the manifest.
    """
    start = time.monotonic()
    files, missing = suite.models(*([options.models] if options.models else []))
    every = suite.questions(options.tiers, [*options.without, *(f"model-{number}" for number in missing)])
    asked, whole = every, suite.questions(options.tiers)
    if options.only:
        asked, whole = (
            [q for q in rows if any(q.name.startswith(name) for name in options.only)]
            for rows in (every, whole)
        )
    left_out = len(whole) - len(asked)
    named = {need for question in whole for need in question.entry.get("needs", ())} - set(options.without)
    missing = [number for number in missing if f"model-{number}" in named]
    if options.limit:
        asked = _first_of_each(asked, options.limit)
    jobs: list[tuple[int, Question, bool]] = [(k, q, False) for k, q in enumerate(asked)]
    if options.serve and not options.only:
        jobs += [(len(jobs) + k, q, True) for k, q in enumerate(_sample(asked))]
    work: queue.SimpleQueue[list[tuple[int, Question, bool]]] = queue.SimpleQueue()
    for k in range(0, len(jobs), 16):
        work.put(jobs[k : k + 16])
    results: list[Result | None] = [None] * len(jobs)
    progress = Progress(len(jobs), options.progress)

    models = tempfile.TemporaryDirectory(prefix="sdc-conformance-")
    for name, path in files.items():
        (Path(models.name) / name).symlink_to(path)

    def labour() -> None:
        worker = Worker(suite, options, Path(models.name))
        try:
            while True:
                try:
                    batch = work.get_nowait()
                except queue.Empty:
                    return
                for k, question, command in batch:
                    results[k] = result = worker.ask(question, command)
                    progress.step(bool(result.failures))
        finally:
            worker.end()

    threads = [threading.Thread(target=labour) for _ in range(max(1, options.jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    models.cleanup()
    progress.end()
    done = [r for r in results if r is not None]
    skipped, rest, stale = _split(done, options.skip, every)
    return Report(options, suite, rest, skipped, stale, left_out, missing, time.monotonic() - start)


def _split(
    done: Sequence[Result], skip: Sequence[str], every: Sequence[Question]
) -> tuple[list[Result], list[Result], list[str]]:
    """Results on the skip list, the others, and stale entries: they skip nothing, or nothing that fails."""
    skipped = [r for r in done if any(_skips(entry, r.name) for entry in skip)]
    rest = [r for r in done if not any(_skips(entry, r.name) for entry in skip)]
    stale = []
    for entry in skip:
        own = [r for r in skipped if _skips(entry, r.name)]
        if not any(_skips(entry, q.name) for q in every):
            stale.append(f"{entry}: no such vector among those asked")
        elif own and not any(r.failures for r in own):
            stale.append(f"{entry}: passes, so it must leave the skip list")
    return skipped, rest, stale


def _skips(entry: str, name: str) -> bool:
    return name == entry or name.startswith(entry + ":")


class Progress:
    """A bar on a terminal."""

    def __init__(self, total: int, wanted: bool):
        self.total, self.done, self.failed = total, 0, 0
        self.wanted = wanted and sys.stderr.isatty()
        self.lock = threading.Lock()
        self.shown = 0.0

    def step(self, failed: bool) -> None:
        """Another question is done."""
        with self.lock:
            self.done += 1
            self.failed += failed
            now = time.monotonic()
            if self.wanted and (now - self.shown > 0.1 or self.done == self.total):
                self.shown = now
                full = 30 * self.done // max(1, self.total)
                bar = "#" * full + "." * (30 - full)
                sys.stderr.write(f"\r[{bar}] {self.done}/{self.total}, {self.failed} failed ")
                sys.stderr.flush()

    def end(self) -> None:
        """Leave the line."""
        if self.wanted:
            sys.stderr.write("\r\x1b[K")


# --- reports --------------------------------------------------------------------------------------


def repeat_command(report: Report, result: Result) -> str:
    """Command that asks one question again."""
    options = report.options
    words = [*PROGRAM, "run", "--decoder", shlex.join(options.command), "--tier"]
    words += [",".join(claimed(options.tiers)), "--only", result.name]
    words += ["--no-serve"] if result.by == "command" else []
    words += [word for name in options.without for word in ("--without", name)]
    words += ["--models", str(options.models)] if options.models else []
    words += ["--judge", shlex.join(options.judge)] if tuple(options.judge) != JUDGE else []
    return shlex.join(words)


def claimed(tiers: Sequence[str]) -> list[str]:
    """Tiers as they are named on the command line."""
    ladder = [t for t in tiers if t in LADDER]
    return [*ladder[-1:], *(t for t in tiers if t not in LADDER)]


def ids_of(report: Report, result: Result) -> list[str]:
    """Sentences that a failure is about, else those that the vector is about; none if there was no answer."""
    manifest, entry = report.suite.manifest, result.question.entry
    whats = [failure.what for failure in result.failures]
    if "process" in whats:
        return []
    out = [KEY_IDS.get(what, KEY_IDS.get(what.rsplit(".", 1)[-1], "")) for what in whats]
    said = " ".join(f"{f.expected} {f.got}" for f in result.failures if f.what in ("exit", "error.code"))
    kind = "reject" if exits_of(result.question.wanted)[0] else "accept"
    if kind == "reject":
        out += entry["ids"][kind][:1]
    for code in re.findall(r"E_[A-Z_]+", said):
        out += manifest["codes"].get(code, {"ids": []})["ids"][:1]
    own = [name for name in dict.fromkeys(out) if name in manifest["sentences"]]
    return own or [*entry["ids"][kind], *entry["ids"]["reject"], *entry["ids"]["accept"]]


def alike(results: Sequence[Result]) -> list[list[Result]]:
    """Results in groups, of those that fail in the same way, each group in order."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        first = result.failures[0]
        said = (first.expected, first.got) if first.what in ("exit", "error.code", "process") else ("", "")
        what, *said = (re.sub(r"[0-9]+", "", text) for text in (first.what, *said))
        groups.setdefault((first.tier, what, *said, result.question.op), []).append(result)
    return sorted(groups.values(), key=len, reverse=True)


def text_of(report: Report, most: int = 20) -> str:
    """The report for people: of each kind of failure one in full, the most frequent first.

    Args:
        most: kinds shown.
    """
    sentences = report.suite.manifest["sentences"]
    lines: list[str] = []
    kinds = alike(report.failed)
    for result, *others in kinds[:most]:
        entry = result.question.entry
        lines.append(f"FAILED {result.name} ({result.by})")
        lines.append(f"  {entry['why']}")
        for failure in result.failures[:6]:
            lines.append(f"  {failure.tier} {failure.what}")
            lines.append(f"    expected {failure.expected}")
            lines.append(f"    got      {failure.got}")
        for name in ids_of(report, result)[:3]:
            lines.append(f"  [{name}] {sentences.get(name, '')}")
        if result.noise.strip():
            lines.append(f"  standard error ended with: {result.noise.strip().splitlines()[-1][:300]}")
        lines.append(f"  again: {repeat_command(report, result)}")
        if others:
            names = ", ".join(other.name for other in others[:3]) + (", ..." if len(others) > 3 else "")
            lines.append(f"  and {len(others)} like it: {names}")
    if len(kinds) > most:
        rest = sum(map(len, kinds[most:]))
        lines.append(
            f"... and {rest} more failures of {len(kinds) - most} other kinds; --json has all of them"
        )
    lines += [f"STALE {line}" for line in report.stale]
    for number in report.missing:
        sha256 = report.suite.manifest["models"][number]["sha256"]
        lines.append(
            f"no sdc-model-{number}.safetensors with SHA-256 {sha256[:8]}... here, so vectors on it are left "
            "out; --models FOLDER names where it is"
        )
    lines.append(f"{'tier':6}{'asked':>8}{'passed':>8}{'failed':>8}")
    for tier, (asked, failed) in by_tier(report).items():
        lines.append(f"{tier:6}{asked:8}{asked - failed:8}{failed:8}")
    extra = f", {len(report.skipped)} skipped" if report.skipped else ""
    extra += f", {report.left_out} left out" if report.left_out else ""
    verdict = "passed" if report.passed else "FAILED"
    lines.append(
        f"{verdict}: {len(report.results) - len(report.failed)} of {len(report.results)} questions{extra}, "
        f"{report.seconds:.1f} s"
    )
    return "\n".join(lines) + "\n"


def by_tier(report: Report) -> dict[str, tuple[int, int]]:
    """``(asked, failed)`` by tier; an answer that fails at a higher tier than its own counts there."""
    out: dict[str, tuple[int, int]] = {}
    for tier in report.options.tiers:
        asked = sum(r.question.tier == tier or _has_pixels(r, tier) for r in report.results)
        failed = sum(any(f.tier == tier for f in r.failures) for r in report.results)
        out[tier] = (asked, failed)
    return out


def _has_pixels(result: Result, tier: str) -> bool:
    return tier == "T3" and result.question.op == "decode" and "answer" in result.question.wanted


def json_of(report: Report) -> dict[str, Any]:
    """The report for machines."""
    return {
        "decoder": shlex.join(report.options.command),
        "tiers": list(report.options.tiers),
        "passed": report.passed,
        "seconds": round(report.seconds, 3),
        "asked": len(report.results),
        "failed": len(report.failed),
        "skipped": [r.name for r in report.skipped],
        "stale": report.stale,
        "left_out": report.left_out,
        "models_missing": report.missing,
        "by_tier": {tier: {"asked": a, "failed": f} for tier, (a, f) in by_tier(report).items()},
        "results": [
            {
                "name": r.name,
                "tier": r.question.tier,
                "by": r.by,
                "seconds": round(r.seconds, 4),
                "passed": not r.failures,
                **({"failures": [vars(f) for f in r.failures], "noise": r.noise} if r.failures else {}),
            }
            for r in report.results
        ],
    }


def junit_of(report: Report) -> str:
    """The report as JUnit XML; one case for each question."""

    def clean(text: str) -> str:
        return "".join(
            c if c in "\n\t" or " " <= c < "\ud800" or "\ue000" <= c < "\ufffe" else "?" for c in text
        )

    count = len(report.results) + len(report.skipped) + len(report.stale)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="sdc-conformance" tests="{count}" '
        f'failures="{len(report.failed) + len(report.stale)}" skipped="{len(report.skipped)}" '
        f'time="{report.seconds:.3f}">',
    ]
    for result in report.results:
        name = quoteattr(f"{result.name} {result.by}")
        head = f"<testcase classname={quoteattr(result.question.tier)} name={name}"
        head += f' time="{result.seconds:.4f}"'
        if not result.failures:
            lines.append(head + "/>")
            continue
        said = "\n".join(f"{f.what}: expected {f.expected}, got {f.got}" for f in result.failures)
        message = quoteattr(clean(result.failures[0].what))
        lines.append(f"{head}><failure message={message}>{escape(clean(said))}</failure></testcase>")
    for result in report.skipped:
        lines.append(f'<testcase classname="skipped" name={quoteattr(result.name)}><skipped/></testcase>')
    for line in report.stale:
        lines.append(
            f'<testcase classname="skip list" name={quoteattr(line)}><failure message="stale"/></testcase>'
        )
    return "\n".join([*lines, "</testsuite>"]) + "\n"


def html_of(report: Report) -> str:
    """The report as a page: what failed, and each sentence of the specification with its vectors."""
    failed = {r.question.entry["file"] for r in report.failed}
    asked = {r.question.entry["file"] for r in report.results}
    by_id: dict[str, dict[str, list[str]]] = {}
    for entry in report.suite.manifest["vectors"]:
        for kind in ("accept", "reject"):
            for name in entry["ids"][kind]:
                by_id.setdefault(name, {"accept": [], "reject": []})[kind].append(entry["file"])

    def cell(files: list[str]) -> str:
        def mark(name: str) -> str:
            style = "bad" if name in failed else "good" if name in asked else "none"
            return f'<span class="{style}">{html.escape(name)}</span>'

        head = ", ".join(map(mark, files[:6]))
        if len(files) <= 6:
            return head
        return f"<details><summary>{head}, ...</summary>{', '.join(map(mark, files[6:]))}</details>"

    rows = []
    for name, sentence in report.suite.manifest["sentences"].items():
        kinds = by_id.get(name, {"accept": [], "reject": []})
        mine = {f for kind in kinds.values() for f in kind}
        verdict = "fails" if mine & failed else "passes" if mine & asked else "not asked"
        rows.append(
            f'<tr class="{verdict.split()[0]}"><td>{name}</td><td>{html.escape(sentence)}</td>'
            f"<td>{cell(kinds['accept'])}</td><td>{cell(kinds['reject'])}</td><td>{verdict}</td></tr>"
        )
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>SDC conformance</title><style>'
        "body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #bbb;padding:.3em;vertical-align:top;text-align:left}"
        ".bad{color:#b00;font-weight:bold}.good{color:#060}.none{color:#777}tr.fails{background:#fdd}"
        "pre{background:#f4f4f4;padding:1em;overflow:auto}</style></head><body>"
        f"<h1>SDC conformance of {html.escape(shlex.join(report.options.command))}</h1>"
        f"<pre>{html.escape(text_of(report, 200))}</pre>"
        "<h2>Sentences</h2><table><tr><th>id</th><th>sentence</th><th>must accept</th><th>must reject</th>"
        f"<th>result</th></tr>{''.join(rows)}</table></body></html>\n"
    )


# --- command --------------------------------------------------------------------------------------


def tiers_of(text: str) -> tuple[str, ...]:
    """Tiers that a claim such as ``T2,M`` holds.

    Raises:
        ValueError: for what is no tier.
    """
    out: set[str] = set()
    for name in text.split(","):
        if name in LADDER:
            out |= set(LADDER[: LADDER.index(name) + 1])
        elif name in TIERS_ALL:
            out.add(name)
        else:
            raise ValueError(f"{name} is no tier; there are {', '.join(TIERS_ALL)}")
    return tuple(t for t in TIERS_ALL if t in out)


def skip_list(text: str) -> list[str]:
    """Entries of a skip list: a vector or a question on each line, ``#`` begins a comment."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _tier_argument(text: str) -> tuple[str, ...]:
    try:
        return tiers_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sdc-conformance", description=__doc__)
    parser.add_argument("--vectors", type=Path, default=VECTORS, help="folder of the vectors")
    commands = parser.add_subparsers(dest="what", required=True)
    runs = commands.add_parser("run", help="run a decoder over the vectors")
    runs.add_argument("--decoder", required=True, metavar="CMD", help="command of the decoder or its adapter")
    runs.add_argument(
        "--tier", type=_tier_argument, default=LADDER, help="tiers claimed, such as T1 or T3,M,X (T3)"
    )
    runs.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    runs.add_argument("--json", type=Path, metavar="FILE", help="write the report for machines")
    runs.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")
    runs.add_argument(
        "--skip", type=Path, metavar="FILE", help="vectors that are known to fail, one on each line"
    )
    runs.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="vectors whose name begins so"
    )
    runs.add_argument(
        "--without",
        action="append",
        default=[],
        choices=["OBJS", "ICCP", "model-1", "model-2"],
        help="a chunk that it does not read, or a model that it does not have",
    )
    runs.add_argument(
        "--judge",
        default=shlex.join(JUDGE),
        metavar="CMD",
        help="decoder that looks at the streams of an encoder, the reference decoder by default",
    )
    runs.add_argument("--no-serve", action="store_true", help="one command for each question, without serve")
    runs.add_argument("--models", type=Path, metavar="FOLDER", help="where to look for model files first")
    runs.add_argument("--timeout", type=float, default=20.0, help="seconds for a question (20)")
    runs.add_argument("--memory", type=int, default=2048, metavar="MB", help="memory cap of a process (2048)")
    runs.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="questions at a time")
    listing = commands.add_parser("list", help="list the questions")
    listing.add_argument("--tier", type=_tier_argument, default=TIERS_ALL)
    show = commands.add_parser("bytes", help="write the bytes of a question to standard output")
    show.add_argument("name", help="such as partial/two-groups.sdc:decode@57")
    return parser


def _write(path: Path | None, make: Callable[[], str]) -> None:
    if path is not None:
        path.write_text(make(), "utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 0 when all passed, 1 when not, 2 when it could not run."""
    given = _parser().parse_args(arguments)
    try:
        suite = Suite.load(given.vectors)
    except (OSError, ValueError) as error:
        print(f"sdc-conformance: no vectors in {given.vectors}: {error}", file=sys.stderr)
        return 2
    if given.what != "run":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if given.what == "list":
        for question in suite.questions(given.tier):
            print(question.tier, question.name)
        return 0
    if given.what == "bytes":
        found = [q for q in suite.questions(TIERS_ALL) if q.name == given.name]
        if not found:
            print(f"sdc-conformance: there is no question {given.name}", file=sys.stderr)
            return 2
        sys.stdout.buffer.write(found[0].data(suite))
        return 0
    wrong = suite.check()
    if wrong:
        print("\n".join(f"sdc-conformance: {line}" for line in wrong), file=sys.stderr)
        return 2
    command = shlex.split(given.decoder)
    if not command or shutil.which(command[0]) is None:
        print(f"sdc-conformance: there is no command {' '.join(command[:1])!r}", file=sys.stderr)
        return 2
    options = Options(
        command,
        given.tier,
        given.jobs,
        given.timeout,
        given.memory << 20,
        not given.no_serve,
        given.models and given.models.resolve(),
        given.without,
        given.only,
        skip_list(given.skip.read_text("utf-8")) if given.skip else (),
        judge=shlex.split(given.judge),
    )
    report = run(suite, options)
    _write(given.json, lambda: json.dumps(json_of(report), indent=1) + "\n")
    _write(given.junit, lambda: junit_of(report))
    _write(given.html, lambda: html_of(report))
    sys.stdout.write(text_of(report))
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
