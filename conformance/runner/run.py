"""Asks all questions with several workers."""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .checks import Failure
from .suite import Question, Suite, exits_of
from .worker import Options, Result, Worker

BATCH = 16
"""Questions that a worker takes at a time."""


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


def run(suite: Suite, options: Options) -> Report:
    """Ask everything.

    Returns:
        The report; results are in the order of the manifest.
    """
    start = time.monotonic()
    files, missing = suite.models(*([options.models] if options.models else []))
    every = suite.questions(options.tiers, [*options.without, *(f"model-{number}" for number in missing)])
    asked, whole = _only(every, options), _only(suite.questions(options.tiers), options)
    named = {need for question in whole for need in question.entry.get("needs", ())} - set(options.without)
    wanted = asked if not options.limit else _first_of_each(asked, options.limit)
    jobs = [(question, False) for question in wanted]
    if options.serve and not options.only:
        jobs += [(question, True) for question in _sample(wanted)]
    with tempfile.TemporaryDirectory(prefix="sdc-conformance-") as models:
        for name, path in files.items():
            (Path(models) / name).symlink_to(path)
        done = _ask_all(jobs, lambda: Worker(suite, options, Path(models)), options)
    skipped, rest, stale = _split(done, options.skip, every)
    return Report(
        options,
        suite,
        rest,
        skipped,
        stale,
        left_out=len(whole) - len(asked),
        missing=[number for number in missing if f"model-{number}" in named],
        seconds=time.monotonic() - start,
    )


def _only(questions: Sequence[Question], options: Options) -> list[Question]:
    """Those whose name begins as the options say."""
    return [q for q in questions if not options.only or q.name.startswith(tuple(options.only))]


def _ask_all(
    jobs: Sequence[tuple[Question, bool]], hire: Callable[[], Worker], options: Options
) -> list[Result]:
    """Results of questions, asked through ``serve`` or by a command, in their order."""
    work: queue.SimpleQueue[range] = queue.SimpleQueue()
    for first in range(0, len(jobs), BATCH):
        work.put(range(first, min(first + BATCH, len(jobs))))
    results: dict[int, Result] = {}
    progress = Progress(len(jobs), options.progress)

    def labour() -> None:
        worker = hire()
        try:
            while True:
                try:
                    batch = work.get_nowait()
                except queue.Empty:
                    return
                for k in batch:
                    results[k] = worker.ask(*jobs[k])
                    progress.step(bool(results[k].failures))
        finally:
            worker.end()

    threads = [threading.Thread(target=labour) for _ in range(max(1, options.jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.end()
    if len(results) < len(jobs):
        raise RuntimeError(f"{len(jobs) - len(results)} questions were not asked, see above")
    return [results[k] for k in sorted(results)]


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
