"""One file or many: jobs, processes, and what is said of each."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import SdcError
from ..networks.threads import hold_one_thread
from .files import PIPE, check_output, file_identity, files_below, is_image_name, is_same, objects_path
from .messages import (
    DONE,
    Args,
    InternalError,
    Out,
    Work,
    as_error,
    message_line,
    print_err,
    print_out,
    status_of,
    worst_status,
)

BAR = 40


@dataclass(frozen=True)
class Job:
    """A file to work on: where it is, where its output goes (nowhere for some commands), what to call it."""

    source: str
    target: str = ""
    name: str = ""


@dataclass
class _Result:
    """What came of a file: exit status, and lines for standard output and standard error."""

    status: int = DONE
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


def attempt(work: Work, args: Args, job: Job) -> _Result:
    """Do one file."""
    try:
        if job.target:
            check_output(args, job.source, job.target)
        said = work(args, job.source, job.target)
    except Exception as error:
        return refused(args, as_error(error), job.name)
    result = _Result(worst_status(status_of(s) for s in said))
    for s in said:
        if isinstance(s, Out):
            result.out.append(s)
        else:
            result.err.append(
                message_line(args.program, s if isinstance(s, SdcError) else f"note: {s}", job.name)
            )
    return result


def refused(args: Args, error: SdcError | InternalError, name: str) -> _Result:
    """What came of a file that an error kept from being done."""
    return _Result(status_of(error), err=[message_line(args.program, error, name)])


def run_one(work: Work, args: Args) -> int:
    """Do one file."""
    if args.output != PIPE and os.path.isdir(args.output):
        raise SdcError("E_USAGE", "the output is a folder and the input is not", args.output)
    others = (getattr(args, "original", None), objects_path(args, args.input))
    if args.input == PIPE and PIPE in others:
        raise SdcError("E_USAGE", "standard input can be read once only, and is named twice")
    return show(attempt(work, args, Job(args.input, args.output)))


def show(result: _Result) -> int:
    """Print what was said of a file; returns its exit status."""
    for line in result.out:
        print_out(line + "\n")
    for line in result.err:
        print_err(line)
    return result.status


def run_all(work: Work, args: Args, takes: Callable[[str], bool], suffix: str) -> int:
    """Do one file, or all files of a folder into a folder of the same shape.

    Args:
        takes: which files of a folder are meant, by name.
        suffix: of the outputs.

    Raises:
        SdcError: ``E_USAGE`` or ``E_INPUT``.
    """
    if args.input == PIPE or not os.path.isdir(args.input):
        return run_one(work, args)
    if args.output == PIPE or os.path.isfile(args.output):
        raise SdcError("E_USAGE", "the input is a folder and the output is not", args.output)
    if getattr(args, "objects_file", None) == PIPE:
        raise SdcError("E_USAGE", "objects of a folder of pictures are not read from standard input")
    jobs: dict[str, Job] = {}
    statuses: list[int] = []
    found = list(files_below(args.input, takes))
    if is_same(args.input, args.output):
        for path, error in found:
            target = str(Path(path).with_suffix(suffix))
            if error is None and is_image_name(target) and os.path.exists(target):
                raise SdcError(
                    "E_USAGE", "the picture beside the stream would be lost: name another folder", target
                )
    inputs = {file_identity(path) for path, error in found if error is None} - {None}
    for path, error in found:
        name = os.path.relpath(path, args.input)
        target = str(Path(args.output, name).with_suffix(suffix))
        if error is None and target in jobs:
            error = SdcError("E_USAGE", f"{jobs[target].name} has the same output")
        if error is None and file_identity(target) in inputs:
            error = SdcError("E_USAGE", "the output is an input, which would be lost", target)
        if error is None:
            try:
                os.makedirs(Path(target).parent, exist_ok=True)
            except OSError as wrong:
                error = SdcError("E_IO", f"could not write: {wrong.strerror}", target)
        if error is None:
            jobs[target] = Job(path, target, name)
        else:
            statuses.append(show(refused(args, error, name)))
    if not jobs and not statuses:
        raise SdcError("E_INPUT", "the folder has no file to work on", args.input)
    return worst_status([*statuses, *run_jobs(work, args, list(jobs.values()))])


def run_jobs(work: Work, args: Args, jobs: Sequence[Job]) -> list[int]:
    """Do files on several cores if there are, and print what is said of them, in their order."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(len(jobs), args.jobs or cores)
    done: dict[int, _Result] = {}
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
) -> Generator[tuple[int, _Result], None, None]:
    for k, job in enumerate(jobs):
        yield k, attempt(work, args, job)


def _in_processes(
    work: Work, args: Args, jobs: Sequence[Job], workers: int
) -> Generator[tuple[int, _Result], None, None]:
    """The same on several cores, with one thread on each, as they are done."""
    bare = Args(**{name: value for name, value in vars(args).items() if name != "run"})
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _stay_on_one_thread)
    try:
        # An interrupt concerns this process, which ends the others: they inherit that it is ignored.
        interrupts = signal.signal(signal.SIGINT, signal.SIG_IGN)
        futures: dict[Future[_Result], int] = {}
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
