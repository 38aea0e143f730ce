"""Products on one thread while the library computes, and as before afterwards."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from sdc import decode, encode
from sdc.networks import threads
from sdc.networks.gradient import backward
from sdc.networks.operators import Operator, Work
from sdc.networks.run import Tape, run
from sdc.networks.sites import Sites
from sdc.networks.threads import one_thread


@dataclass
class Library:
    """Stands in for a library of linear algebra; counts how often it was set."""

    threads: int = 4
    set_count: int = 0

    def get_num_threads(self) -> int:
        return self.threads

    def set_num_threads(self, count: int) -> None:
        self.threads, self.set_count = count, self.set_count + 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    found = Library()
    monkeypatch.setattr(threads, "_libraries", lambda: [found])
    return found


@pytest.fixture
def numpys_own() -> Iterator[Any]:
    """The library that NumPy uses, with two threads."""
    (found,) = [lib for lib in threads._libraries() if "numpy" in lib.filepath]
    before = found.get_num_threads()
    found.set_num_threads(2)
    yield found
    found.set_num_threads(before)


def test_one_thread_within_and_as_before_afterwards(library: Library) -> None:
    with one_thread():
        assert library.threads == 1
        with one_thread():
            assert library.threads == 1
        assert library.threads == 1
    assert library.threads == 4 and library.set_count == 2


def test_as_before_after_an_error(library: Library) -> None:
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert library.threads == 4


def test_what_is_on_one_thread_is_left_alone(library: Library) -> None:
    library.threads = 1
    with one_thread():
        pass
    assert library.set_count == 0


def test_no_library_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_libraries", lambda: [])
    with one_thread():
        assert (np.ones((2, 2)) @ np.ones((2, 2)) == 2).all()


def test_the_last_of_several_threads_restores(library: Library) -> None:
    """The first leaves while the second is inside."""
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            entered.set()
            leave.wait(30)

    with one_thread():
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(30)
    assert library.threads == 1
    leave.set()
    thread.join()
    assert library.threads == 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_lacks(library: Library) -> None:
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_thread():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(30)
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child() -> None:
        answers.put(library.threads)
        with one_thread():
            answers.put(library.threads)
        answers.put(library.threads)

    process = context.Process(target=child)
    process.start()
    assert [answers.get(timeout=30) for _ in range(3)] == [4, 1, 4]
    process.join(30)
    leave.set()
    thread.join()


class Watch(Operator):
    """Notes how many threads there are when it runs, forwards and backward."""

    kind = "watch"

    def __init__(self, library: Any):
        self.library, self.seen = library, list[int]()

    @classmethod
    def parse(cls, row: Any, tensors: Any) -> Watch:
        raise NotImplementedError

    def check(self, flow: Any, where: str) -> Any:
        return flow

    def run(self, x: np.ndarray, work: Work) -> np.ndarray:
        self.seen.append(self.library.get_num_threads())
        return x

    def backward(self, gradient: np.ndarray, work: Any) -> np.ndarray:
        self.seen.append(self.library.get_num_threads())
        return gradient


def test_networks_run_on_one_thread(numpys_own: Any) -> None:
    one = np.zeros(1, np.int64)
    sites, watch, tape = Sites(one, one, one, one), Watch(numpys_own), Tape()
    x = np.ones((1, 3), np.float32)
    run([watch], sites, x)
    run([watch], sites, x, tape=tape)
    backward([watch], sites, x, tape)
    assert watch.seen == [1, 1, 1]
    assert numpys_own.get_num_threads() == 2


def test_encode_and_decode_leave_the_threads_as_they_were(numpys_own: Any) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    data = encode(picture)
    assert numpys_own.get_num_threads() == 2
    decode(data)
    assert numpys_own.get_num_threads() == 2


def test_workers_of_a_batch_stay_on_one_thread() -> None:
    """NumPy and what is loaded later; products in between change nothing."""
    code = """
import os
from sdc.cli.workers import stay_on_one_thread
from sdc.networks import threads
libraries = threads._libraries()
for library in libraries:
    library.set_num_threads(2)
stay_on_one_thread()
with threads.one_thread():
    pass
assert libraries and all(library.get_num_threads() == 1 for library in libraries)
assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "1"
"""
    without = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    assert subprocess.run([sys.executable, "-c", code], env=without).returncode == 0
