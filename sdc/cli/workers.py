"""Processes that do files, one each at a time; one that dies costs its own file and is replaced."""

from __future__ import annotations

import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .. import core
from ..errors import SdcError
from ..networks.threads import hold_one_thread
from ..paths import mark_temporaries, remove_temporaries
from .jobs import Job, Result, attempt, refused
from .messages import Args, Work
from .signals import Ended, ended_in_order, no_interrupts

STARTS = 3
"""Processes in a row that may die before they take a file, until it is given up."""

PATIENCE = 3.0
"""Seconds that processes have for an orderly end."""

_CONTEXT = multiprocessing.get_context("spawn")


@dataclass(eq=False)
class _Worker:
    """A process.

    Attributes:
        pipe: to it.
        mark: in the names of its temporary files.
        job: what it does, with its number; nothing while it starts or waits.
        ready: whether it has started.
    """

    process: BaseProcess
    pipe: Connection
    mark: str
    job: tuple[int, Job] | None = None
    ready: bool = False


@dataclass(eq=False)
class Workers:
    """So many processes, with one thread each.

    Args:
        work: what is done with each file.
        args: arguments of the command.
        count: of the processes.
    """

    work: Work
    args: Args
    count: int
    _alive: list[_Worker] = field(default_factory=list)
    _failed_starts: int = 0

    def run(self, jobs: Sequence[tuple[int, Job]]) -> Iterator[tuple[int, Result]]:
        """Do files, and give what came of each as it is done.

        Raises:
            SdcError: ``E_IO`` when no process can be started.
        """
        waiting = deque(jobs)
        try:
            while waiting or any(worker.job for worker in self._alive):
                busy = sum(worker.job is not None for worker in self._alive)
                for _ in range(min(self.count, busy + len(waiting)) - len(self._alive)):
                    self._start()
                for worker in self._heard():
                    yield from self._hear(worker)
                    if worker.ready and worker.job is None and waiting and worker in self._alive:
                        self._give(worker, waiting)
        finally:
            self._end()

    def _start(self) -> None:
        here, there = _CONTEXT.Pipe()
        mark = secrets.token_hex(4)
        process = _CONTEXT.Process(target=_serve, args=(there, self.work, self.args, mark))
        # An interrupt concerns this process, which ends the others: they inherit that it is ignored.
        with no_interrupts():
            process.start()
        there.close()
        self._alive.append(_Worker(process, here, mark))

    def _heard(self) -> list[_Worker]:
        """Workers that say something, or have died, in which case their pipes are at their ends."""
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._alive}
        return [by_pipe[pipe] for pipe in wait(list(by_pipe))]

    def _hear(self, worker: _Worker) -> Iterator[tuple[int, Result]]:
        """What a worker says: that it has started, or what came of its file; or what its death means."""
        try:
            said = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._bury(worker)
            return
        self._failed_starts, worker.ready = 0, True
        if worker.job is not None:
            number, worker.job = worker.job[0], None
            yield number, said

    def _give(self, worker: _Worker, waiting: deque[tuple[int, Job]]) -> None:
        worker.job = waiting.popleft()
        try:
            worker.pipe.send(worker.job[1])
        except OSError:  # it is dead, as reading from it will tell
            waiting.appendleft(worker.job)
            worker.job, worker.ready = None, False

    def _bury(self, worker: _Worker) -> Iterator[tuple[int, Result]]:
        """Take leave of a process that died; its file is an error."""
        worker.process.join()
        worker.pipe.close()
        self._alive.remove(worker)
        how = _death(worker.process.exitcode)
        if worker.job is None:
            self._failed_starts += 1
            if self._failed_starts >= STARTS:
                raise SdcError("E_IO", f"processes end before they take a file, {how}; use --jobs 1")
            return
        number, job = worker.job
        _sweep(job, worker.mark)
        yield number, refused(self.args, SdcError("E_IO", f"its process ended, {how}"), job.name)

    def _end(self) -> None:
        """End all processes, those that work as well."""
        for worker in self._alive:
            if worker.job is not None or not worker.ready:
                worker.process.terminate()
            worker.pipe.close()  # which ends those that wait
        end = time.monotonic() + PATIENCE
        for worker in self._alive:
            worker.process.join(max(0.0, end - time.monotonic()))
            if worker.process.exitcode is None:
                worker.process.kill()
                worker.process.join()
            if worker.job is not None:
                _sweep(worker.job[1], worker.mark)
        self._alive.clear()


def _death(status: int | None) -> str:
    """How a process ended, in words."""
    if status is not None and status < 0:
        name = signal.Signals(-status).name if -status in list(signal.Signals) else f"signal {-status}"
        if name == "SIGKILL":
            return "killed (SIGKILL): most likely memory ran out, and fewer --jobs need less"
        return f"killed by {name}"
    return f"with exit status {status}"


def _sweep(job: Job, mark: str) -> None:
    """Remove what a dead process has left beside the output of its file."""
    if job.target:
        remove_temporaries(os.path.dirname(os.path.realpath(job.target)), mark)


def _serve(pipe: Connection, work: Work, args: Args, mark: str) -> None:
    """The life of a process: it does the files that come, until no more can come."""
    try:
        with ended_in_order():
            mark_temporaries(mark)
            stay_on_one_thread()
            pipe.send(None)
            while True:
                pipe.send(attempt(work, args, pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Ended as end:
        sys.exit(end.exit_status)


def stay_on_one_thread() -> None:
    """Hold a worker to one thread: there is one for each core."""
    hold_one_thread()
    core.use_threads(1)
    # What analyses load later, torch for instance, reads it from here.
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
