"""Several files at once: one process per core, and a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing

from .. import core
from ..errors import SdcError
from ..networks.threads import hold_one_thread
from .files import PIPE
from .jobs import Job, Result, attempt, refused, show
from .messages import Args, Work

BAR = 40
"""Characters of the progress bar."""


def run_jobs(work: Work, args: Args, jobs: Sequence[Job]) -> list[int]:
    """Do files on several cores if there are, and print what is said of them, in their order."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(len(jobs), args.jobs or cores)
    done: dict[int, Result] = {}
    shown = 0
    way = _in_processes if workers > 1 else _one_by_one
    with closing(way(work, args, jobs, workers)) as results:
        _draw_bar(0, len(jobs))
        for k, result in results:
            done[k] = result
            _clear_bar()
            while shown in done:
                show(done[shown])
                shown += 1
            _draw_bar(len(done), len(jobs))
    return [result.status for result in done.values()]


def _one_by_one(
    work: Work, args: Args, jobs: Sequence[Job], workers: int
) -> Generator[tuple[int, Result], None, None]:
    for k, job in enumerate(jobs):
        yield k, attempt(work, args, job)


def _in_processes(
    work: Work, args: Args, jobs: Sequence[Job], workers: int
) -> Generator[tuple[int, Result], None, None]:
    """The same on several cores, with one thread on each, as they are done."""
    bare = Args(**{name: value for name, value in vars(args).items() if name != "run"})
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _stay_on_one_thread)
    try:
        # An interrupt concerns this process, which ends the others: they inherit that it is ignored.
        interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        futures: dict[Future[Result], int] = {}
        try:
            for k, job in enumerate(jobs):
                if job.source != PIPE:  # which only this process has
                    futures[pool.submit(attempt, work, bare, job)] = k
        finally:
            signal.signal(signal.SIGINT, interrupts)
        for k, job in enumerate(jobs):
            if job.source == PIPE:
                yield k, attempt(work, args, job)
        for future in as_completed(futures):
            k = futures[future]
            try:
                result = future.result()
            except Exception as error:  # the process died, from want of memory for instance
                result = refused(args, SdcError("E_IO", str(error)), jobs[k].name)
            yield k, result
    finally:
        pool.shutdown(cancel_futures=True)


def _stay_on_one_thread() -> None:
    """Hold a worker to one thread: there is one for each core."""
    hold_one_thread()
    core.use_threads(1)
    # What analyses load later, torch for instance, reads it from here.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def _bar_is_seen() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _clear_bar() -> None:
    if _bar_is_seen():
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def _draw_bar(done: int, total: int) -> None:
    """A bar of the files done, when standard error is a terminal."""
    if total and _bar_is_seen():
        bar = ("#" * (BAR * done // total)).ljust(BAR, ".")
        sys.stderr.write(f"[{bar}] {done}/{total}" + ("\n" if done == total else ""))
        sys.stderr.flush()
