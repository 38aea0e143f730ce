"""Several files at once: one process per core, and how far they have come."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing

from .files import PIPE
from .jobs import Job, Result, attempt, show
from .messages import Args, Work
from .progress import Progress
from .workers import Workers

Heard = Callable[[Job, Result], None]
"""Told of each file as it is done."""


def run_jobs(work: Work, args: Args, jobs: Sequence[Job], on_done: Heard | None = None) -> list[int]:
    """Do files on several cores if there are, and print what is said of them, in their order.

    Args:
        work: what is done with each.
        args: arguments of the command.
        jobs: the files.
        on_done: is told of each as it is done, in any order.

    Returns:
        The exit status of each, in any order.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(len(jobs), args.jobs or cores)
    ahead: dict[int, Result] = {}
    statuses: list[int] = []
    shown = 0
    way = _in_processes if workers > 1 else _one_by_one
    progress = Progress(args.program, len(jobs))
    with closing(way(work, args, jobs, workers)) as results:
        for k, result in results:
            if on_done is not None:
                on_done(jobs[k], result)
            ahead[k] = result
            statuses.append(result.status)
            progress.add(result.failed)
            progress.clear()
            while shown in ahead:
                show(ahead.pop(shown))
                shown += 1
            progress.draw()
    return statuses


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
    for k, job in enumerate(jobs):
        if job.source == PIPE:  # which only this process has
            yield k, attempt(work, args, job)
    others = [(k, job) for k, job in enumerate(jobs) if job.source != PIPE]
    yield from Workers(work, bare, workers).run(others)
