"""Measuring all images of a plan, in several processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from tqdm import tqdm

from .dataset import LabelledImage
from .plan import ORIGINAL, Job, Plan, Row, count_of, jobs_of
from .timing import THREADS
from .worker import Worker

Engine = Callable[[Plan, Sequence[Job], int], Iterator[list[Row]]]
"""Measures jobs by so many processes, in the order in which they are done."""

_worker: Worker | None = None


def _begin(plan: Plan) -> None:
    global _worker
    _worker = Worker(plan)


def _work(job: Job) -> list[Row]:
    assert _worker is not None
    return _worker.rows(job)


def measured(plan: Plan, jobs: Sequence[Job], processes: int) -> Iterator[list[Row]]:
    """Measurements of jobs, in the order in which they are done."""
    if processes == 1:
        worker = Worker(plan)
        yield from map(worker.rows, jobs)
        return
    os.environ.update(dict.fromkeys(THREADS, "1"))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (plan,)) as pool:
        futures = [pool.submit(_work, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def measure(
    plan: Plan, images: Sequence[LabelledImage], processes: int, engine: Engine = measured
) -> list[Row]:
    """Measure images as planned, with a bar of progress.

    Returns:
        The measurements in the order in which they were asked for, whichever process was faster.

    Raises:
        OSError, RuntimeError, SdcError, ValueError: from a codec or an evaluator.
    """
    jobs = jobs_of(plan, images)
    rows: list[Row] = []
    with tqdm(total=sum(count_of(plan, job) for job in jobs), unit="measurement") as bar:
        for found in engine(plan, jobs, processes):
            rows += found
            bar.update(len(found))
    sources = ["", *(source.text for source in plan.sources)]
    codecs = [ORIGINAL, *(variant.text for variant, _ in plan.variants)]
    places = {image.name: k for k, image in enumerate(images)}
    rows.sort(key=lambda r: (sources.index(r["source"]), codecs.index(r["codec"]), places[r["image"]]))
    return rows
