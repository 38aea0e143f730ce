"""Asks a decoder one question after the other, through ``serve`` or by commands (``protocol.md``)."""

from __future__ import annotations

import base64
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .checks import Failure, check_answer, short
from .process import Broken, Process
from .streams import check_safe_chunks, check_stream
from .suite import LADDER, Question, Suite, exits_of

STATUSES = (0, 1, 2, 3, 64, 66, 74)

ROOM = 2000
"""Bytes that a file may have where a command is to find no room for its output."""

START_SECONDS = 30.0

CHECKER = (sys.executable, "-m", "sdc_conformance.adapter")


@dataclass(frozen=True)
class Options:
    """How to run.

    Attributes:
        command: the decoder, in words.
        tiers: those claimed.
        jobs: questions at a time.
        timeout: seconds for a question.
        memory: bytes that a process may use.
        serve: whether the decoder offers ``serve``.
        models: folder in which model files are looked for first.
        without: chunks and models that the decoder does not have, such as ``OBJS`` and ``model-1``.
        only: beginnings of the names of questions, all by default.
        skip: vectors and questions that are known to fail.
        progress: whether to show a bar on a terminal.
        limit: questions asked at most, 0 for all; the first of every class come first.
        checker: the decoder that looks at the streams of an encoder, in words; it must offer ``files``.
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
    checker: Sequence[str] = CHECKER


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


def quality_text(quality: Any) -> str:
    """A quality as it stands on the command line: ``32``, or ``L1=48,other=8``."""
    if not isinstance(quality, dict):
        return str(quality)
    return ",".join(f"{level}={number}" for level, number in quality.items())


def _is_whole(path: Path, sha256: str | None) -> bool:
    """Whether a file is a whole output; what has no hash is JSON, or has not the name of an output."""
    data = path.read_bytes()
    if path.suffix == ".json":
        return data.endswith(b"}")
    return sha256 is None or hashlib.sha256(data).hexdigest() == sha256


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
        self.checker: Process | None = None
        self.count = 0

    def _start(self, command: Sequence[str], arguments: Sequence[str], room: int = 0) -> Process:
        return Process([*command, *arguments], self.models, self.options.memory, room)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process = None

    def end(self) -> None:
        """End everything."""
        self.close()
        if self.checker is not None:
            self.checker.kill()
            self.checker = None

    def ask(self, question: Question, command: bool = False) -> Result:
        """Ask through ``serve``, or by a command of its own."""
        start = time.monotonic()
        by = "command" if command or question.by_command or not self.options.serve else "serve"
        noise = ""
        try:
            put = self._command if by == "command" else self._line
            status, answer = put(question)
            options = self.options
            failures = check_answer(question, status, answer, options.tiers, options.without)
            if question.op == "encode" and status == 0 and not failures:
                failures = check_stream(question, self.suite, answer, put(question)[1], self._checked)
            if question.wanted.get("negative") and not failures:
                other = put(replace(question, negative=True))[1]
                failures = check_safe_chunks(answer, other, self._checked)
            if failures and self.process is not None:
                noise = self.process.said()
        except Broken as broken:
            wanted = " or ".join(map(str, exits_of(question.wanted)))
            failures = [Failure(question.tier, "process", f"an answer with status {wanted}", str(broken))]
            if self.process is not None:
                noise = self.process.said()
            self.close()
        if by == "command":
            self.close()
        return Result(question, tuple(failures), by, time.monotonic() - start, noise)

    def _checked(self, line: dict[str, Any]) -> dict[str, Any]:
        """Answer of the checking decoder to a line."""
        until = time.monotonic() + self.options.timeout + START_SECONDS
        try:
            if self.checker is None:
                self.checker = self._start(self.options.checker, ["serve"])
            self.checker.write(json.dumps({"id": 0, **line}).encode() + b"\n", until)
            answer = _parsed(self.checker.read(until, True))
        except Broken as broken:
            said = self.checker.said().strip().splitlines()[-1:] if self.checker else []
            name = shlex.join(self.options.checker)
            raise Broken(" ".join([f"{name}, the checking decoder: {broken}", *said])) from None
        return answer if isinstance(answer, dict) else {}

    def _line(self, question: Question) -> tuple[Any, Any]:
        fresh = self.process is None
        if self.process is None:
            self.process = self._start(self.options.command, ["serve"])
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
            raise Broken(f"answered another question: {short(answer)}")
        return answer.get("exit"), answer

    def _command(self, question: Question) -> tuple[Any, Any]:
        with tempfile.TemporaryDirectory(prefix="sdc-conformance-") as name:
            folder = Path(name)
            suffix = ".ppm" if question.op == "encode" else Path(question.entry["file"]).suffix
            trouble = question.wanted.get("trouble")
            if trouble != "no input":
                (folder / f"file{suffix}").write_bytes(question.data(self.suite))
            out = folder / "out"
            arguments = [question.op, str(folder / f"file{suffix}")]
            if question.op == "decode":
                out.mkdir()
            if question.op in ("decode", "extract", "encode"):
                arguments.append(str(out))
            if question.groups is not None:
                arguments += ["--groups", ",".join(map(str, question.groups))]
            if question.wanted.get("alpha"):
                arguments.append("--alpha")
            if "restored" in question.wanted:
                arguments += ["--restored", str(question.wanted["restored"])]
            if question.op == "encode":
                arguments += ["--quality", quality_text(question.wanted["quality"])]
            if "objects" in question.wanted:
                objects = folder / "objects.json"
                objects.write_text(json.dumps({"objects": question.wanted["objects"]}), "utf-8")
                arguments += ["--objects", str(objects)]
            self.close()
            self.process = self._start(self.options.command, arguments, ROOM if trouble == "no room" else 0)
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
        if question.by_command and status not in (0, 3):
            whole = question.wanted.get("files", {})
            answer["incomplete"] = [name for name in names if not _is_whole(out / name, whole.get(name))]
            return
        if status not in (0, 3):
            if names:
                raise Broken(f"left {', '.join(names)} behind with status {status}")
            return
        wanted = {"map.bin": "map", "pixels.rgb": "pixels"}
        wanted |= {"pixels.rgba": "rgba"} if question.wanted.get("alpha") else {}
        wanted |= {"restored.rgb": "restored"} if "restored" in question.wanted else {}
        for name, key in wanted.items():
            if name in names:
                answer[key] = hashlib.sha256((out / name).read_bytes()).hexdigest()
            elif name != "pixels.rgb" or "T3" in self.options.tiers:
                raise Broken(f"{name} is not there")
        if "result.json" not in names:
            raise Broken("result.json is not there")
        result = _parsed((out / "result.json").read_bytes())
        if not isinstance(result, dict) or result.get("groups") != answer.get("groups"):
            raise Broken("result.json is not what was printed")
