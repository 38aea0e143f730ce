"""Runs a decoder over the conformance vectors and says what is right, what is wrong, and where.

``sdc-conformance run --decoder 'CMD'``; see ``protocol.md`` for what ``CMD`` must understand.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .machines import json_of, junit_of
from .page import html_of
from .report import text_of
from .run import run
from .suite import KEYS, LADDER, TIERS_ALL, VECTORS, Suite, tiers_of
from .worker import CHECKER, Options


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
        choices=[*KEYS, "model-1", "model-2", "model-4"],
        help="a chunk that it does not read, or a model that it does not have",
    )
    runs.add_argument(
        "--checker",
        default=shlex.join(CHECKER),
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
        checker=shlex.split(given.checker),
    )
    report = run(suite, options)
    _write(given.json, lambda: json.dumps(json_of(report), indent=1) + "\n")
    _write(given.junit, lambda: junit_of(report))
    _write(given.html, lambda: html_of(report))
    sys.stdout.write(text_of(report))
    return 0 if report.passed else 1
